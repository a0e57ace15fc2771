"""Recurrent layers: sequences enter, the hidden states of every step leave.

Each layer and direction is one loop. The projections of all inputs are one product before it, so that a
step has one product only.
"""

from __future__ import annotations

from typing import Any

from graphc import init, ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Dim, element_count, format_shape, same_shape
from graphc.ir.origin import scope, user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import check_features, probability
from graphc.nn.cells import checked_nonlinearity, gru_step, lstm_step, projected, rnn_step
from graphc.nn.dropout import dropout as dropped
from graphc.nn.layer import Layer
from graphc.ops.sources import as_tensor

State = list[Tensor]  # of one layer and direction: h, or h and c


class Recurrent(Layer):
    """What RNN, GRU and LSTM share; ``gates`` and ``states`` say how many each has, ``step`` what it does."""

    gates = 1
    states = 1
    adds_biases = True  # the two only as a sum, which then is added before the loop

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        return_state: bool = False,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        if num_layers < 1:
            raise GraphError(
                f"num_layers is {num_layers}", op=type(self).__name__, location=user_location(),
                remedy="give 1 or more",
            )  # fmt: skip
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = probability(dropout, type(self).__name__)
        self.return_state = return_state
        for depth in range(num_layers):
            entering = input_size if depth == 0 else hidden_size * self.directions
            for way in self._ways:
                declare_weights(self, f"_l{depth}{way}", self.gates, entering, hidden_size, bias)

    @property
    def directions(self) -> int:
        """1, or 2 where the sequence is read from both ends."""
        return 2 if self.bidirectional else 1

    @property
    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def __call__(self, x: object, state: Any = None, training: bool = False) -> Any:  # type: ignore[override]
        """The outputs of every step, (N, T, hidden · directions); with ``return_state`` also the last state.

        ``x`` is (N, T, input_size), both as (T, N, …) without ``batch_first``. ``state`` is what the loop
        starts from, zeros if left out: h, or (h, c) for an LSTM, each (layers · directions, N, hidden).
        """
        with scope(self.name or type(self).__name__):
            return self.forward(as_tensor(x), state, training)

    def forward(self, x: Tensor, state: Any = None, training: bool = False) -> Any:
        if x.ndim != 3:
            raise ShapeError(
                f"x has shape {format_shape(x.shape)}, where three axes are needed", op=repr(self),
                location=user_location(), remedy="give (N, T, features), for one sequence x[None]",
            )  # fmt: skip
        check_features(x, -1, self.input_size, repr(self))
        if self.batch_first:
            x = ops.transpose(x, (1, 0, 2))
        starts = self._starts(state, x)
        last: list[State] = []
        for depth in range(self.num_layers):
            if depth and training:
                x = dropped(x, self.dropout)
            runs = [self._run(x, depth, way, starts[len(last) + k]) for k, way in enumerate(self._ways)]
            last += [final for final, _ in runs]
            outputs = [sequence for _, sequence in runs]
            x = ops.concatenate(outputs, axis=2) if self.bidirectional else outputs[0]
        y = ops.transpose(x, (1, 0, 2)) if self.batch_first else x
        if not self.return_state:
            return y
        stacked = [ops.stack(each) for each in zip(*last, strict=True)]
        return y, (stacked[0] if self.states == 1 else tuple(stacked))

    def _starts(self, state: Any, x: Tensor) -> list[State]:
        """The first state of each layer and direction."""
        count = self.num_layers * self.directions
        shape: tuple[Dim, ...] = (x.shape[1], self.hidden_size)
        if state is None:
            return [[ops.zeros(shape, x.dtype)] * self.states for _ in range(count)]
        given = list(state) if self.states > 1 and isinstance(state, (tuple, list)) else [state]
        tensors = [as_tensor(s) for s in given]
        if len(tensors) != self.states or any(not same_shape(t.shape, (count, *shape)) for t in tensors):
            seen = " and ".join(format_shape(t.shape) for t in tensors)
            wanted = format_shape((count, *shape))
            raise ShapeError(
                f"the state has shape {seen}, where {' and '.join([wanted] * self.states)} is needed",
                op=repr(self), location=user_location(),
                remedy="a state is (layers · directions, N, hidden); that of an LSTM a pair (h, c) of these",
            )  # fmt: skip
        return [[t[k] for t in tensors] for k in range(count)]

    def _run(self, x: Tensor, depth: int, way: str, start: State) -> tuple[State, Tensor]:
        """One layer in one direction: its last state and its outputs, (T, N, hidden)."""
        suffix = f"_l{depth}{way}"
        w_ih, w_hh = getattr(self, f"weight_ih{suffix}"), getattr(self, f"weight_hh{suffix}")
        b_ih, b_hh = (getattr(self, f"bias_{k}{suffix}") if self.bias else None for k in ("ih", "hh"))
        if self.adds_biases and b_ih is not None:
            b_ih, b_hh = b_ih + b_hh, None
        rows = ops.reshape(x, (element_count(x.shape[:2]), x.shape[2]))
        z = ops.reshape(projected(rows, w_ih, b_ih), (*x.shape[:2], self.gates * self.hidden_size))

        names = ("h", "c")[: self.states]

        def step(carry: dict[str, Tensor], z_t: Tensor) -> tuple[dict[str, Tensor], Tensor]:
            new = self.step(z_t, [carry[name] for name in names], w_hh, b_hh)
            return dict(zip(names, new, strict=True)), new[0]

        last, outputs = ops.scan(step, dict(zip(names, start, strict=True)), z, reverse=bool(way))
        return [last[name] for name in names], outputs

    def step(self, z: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None) -> State:
        """The next state, from the projected input and the last one."""
        raise NotImplementedError(f"{type(self).__name__} states no step")


