"""Recurrent cells as layers: an input and a state enter, the next state leaves, for loops of one's own."""

from __future__ import annotations

from typing import Any

from graphc import ops
from graphc.ir.origin import scope
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import check_features
from graphc.nn.cells import checked_nonlinearity, gru_cell, lstm_cell, rnn_cell
from graphc.nn.layer import Layer
from graphc.nn.recurrent import declare_weights
from graphc.ops.sources import as_tensor


class _Cell(Layer):
    """What the cells share: weights of one step, and a state of zeros where none is given."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        declare_weights(self, "", self.gates, input_size, hidden_size, bias)

    def __call__(self, x: object, state: Any = None, training: bool = False) -> Any:  # type: ignore[override]
        """The next state; ``state`` is zeros if left out."""
        with scope(self.name or type(self).__name__):
            return self.forward(as_tensor(x), state, training)

    def _zeros(self, x: Tensor) -> Tensor:
        return ops.zeros((*x.shape[:-1], self.hidden_size), x.dtype)

    def _weights(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        check_features(x, -1, self.input_size, repr(self))
        b_ih, b_hh = (self.bias_ih, self.bias_hh) if self.bias else (None, None)
        return self.weight_ih, self.weight_hh, b_ih, b_hh


class RNNCell(_Cell):
    """`rnn_cell` with weights of its own: ``h = cell(x, h)``.

    ``x`` is (…, input_size), ``h`` (…, hidden_size).

    >>> import graphc as gc
    >>> cell, x = gc.nn.RNNCell(3, 8), gc.input("x", ("T", "N", 3))
    >>> gc.scan(lambda h, x_t: (cell(x_t, h), None), gc.zeros(("N", 8)), x)[0].shape
    (N, 8)
    """

    default_name = "rnn_cell"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(input_size, hidden_size, bias, name=name, dtype=dtype)
        checked_nonlinearity(nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, x: Tensor, state: Any = None, training: bool = False) -> Tensor:
        h = self._zeros(x) if state is None else state
        return rnn_cell(x, h, *self._weights(x), self.nonlinearity)


class GRUCell(_Cell):
    """`gru_cell` with weights of its own: ``h = cell(x, h)``.

    >>> import graphc as gc
    >>> gc.nn.GRUCell(3, 8)(gc.input("x", ("N", 3))).shape
    (N, 8)
    """

    default_name = "gru_cell"
    gates = 3

    def forward(self, x: Tensor, state: Any = None, training: bool = False) -> Tensor:
        return gru_cell(x, self._zeros(x) if state is None else state, *self._weights(x))


class LSTMCell(_Cell):
    """`lstm_cell` with weights of its own: ``h, c = cell(x, (h, c))``.

    >>> import graphc as gc
    >>> h, c = gc.nn.LSTMCell(3, 8)(gc.input("x", ("N", 3)))
    >>> h.shape, c.shape
    ((N, 8), (N, 8))
    """

    default_name = "lstm_cell"
    gates = 4

    def forward(self, x: Tensor, state: Any = None, training: bool = False) -> Any:
        pair = (self._zeros(x), self._zeros(x)) if state is None else state
        return lstm_cell(x, pair, *self._weights(x))
