"""Batching: nodes given once for many values of a tensor enter, and are computed for all at once.

A graph that depends on a tensor ``x`` becomes the graph for a whole row of values of ``x``: every node
below gets a new first axis. What does not depend on ``x`` stays as it is and is shared. So a Jacobian
is one sweep, of any size, also a symbolic one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from graphc.autodiff.pieces import broadcast_to, expand_axes, full, reshape, transpose
from graphc.errors import UnsupportedError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, element_count, same, simplified
from graphc.ir.op import Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops import convolution, elementwise, indexing, linear_algebra, pooling, reductions, shape, windows
from graphc.ops.einsum_equation import LETTERS
from graphc.ops.elementwise import add, multiply
from graphc.ops.loop import SCAN, Loop, looped, placeholder
from graphc.ops.sources import arange, dimension_value

# (node, operands, which of them are batched, number of values) -> the batched node
Batch: TypeAlias = Callable[[Tensor, Sequence[Tensor], Sequence[bool], Dim], Tensor]


def batched(outputs: Sequence[Tensor], variable: Tensor, values: Tensor) -> list[Tensor]:
    """The outputs for each of the values of a tensor: ``values`` and all results have a new first axis."""
    count = values.shape[0]
    found = _batched_nodes(outputs, {variable: values}, count)
    return [found[o] if o in found else broadcast_to(o, (count, *o.shape)) for o in outputs]


def _batched_nodes(
    outputs: Sequence[Tensor], variables: Mapping[Tensor, Tensor], count: Dim
) -> dict[Tensor, Tensor]:
    """Each node that depends on a variable, for all of the variables' values."""
    order = topological_order(outputs, stop=variables)
    moving = depends_on(order, variables)
    found = dict(variables)
    for node in order:
        if node not in moving or node in found:
            continue
        rule = BATCHING.get(node.op)
        if rule is None:
            raise UnsupportedError(
                "cannot be computed for many values at once", op=node.op.name, location=node.location
            )
        operands = [found.get(i, i) for i in node.inputs]
        with inheriting(node.origins):
            found[node] = rule(node, operands, [i in found for i in node.inputs], count)
    return found


def _aligned(x: Tensor, rank: int) -> Tensor:
    """A batched operand with axes of size 1 after the batch, so that its own axes align at the end."""
    missing = rank + 1 - x.ndim
    return expand_axes(x, tuple(range(1, 1 + missing))) if missing > 0 else x


