"""Layers of transformers: sequences enter, sequences in which each place has looked at others leave."""

from __future__ import annotations

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.init import Initializer
from graphc.ir.dimension import format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import probability
from graphc.nn.attention import scaled_dot_product_attention
from graphc.nn.dropout import dropout
from graphc.nn.layer import Layer
from graphc.nn.layers import GLOROT, ActivationLike, Dense
from graphc.nn.normalization_layers import LayerNorm


class MultiHeadAttention(Layer):
    """Attention of several heads: each looks for something else, on its own part of the features.

    ``layer(query, key=None, value=None, mask=None)``: ``query`` is (…, T, embed_dim), ``key`` (…, S,
    kdim), ``value`` (…, S, vdim), the result (…, T, embed_dim). Without key the sequence attends to
    itself, without value to what the keys are made of; ``kdim`` and ``vdim`` are embed_dim unless
    given. With ``batch_first=False`` the length is the first axis of all of them.

    ``mask`` broadcasts to (…, T, S), for all heads, or to (…, num_heads, T, S); of bool, True takes
    part, as in `gc.nn.scaled_dot_product_attention` and unlike ``torch.nn.MultiheadAttention``. A
    mask of padding, (N, S), is given as ``mask[:, None, :]``. ``causal``: place t sees the places 0
    to t. In training each weight of the mean is dropped with probability ``dropout``.

    The parts are Dense: ``query``, ``key``, ``value``, ``output``. Raises GraphError where num_heads
    does not divide embed_dim, ShapeError where the sizes do not fit. Vaswani et al. 2017.

    >>> import graphc as gc
    >>> layer = gc.nn.MultiHeadAttention(16, 4, bias=False)
    >>> layer(gc.input("x", ("N", "T", 16))).shape
    (N, T, 16)
    >>> [p.name.removeprefix("attention/") for p in layer.parameters()]
    ['query/weight', 'key/weight', 'value/weight', 'output/weight']
    """

    default_name = "attention"

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        kdim: int | None = None,
        vdim: int | None = None,
        *,
        batch_first: bool = True,
        causal: bool = False,
        init: Initializer | float = GLOROT,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise GraphError(
                f"{embed_dim} features do not divide among {num_heads} heads",
                op="MultiHeadAttention", location=user_location(),
                remedy="choose num_heads so that it divides embed_dim",
            )  # fmt: skip
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout = probability(dropout, "MultiHeadAttention")
        self.batch_first, self.causal = batch_first, causal

        def dense(features: int | None) -> Dense:
            return Dense(features or embed_dim, embed_dim, bias, init=init, dtype=dtype)

        self.query, self.key, self.value = dense(None), dense(kdim), dense(vdim)
        self.output = dense(None)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        key = query if key is None else key
        value = key if value is None else value
        for name, x in (("query", query), ("key", key), ("value", value)):
            if x.ndim < 2:
                raise ShapeError(
                    f"{name} has shape {format_shape(x.shape)}, where a length and features are needed",
                    op=repr(self), location=user_location(), remedy="add an axis for the places in front",
                )  # fmt: skip
        result = scaled_dot_product_attention(
            self._heads(self.query(self._length_last(query))),
            self._heads(self.key(self._length_last(key))),
            self._heads(self.value(self._length_last(value))),
            None if mask is None else _for_heads(mask, query.ndim),
            self.dropout if training else 0.0,
            self.causal,
        )
        joined = ops.swapaxes(result, -3, -2)
        joined = self.output(ops.reshape(joined, (*joined.shape[:-2], self.embed_dim)))
        return joined if self.batch_first else ops.moveaxis(joined, -2, 0)

    def _length_last(self, x: Tensor) -> Tensor:
        return x if self.batch_first else ops.moveaxis(x, 0, -2)

    def _heads(self, x: Tensor) -> Tensor:
        """(…, T, embed_dim) as (…, num_heads, T, embed_dim / num_heads)."""
        size = self.embed_dim // self.num_heads
        return ops.swapaxes(ops.reshape(x, (*x.shape[:-1], self.num_heads, size)), -3, -2)


class TransformerBlock(Layer):
    """Self-attention and a network of one hidden layer at each place, each added to what it reads.

    ``layer(x, mask=None)``: ``x`` and the result are (…, T, embed_dim); ``mask`` is that of
    `MultiHeadAttention`. Layer normalisation follows each sum; with ``norm_first`` it stands before
    attention and network, which trains without warm-up (Xiong et al. 2020). In training, ``dropout``
    applies to the weights of attention, to the hidden layer and to both terms added. As
    ``torch.nn.TransformerEncoderLayer``; with ``causal`` a block of a decoder alone. Vaswani et al.
    2017.

    >>> import graphc as gc
    >>> block = gc.nn.TransformerBlock(16, num_heads=4, hidden=32, activation="gelu", name="block")
    >>> block(gc.input("x", ("N", "T", 16))).shape
    (N, T, 16)
    >>> [p.name for p in block.parameters()][-4:]
    ['block/output/weight', 'block/output/bias', 'block/output_norm/weight', 'block/output_norm/bias']
    """

    default_name = "transformer"

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden: int,
        activation: ActivationLike = "relu",
        norm_first: bool = False,
        dropout: float = 0.1,
        *,
        causal: bool = False,
        eps: float = 1e-5,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.norm_first = norm_first
        self.dropout = probability(dropout, "TransformerBlock")
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout, causal=causal, dtype=dtype)
        self.attention_norm = LayerNorm(embed_dim, eps, dtype=dtype)
        self.hidden = Dense(embed_dim, hidden, activation=activation, dtype=dtype)
        self.output = Dense(hidden, embed_dim, dtype=dtype)
        self.output_norm = LayerNorm(embed_dim, eps, dtype=dtype)

    def forward(self, x: Tensor, mask: Tensor | None = None, training: bool = False) -> Tensor:
        def attended(y: Tensor) -> Tensor:
            return dropout(self.attention(y, mask=mask, training=training), self.dropout, training)

        def transformed(y: Tensor) -> Tensor:
            y = dropout(self.hidden(y), self.dropout, training)
            return dropout(self.output(y), self.dropout, training)

        if self.norm_first:
            x = x + attended(self.attention_norm(x))
            return x + transformed(self.output_norm(x))
        x = self.attention_norm(x + attended(x))
        return self.output_norm(x + transformed(x))


def _for_heads(mask: Tensor, rank: int) -> Tensor:
    """A mask for all heads with an axis for them, where queries have ``rank`` axes; one with it as it is."""
    return ops.expand_dims(mask, -3) if 3 <= mask.ndim <= rank else mask
