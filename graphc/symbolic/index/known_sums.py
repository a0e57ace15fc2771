"""Known sums: what a tensor's elements add up to along axes, where the graph itself says so.

Softmax adds up to 1; what has its mean subtracted adds up to 0; a sum that is a node is that node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from graphc.ir.dimension import same
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops import reductions, shape
from graphc.ops.linear_algebra import MATMUL
from graphc.ops.sources import CONSTANT, DIMENSION
from graphc.symbolic.index.affine import ZERO, Affine, product_of
from graphc.symbolic.index.forms import reduced_axes
from graphc.symbolic.index.gathering import broadcast_read, viewed_index
from graphc.symbolic.index.terms import Read
from graphc.symbolic.local import exact_number

_DEPTH = 6  # nodes looked through

Axes = tuple[int, ...]
Sum = list[tuple[Any, Read | None]]
"""Σ coefficient · element, an element of None being 1."""


@dataclass(frozen=True, eq=False)
class Assumption:
    """That a tensor's elements add up to 1 along an axis."""

    tensor: Tensor
    axis: int


def sums_to_one(tensor: Tensor, axis: int = -1) -> Assumption:
    """An assumption for `grad`: the elements add up to 1 along the axis, as probabilities do.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 4)), gc.parameter("w", (4, 3))
    >>> y = gc.input("y", ("N", 3))
    >>> loss = -gc.sum(y * gc.log_softmax(x @ w)) / gc.input("n", ())
    >>> gc.symbolic.grad(loss, w, assume=[gc.symbolic.sums_to_one(y)]).result.shape
    (4, 3)
    """
    return Assumption(tensor, axis % tensor.ndim)


class KnownSums:
    """The sums that a graph's nodes and the user's assumptions tell."""

    def __init__(self, nodes: Iterable[Tensor], assumptions: Iterable[Assumption] = ()) -> None:
        self._ones = {(a.tensor, (a.axis,)) for a in assumptions}
        self._nodes: dict[tuple[Tensor, tuple[int, ...]], Tensor] = {}
        for node in nodes:
            if node.op is reductions.SUM or node.op is reductions.MEAN:
                axes = tuple(sorted(reduced_axes(node)))
                self._nodes.setdefault((node.inputs[0], axes), node)

    def of(
        self, tensor: Tensor, axes: tuple[int, ...], index: Sequence[Affine], depth: int = _DEPTH
    ) -> Sum | None:
        """The sum over axes of the elements at an index elsewhere; None where it is not known."""
        if depth == 0:
            return None
        if (tensor, axes) in self._ones or (
            tensor.op is reductions.SOFTMAX and axes == (tensor.attrs["axis"],)
        ):
            return [(sympy.S.One, None)]
        if tensor.op in (ew.ADD, ew.SUBTRACT, ew.NEGATIVE):
            return self._linear(tensor, axes, index, depth)
        if tensor.op in (ew.MULTIPLY, ew.DIVIDE):
            return self._scaled(tensor, axes, index, depth)
        if tensor.op is shape.TRANSPOSE:
            order = tensor.attrs["axes"]
            inner = tuple(sorted([order[a] for a in axes]))
            return self.of(tensor.inputs[0], inner, viewed_index(tensor, tuple(index)), depth - 1)
        if tensor.op is MATMUL and self._is_zero_product(tensor, axes, depth):
            return []
        node = self._nodes.get((tensor, axes))
        return None if node is None else [self._element(node, tensor, axes, index)]

    def _element(
        self, node: Tensor, tensor: Tensor, axes: tuple[int, ...], index: Sequence[Affine]
    ) -> tuple[Any, Read]:
        kept = [ZERO if a in axes else e for a, e in enumerate(index)]
        if not node.attrs["keepdims"]:
            kept = [e for a, e in enumerate(kept) if a not in axes]
        count = product_of([tensor.shape[a] for a in axes])
        factor = sympy.S.One if node.op is reductions.SUM else sympy.sympify(count)
        return factor, Read(node, tuple(kept))

    def _linear(
        self, tensor: Tensor, axes: tuple[int, ...], index: Sequence[Affine], depth: int
    ) -> Sum | None:
        total: Sum = []
        for number, operand in enumerate(tensor.inputs):
            sign = -1 if tensor.op is ew.NEGATIVE or (tensor.op is ew.SUBTRACT and number == 1) else 1
            found = self._operand(tensor, operand, axes, index, depth)
            if found is None:
                return None
            total += [(sign * c, read) for c, read in found]
        merged: dict[Read | None, Any] = {}
        for c, read in total:
            merged[read] = merged.get(read, sympy.S.Zero) + c
        return [(c, read) for read, c in merged.items() if sympy.expand(c) != 0]

    def _operand(
        self, tensor: Tensor, operand: Tensor, axes: tuple[int, ...], index: Sequence[Affine], depth: int
    ) -> Sum | None:
        offset = tensor.ndim - operand.ndim
        inner = [
            ZERO if same(size, 1) and not same(tensor.shape[offset + a], 1) else index[offset + a]
            for a, size in enumerate(operand.shape)
        ]
        varying = _varying(tensor, operand, axes)
        if not varying:
            count = product_of([tensor.shape[a] for a in axes])
            return [(sympy.sympify(count), Read(operand, tuple(inner)))]
        if len(varying) != len(axes):
            return None
        return self.of(operand, tuple([a - offset for a in varying]), inner, depth - 1)

    def _is_zero_product(self, tensor: Tensor, axes: Axes, depth: int) -> bool:
        """Whether the rows of A, summed over in A B, or the columns of B add up to 0."""
        first, second = tensor.inputs
        if first.ndim != 2 or second.ndim != 2 or len(axes) != 1:
            return False
        operand = first if axes == (0,) else second
        known = self.of(operand, axes, (ZERO, ZERO), depth - 1)
        return known is not None and not known

    def _scaled(
        self, tensor: Tensor, axes: tuple[int, ...], index: Sequence[Affine], depth: int
    ) -> Sum | None:
        """A number times a known sum; 0 times what does not vary along the axes is 0."""
        first, second = tensor.inputs
        pairs = [(first, second)] if tensor.op is ew.DIVIDE else [(first, second), (second, first)]
        for operand, factor in pairs:
            if _varying(tensor, factor, axes):
                continue
            found = self._operand(tensor, operand, axes, index, depth)
            number = _number(factor)
            if found == []:
                return []
            if found is not None and number is not None:
                scale = 1 / number if tensor.op is ew.DIVIDE else number
                return [(c * scale, read) for c, read in found]
            if found is not None and tensor.op is ew.MULTIPLY and all(read is None for _, read in found):
                element = Read(factor, broadcast_read(factor, tensor, tuple(index)))
                return [(c, element) for c, _ in found]
        return None


def _number(tensor: Tensor) -> Any:
    """The number or size that the tensor is, or None."""
    if tensor.op is DIMENSION:
        return sympy.sympify(tensor.attrs["value"])
    if tensor.op is CONSTANT and tensor.shape == ():
        return exact_number(tensor.attrs["value"])
    return None


def _varying(tensor: Tensor, operand: Tensor, axes: tuple[int, ...]) -> list[int]:
    """Those axes of the result along which an operand that broadcasts has elements of its own."""
    offset = tensor.ndim - operand.ndim
    return [a for a in axes if a >= offset and not same(operand.shape[a - offset], 1)]