def _elementwise(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    moved = [_aligned(x, node.ndim) if b else x for x, b in zip(operands, is_batched, strict=True)]
    return apply(node.op, tuple(moved), **node.attrs)


def _reduction(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    (x,) = operands
    axes = node.attrs["axis"]
    if isinstance(axes, tuple):
        return apply(node.op, (x,), **{**node.attrs, "axis": tuple(a + 1 for a in axes)})
    if axes is not None:
        return apply(node.op, (x,), **{**node.attrs, "axis": axes + 1})
    flat = reshape(x, (count, simplified(element_count(x.shape[1:]))))  # argmax over all axes
    return reshape(apply(node.op, (flat,), axis=1, keepdims=False), (count, *node.shape))


def _matmul(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    x, y = operands
    x_rank, y_rank = (i.ndim for i in node.inputs)
    if x_rank == 1:
        x = expand_axes(x, (x.ndim - 1,))
    if y_rank == 1:
        y = expand_axes(y, (y.ndim,))
    rank = max(x_rank, y_rank, 2)
    x, y = (_aligned(t, rank) if b else t for t, b in zip((x, y), is_batched, strict=True))
    return reshape(apply(node.op, (x, y)), (count, *node.shape))


def _einsum(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    left, output = node.attrs["equation"].split("->")
    new = next(c for c in LETTERS if c not in left)
    terms = [new + t if b else t for t, b in zip(left.split(","), is_batched, strict=True)]
    return apply(node.op, tuple(operands), equation=f"{','.join(terms)}->{new}{output}")


def _reshape(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    return reshape(operands[0], (count, *node.shape))


def _transpose(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    return transpose(operands[0], (0, *(a + 1 for a in node.attrs["axes"])))


def _broadcast_to(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    return broadcast_to(_aligned(operands[0], node.ndim), (count, *node.shape))


def _concatenate(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    parts = [
        x if b else broadcast_to(x, (count, *x.shape)) for x, b in zip(operands, is_batched, strict=True)
    ]
    return apply(node.op, tuple(parts), axis=node.attrs["axis"] + 1)


def _pad(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    widths = ((0, 0), *node.attrs["widths"])
    return apply(node.op, tuple(operands), widths=widths, value=node.attrs["value"])


def _flip(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    return apply(node.op, tuple(operands), axes=tuple(a + 1 for a in node.attrs["axes"]))


def _slice(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    at = node.attrs
    return shape.strided_part(operands[0], (0, *at["start"]), (count, *at["size"]), (1, *at["step"]))


def _embed(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    at = node.attrs
    return shape.embed(operands[0], (count, *at["shape"]), (0, *at["start"]), (1, *at["step"]))


def _take(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    x, places = operands
    axis = node.attrs["axis"]
    if not is_batched[1]:
        return indexing.taken(x, places, axis + 1)
    if not is_batched[0]:  # the batch comes out where the positions' axes are: to the front with it
        result = indexing.taken(x, places, axis)
        return transpose(result, (axis, *(a for a in range(result.ndim) if a != axis)))
    size = x.shape[axis + 1]
    rows = _axis_to_second(x, axis)  # (count, size, …): one long axis of positions
    rows = reshape(rows, (simplified(count * size), *rows.shape[2:]))
    result = indexing.taken(rows, _offset(places, size, count), 0)
    extent = places.ndim - 1
    rest = range(1 + extent, result.ndim)
    order = (0, *rest[:axis], *range(1, 1 + extent), *rest[axis:])
    return transpose(result, order)


def _scatter_add(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    values, places = operands
    axis, size = node.attrs["axis"], node.attrs["size"]
    if not is_batched[1]:
        return indexing.scatter_add(values, places, axis + 1, size)
    if not is_batched[0]:
        values = broadcast_to(values, (count, *values.shape))
    extent = places.ndim - 1
    inner = range(1 + axis, 1 + axis + extent)
    rest = [a for a in range(1, values.ndim) if a not in inner]
    values = transpose(values, (0, *inner, *rest))
    total = simplified(count * size)
    result = indexing.scatter_add(values, _offset(places, size, count), 0, total)
    result = reshape(result, (count, size, *result.shape[1:]))
    return transpose(result, (0, *range(2, 2 + axis), 1, *range(2 + axis, result.ndim)))


def _window(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    return apply(node.op, tuple(operands), **{**node.attrs, "axes": tuple(a + 1 for a in node.attrs["axes"])})


def _convolution(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    """The batch joins the examples where they alone carry it, else it makes more groups."""
    if same(count, 0):  # there are no groups of none
        return full(0.0, (count, *node.shape), node.dtype)
    examples = node.op is not convolution.FILTER_GRADIENT and is_batched[0] and not is_batched[1]
    if examples:
        x, w = operands
        rows = reshape(x, (simplified(count * x.shape[1]), *x.shape[2:]))
        return reshape(apply(node.op, (rows, w), **node.attrs), (count, *node.shape))
    # Filters are (output channels, …), all else (examples, channels, …): channels stand first or second.
    filters = (False, node.op is not convolution.FILTER_GRADIENT)
    joined = []
    for x, b, is_filter in zip(operands, is_batched, filters, strict=True):
        x = x if b else broadcast_to(x, (count, *x.shape))
        if is_filter:
            joined.append(reshape(x, (simplified(count * x.shape[1]), *x.shape[2:])))
        else:
            x = transpose(x, (1, 0, *range(2, x.ndim)))
            joined.append(reshape(x, (x.shape[0], simplified(count * x.shape[2]), *x.shape[3:])))
    attrs = {**node.attrs, "groups": simplified(count * node.attrs["groups"])}
    result = apply(node.op, tuple(joined), **attrs)
    if node.op is convolution.FILTER_GRADIENT:
        return reshape(result, (count, *node.shape))
    split = reshape(result, (node.shape[0], count, *node.shape[1:]))
    return transpose(split, (1, 0, *range(2, split.ndim)))


def _pooling(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    whole = [
        x if b else broadcast_to(x, (count, *x.shape)) for x, b in zip(operands, is_batched, strict=True)
    ]
    return apply(node.op, tuple(whole), **node.attrs)


def _axis_to_second(x: Tensor, axis: int) -> Tensor:
    rest = [a for a in range(1, x.ndim) if a != axis + 1]
    return transpose(x, (0, axis + 1, *rest))


def _offset(places: Tensor, size: Dim, count: Dim) -> Tensor:
    """Positions on the long axis in which the batch and the indexed axis are one."""
    first = reshape(multiply(arange(count), dimension_value(size)), (count, *(1,) * (places.ndim - 1)))
    return add(places, first)


def _scan(node: Tensor, operands: Sequence[Tensor], is_batched: Sequence[bool], count: Dim) -> Tensor:
    """The loop over a batched body; its packed results, one row for each value."""
    given, body = Loop(node), Loop(node).body
    moving = {p for p, b in zip(body.placeholders, is_batched, strict=True) if b}
    while True:  # a carry that a batched one reaches at some step is batched from the first
        reached = depends_on(body.order, moving)
        more = {c for c, n in zip(body.carries, body.next, strict=True) if n in reached} - moving
        if not more:
            break
        moving |= more
    slots = {
        p: placeholder(p.name or "x", (count, *p.shape), p.dtype) if p in moving else p
        for p in body.placeholders
    }
    found = _batched_nodes(body.results, {p: slots[p] for p in moving}, count)
    operand = dict(zip(body.placeholders, operands, strict=True))
    flag = dict(zip(body.placeholders, is_batched, strict=True))

    def start(carry: Tensor) -> Tensor:
        value = operand[carry]
        return value if flag[carry] or carry not in moving else broadcast_to(value, (count, *value.shape))

    def new(carry: Tensor, value: Tensor) -> Tensor:
        if value in found or carry not in moving:
            return found.get(value, value)
        return broadcast_to(value, (count, *value.shape))

    at = node.attrs
    loop = looped(
        [(slots[c], start(c)) for c in body.carries],
        [(slots[x], _second_axis_first(operand[x]) if flag[x] else operand[x]) for x in body.xs],
        [new(c, n) for c, n in zip(body.carries, body.next, strict=True)],
        [found.get(o, o) for o in body.outputs],
        length=at["length"], reverse=at["reverse"], record=at["record"],
        bound={slots[c]: operand[c] for c in body.constants},
    )  # fmt: skip
    rows = []
    parts = (*loop.layout.whole, *loop.layout.outputs)
    stacked = (*at["record"], *[True] * len(body.outputs))
    batched_parts = (*[c in moving for c in body.carries], *[o in found for o in body.outputs])
    for part, old, is_stack, b in zip(
        parts, (*given.layout.whole, *given.layout.outputs), stacked, batched_parts, strict=True
    ):
        value = part.of(loop.node)
        if not b:
            rows.append(broadcast_to(reshape(value, (old.size,)), (count, old.size)))
        else:
            rows.append(reshape(_second_axis_first(value) if is_stack else value, (count, old.size)))
    return shape.concatenate(rows, axis=1)


def _second_axis_first(x: Tensor) -> Tensor:
    return transpose(x, (1, 0, *range(2, x.ndim)))


BATCHING: dict[Op, Batch] = {
    **dict.fromkeys(elementwise.OPS, _elementwise),
    **dict.fromkeys(reductions.OPS, _reduction),
    **dict.fromkeys(convolution.OPS, _convolution),
    **dict.fromkeys(pooling.OPS, _pooling),
    **dict.fromkeys(windows.OPS, _window),
    linear_algebra.MATMUL: _matmul,
    linear_algebra.EINSUM: _einsum,
    shape.RESHAPE: _reshape,
    shape.TRANSPOSE: _transpose,
    shape.BROADCAST_TO: _broadcast_to,
    shape.CONCATENATE: _concatenate,
    shape.PAD: _pad,
    shape.FLIP: _flip,
    shape.SLICE: _slice,
    shape.EMBED: _embed,
    indexing.INDEX_CHECK: _elementwise,
    indexing.TAKE: _take,
    indexing.SCATTER_ADD: _scatter_add,
    SCAN: _scan,
}
