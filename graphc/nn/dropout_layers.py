"""Dropout as layers: in training zeros enter what passes, else it passes unchanged."""

from __future__ import annotations

from graphc.ir.tensor import Tensor
from graphc.nn.arguments import probability
from graphc.nn.dropout import dropout, dropout1d, dropout2d, dropout3d
from graphc.nn.layer import Layer


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


class Dropout1d(Dropout):
    """In training, whole channels of (N, C, L) set to 0 with probability p and the rest divided by 1 − p.

    See `gc.nn.dropout1d`.

    >>> import graphc as gc
    >>> gc.nn.Dropout1d(0.2)(gc.input("x", ("N", 8, "L")), training=True)
    <where: float32(N, 8, L)>
    """

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return dropout1d(x, self.p, training)


class Dropout2d(Dropout):
    """In training, whole channels of (N, C, H, W) set to 0 with probability p and the rest divided by 1 − p.

    See `gc.nn.dropout2d`.

    >>> import graphc as gc
    >>> gc.nn.Dropout2d(0.2)(gc.input("x", ("N", 8, 32, 32)), training=True)
    <where: float32(N, 8, 32, 32)>
    """

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return dropout2d(x, self.p, training)


class Dropout3d(Dropout):
    """In training, whole channels of (N, C, D, H, W) set to 0 with probability p, the rest divided by 1 − p.

    See `gc.nn.dropout3d`.

    >>> import graphc as gc
    >>> gc.nn.Dropout3d(0.2)(gc.input("x", ("N", 8, 4, 32, 32)), training=True)
    <where: float32(N, 8, 4, 32, 32)>
    """

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return dropout3d(x, self.p, training)
