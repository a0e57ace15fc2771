"""What an algorithm of convolution costs: sizes enter, seconds leave.

A few numbers measured on one core (AVX2, float32, OpenBLAS); only their proportions matter, and those carry
over to other machines well enough to choose by. A sum over products, copies and calls is all there is to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphc.ir.dimension import Dim
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import Geometry, trilinear_shapes
from graphc.rewrite.cost import hinted

# A product of large matrices, operations a second; a side of s elements reaches s / (s + 16) of it
# (64·64·16384: 58e9, 32·25·36864: 43e9, 64·800·4096: 77e9).
_PRODUCT_RATE = 93e9
_SIDE = 16
# With a vector: an element of the matrix read, and one of an outer product written.
_VECTOR_READ, _OUTER_WRITTEN = 0.4e-9, 1.4e-9
# A float32 copied, in runs of a line of cache or more; and what each run costs beside.
_ELEMENT = 0.3e-9
_RUN = 8e-9
# The same element out of its line of cache.
_STRIDED = 1.5e-9
# An element of a ufunc's result, and a call of NumPy.
_UFUNC = 0.4e-9
_CALL = 1e-6


@dataclass(frozen=True)
class Problem:
    """The sizes of one convolution as numbers, by the names of the trilinear form; symbols at their hint.

    ``kind`` is the op: ``convolution``, ``transposed_convolution`` or ``filter_gradient``.
    """

    kind: str
    batch: int
    channels: int
    results: int
    sizes: tuple[int, ...]
    elements: tuple[int, ...]
    places: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    itemsize: int

    @classmethod
    def of(cls, node: Tensor) -> Problem:
        """The problem that a convolution node poses."""
        x, w, u = trilinear_shapes(node)
        g = Geometry.of(node.attrs)
        return cls(
            node.op.name, hinted(x[0]), hinted(x[1]), hinted(w[0]), _numbers(x[2:]), _numbers(w[2:]),
            _numbers(u[2:]), g.stride, g.dilation, hinted(g.groups), node.dtype.itemsize,
        )  # fmt: skip

    @property
    def depth(self) -> int:
        """The terms of one sum: a group's channels times the filter's elements."""
        return self.channels // max(self.groups, 1) * math.prod(self.elements)


def _numbers(sizes: tuple[Dim, ...]) -> tuple[int, ...]:
    return tuple([hinted(s) for s in sizes])


def product_seconds(rows: int, inner: int, columns: int, itemsize: int = 4, count: int = 1) -> float:
    """``count`` products (rows, inner) @ (inner, columns)."""
    if 1 in (rows, inner, columns):
        each = _OUTER_WRITTEN * rows * columns if inner == 1 else _VECTOR_READ * inner * max(rows, columns)
        return count * (_CALL / 4 + each * itemsize / 4)
    reached = math.prod(s / (s + _SIDE) for s in (rows, inner, columns) if s)
    operations = 2.0 * rows * inner * columns * count
    return count * _CALL / 4 + operations * (itemsize / 4) / (_PRODUCT_RATE * max(reached, 1e-3))


def copy_seconds(elements: float, run: int, itemsize: int = 4, apart: bool = False) -> float:
    """A copy of so many elements, in inner loops of ``run``, which lie beside each other or ``apart``."""
    each = _STRIDED if apart else _ELEMENT
    return _CALL + elements * (itemsize / 4) * each + elements / max(run, 1) * _RUN


def ufunc_seconds(elements: float, run: int, itemsize: int = 4, calls: int = 1, apart: bool = False) -> float:
    """Elementwise work on so many elements, in inner loops of ``run`` of them."""
    each = _STRIDED if apart else _UFUNC
    return calls * _CALL + elements * (itemsize / 4) * each + elements / max(run, 1) * _RUN
