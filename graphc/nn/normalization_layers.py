"""Normalisation and dropout as layers: what depends on ``training``, and keeps running statistics."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.tensor import Tensor
from graphc.nn.arguments import check_features, probability
from graphc.nn.layer import Layer
from graphc.nn.normalization import batch_norm, dropout, layer_norm


class Dropout(Layer):
    """In training, elements set to 0 with probability p and the rest divided by 1 − p; else x.

    Srivastava et al. 2014. See `gc.nn.dropout`.

    >>> import graphc as gc
    >>> gc.nn.Dropout(0.2)(gc.input("x", ("N", 8)), training=True)
    <where: float32(N, 8)>
    """

    default_name = "dropout"

    def __init__(self, p: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name)
        self.p = probability(p, "Dropout")

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return dropout(x, self.p, training)


class BatchNorm(Layer):
    """Each channel (axis 1) brought to mean 0 and variance 1, then scaled and shifted.

    ``x`` is (N, C) or (N, C, …). In training with the batch's statistics, and `gc.nn.state_updates`
    of the result gives the running ones their new values; else with the running ones. ``affine``:
    with learned ``weight`` and ``bias``, (C,). See `gc.nn.batch_norm`. Ioffe and Szegedy 2015.

    >>> import graphc as gc
    >>> norm = gc.nn.BatchNorm(3)
    >>> norm(gc.input("x", ("N", 3, 8, 8)), training=True).shape
    (N, 3, 8, 8)
    >>> [p.name for p in norm.parameters(trainable=False)]
    ['batchnorm/running_mean', 'batchnorm/running_var']
    """

    default_name = "batchnorm"
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        features: int,
        momentum: float = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.features, self.momentum, self.eps = features, probability(momentum, "BatchNorm"), eps
        if affine:
            self.declare("weight", (features,), 1.0)
            self.declare("bias", (features,), 0.0)
        else:
            self.weight = self.bias = None
        self.declare("running_mean", (features,), 0.0, trainable=False)
        self.declare("running_var", (features,), 1.0, trainable=False)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        check_features(x, 1, self.features, repr(self))
        return batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, self.momentum, self.eps
        )


class LayerNorm(Layer):
    """The last axes of each example brought to mean 0 and variance 1, then scaled and shifted.

    See `gc.nn.layer_norm`. Ba et al. 2016.

    >>> import graphc as gc
    >>> gc.nn.LayerNorm(16)(gc.input("x", ("N", "T", 16))).shape
    (N, T, 16)
    """

    default_name = "layernorm"
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.eps = eps
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        if affine:
            self.declare("weight", self.normalized_shape, 1.0)
            self.declare("bias", self.normalized_shape, 0.0)
        else:
            self.weight = self.bias = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