class RNN(Recurrent):
    """The simple recurrent network h' = nonlinearity(W x + b + U h + d), layer upon layer.

    Maps (N, T, input_size) to (N, T, hidden_size · directions); N and T may be symbolic. Parameters are
    named and laid out as in PyTorch (``weight_ih_l0``, …, ``bias_hh_l1_reverse``) and drawn from
    U(−1/√hidden, 1/√hidden). ``dropout`` acts between layers in training; ``nonlinearity`` is "tanh" or
    "relu". With ``return_state`` the layer gives ``(outputs, h)``.

    >>> import graphc as gc
    >>> gc.nn.RNN(3, 8)(gc.input("x", ("N", "T", 3))).shape
    (N, T, 8)
    """

    default_name = "rnn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        return_state: bool = False,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            return_state=return_state, name=name, dtype=dtype,
        )  # fmt: skip
        checked_nonlinearity(nonlinearity)
        self.nonlinearity = nonlinearity

    def step(self, z: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None) -> State:
        return [rnn_step(z, state[0], w_hh, b_hh, self.nonlinearity)]


class GRU(Recurrent):
    """The gated recurrent unit (Cho et al. 2014), layer upon layer, as PyTorch's.

    Maps (N, T, input_size) to (N, T, hidden_size · directions); parameters and arguments are as for
    `RNN`, with the gates reset, update and new along the first axis of each.

    >>> import graphc as gc
    >>> layer = gc.nn.GRU(3, 8, bidirectional=True)
    >>> layer(gc.input("x", ("N", "T", 3))).shape, layer.weight_ih_l0_reverse.shape
    ((N, T, 16), (24, 3))
    """

    default_name = "gru"
    gates = 3
    adds_biases = False

    def step(self, z: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None) -> State:
        return [gru_step(z, state[0], w_hh, b_hh)]


class LSTM(Recurrent):
    """The long short-term memory (Hochreiter and Schmidhuber 1997), layer upon layer, as PyTorch's.

    Maps (N, T, input_size) to (N, T, hidden_size · directions); parameters and arguments are as for
    `RNN`, with the gates input, forget, cell and output along the first axis of each. Its state is the
    pair (h, c).

    >>> import graphc as gc
    >>> y, (h, c) = gc.nn.LSTM(3, 8, num_layers=2, return_state=True)(gc.input("x", ("N", "T", 3)))
    >>> y.shape, h.shape, c.shape
    ((N, T, 8), (2, N, 8), (2, N, 8))
    """

    default_name = "lstm"
    gates = 4
    states = 2

    def step(self, z: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None) -> State:
        return list(lstm_step(z, state[0], state[1], w_hh, b_hh))


def declare_weights(layer: Layer, suffix: str, gates: int, entering: int, hidden: int, bias: bool) -> None:
    """Announce the weights and biases of one cell, drawn as PyTorch draws them."""
    bound = float(hidden) ** -0.5 if hidden else 0.0
    drawn = init.uniform(-bound, bound)
    layer.declare(f"weight_ih{suffix}", (gates * hidden, entering), drawn)
    layer.declare(f"weight_hh{suffix}", (gates * hidden, hidden), drawn)
    if bias:
        layer.declare(f"bias_ih{suffix}", (gates * hidden,), drawn)
        layer.declare(f"bias_hh{suffix}", (gates * hidden,), drawn)
