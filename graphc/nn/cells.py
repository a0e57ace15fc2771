"""One step of a recurrent network: an input and a state enter, the next state leaves.

Weights lie as in PyTorch: ``w_ih`` is (gates · hidden, in), ``w_hh`` (gates · hidden, hidden).

Source: Elman 1990; Cho et al. 2014 (GRU); Hochreiter and Schmidhuber 1997 (LSTM); X. Qiu, *Neural
Networks and Deep Learning*, chapter 6 (nndl.github.io).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.sources import as_tensor

NONLINEARITIES = {"tanh": ops.tanh, "relu": ops.relu}


def rnn_cell(
    x: object,
    h: object,
    w_ih: object,
    w_hh: object,
    b_ih: object = None,
    b_hh: object = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """nonlinearity(x · w_ihᵀ + b_ih + h · w_hhᵀ + b_hh): a step of a simple recurrent network.

    ``x`` is (…, in), ``h`` (…, hidden), the biases (hidden,) or None; ``nonlinearity`` is "tanh" or "relu".

    >>> import graphc as gc
    >>> x, h = gc.input("x", ("N", 3)), gc.input("h", ("N", 5))
    >>> gc.nn.rnn_cell(x, h, gc.parameter("w_ih", (5, 3)), gc.parameter("w_hh", (5, 5)))
    <tanh: float32(N, 5)>
    """
    return rnn_step(projected(x, w_ih, b_ih), as_tensor(h), as_tensor(w_hh), b_hh, nonlinearity)


def gru_cell(
    x: object, h: object, w_ih: object, w_hh: object, b_ih: object = None, b_hh: object = None
) -> Tensor:
    """A step of a gated recurrent unit, its gates in the order reset, update, new.

    ``x`` is (…, in), ``h`` (…, hidden), ``w_ih`` (3 · hidden, in), ``w_hh`` (3 · hidden, hidden). As
    PyTorch's: the reset gate multiplies h · w_hhᵀ + b_hh.

    >>> import graphc as gc
    >>> x, h = gc.input("x", ("N", 3)), gc.input("h", ("N", 5))
    >>> gc.nn.gru_cell(x, h, gc.parameter("w_ih", (15, 3)), gc.parameter("w_hh", (15, 5))).shape
    (N, 5)
    """
    return gru_step(projected(x, w_ih, b_ih), as_tensor(h), as_tensor(w_hh), b_hh)


def lstm_cell(
    x: object, state: Any, w_ih: object, w_hh: object, b_ih: object = None, b_hh: object = None
) -> tuple[Tensor, Tensor]:
    """A step of a long short-term memory, its gates in the order input, forget, cell, output.

    ``state`` is the pair (h, c), each (…, hidden), and so is the result; ``x`` is (…, in), ``w_ih``
    (4 · hidden, in), ``w_hh`` (4 · hidden, hidden).

    >>> import graphc as gc
    >>> x, h, c = gc.input("x", ("N", 3)), gc.input("h", ("N", 5)), gc.input("c", ("N", 5))
    >>> h, c = gc.nn.lstm_cell(x, (h, c), gc.parameter("w_ih", (20, 3)), gc.parameter("w_hh", (20, 5)))
    >>> h.shape, c.shape
    ((N, 5), (N, 5))
    """
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise GraphError(
            f"the state of an LSTM is a pair (h, c), but {type(state).__name__} was given", op="lstm_cell",
            location=user_location(), remedy="pass (h, c)",
        )  # fmt: skip
    h, c = map(as_tensor, state)
    return lstm_step(projected(x, w_ih, b_ih), h, c, as_tensor(w_hh), b_hh)


# -- steps over inputs that are projected already ----------------------------------------------------
def projected(x: object, weight: object, bias: object = None) -> Tensor:
    """x · weightᵀ + bias."""
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim < 1 or weight.ndim != 2:
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, the weight {format_shape(weight.shape)}", op="cell",
            location=user_location(), remedy="x is (…, in), a weight (gates · hidden, in)",
        )  # fmt: skip
    product = ops.matmul(x, ops.transpose(weight))
    return product if bias is None else product + bias


def rnn_step(z: Tensor, h: Tensor, w_hh: Tensor, b_hh: object, nonlinearity: str) -> Tensor:
    """The next h; ``z`` is the projected input."""
    return checked_nonlinearity(nonlinearity)(z + projected(h, w_hh, b_hh))


def checked_nonlinearity(name: str) -> Callable[[object], Tensor]:
    """The function of this name; GraphError where there is none."""
    if name not in NONLINEARITIES:
        raise GraphError(
            f"nonlinearity = {name!r} is unknown", op="rnn_cell", location=user_location(),
            remedy=f"choose one of {', '.join(map(repr, NONLINEARITIES))}",
        )  # fmt: skip
    return NONLINEARITIES[name]


def gru_step(z: Tensor, h: Tensor, w_hh: Tensor, b_hh: object) -> Tensor:
    """The next h; ``z`` is the projected input."""
    a = projected(h, w_hh, b_hh)
    size = h.shape[-1]
    gates = ops.sigmoid(z[..., : 2 * size] + a[..., : 2 * size])
    reset, update = gates[..., :size], gates[..., size:]
    new = ops.tanh(z[..., 2 * size :] + reset * a[..., 2 * size :])
    return new + update * (h - new)


def lstm_step(z: Tensor, h: Tensor, c: Tensor, w_hh: Tensor, b_hh: object) -> tuple[Tensor, Tensor]:
    """The next h and c; ``z`` is the projected input."""
    z = z + projected(h, w_hh, b_hh)
    size = h.shape[-1]
    gates = ops.sigmoid(z[..., : 2 * size])
    enter, keep = gates[..., :size], gates[..., size:]
    c = keep * c + enter * ops.tanh(z[..., 2 * size : 3 * size])
    return ops.sigmoid(z[..., 3 * size :]) * ops.tanh(c), c
