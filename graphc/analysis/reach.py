"""What each op reads: a node and the box of it that is wanted enter, the box of each input leaves.

``REACH`` has a rule an op; what ``ALL_OF`` names reads everything, for the reason given. A rule may answer
more than is read (it answers boxes, without holes), never less. Values that only steer, such as indices,
conditions and what is compared, are read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from graphc.analysis.boxes import (
    Box,
    Interval,
    Slopes,
    added,
    divided,
    elements_inside,
    everything,
    irregular,
    mirrored,
    moved,
    reshaped,
    scaled,
    whole,
    window_elements,
    window_places,
)
from graphc.analysis.tables import Tables, looked_up
from graphc.ir.dimension import Dim, Shape, is_nonnegative, larger, same, simplified, smaller
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import REGISTRY
from graphc.ops.convolution import Geometry


class Question(NamedTuple):
    """``still`` are slopes of 0; ``inside`` asks for elements of tensors only, none of the padding."""

    still: Slopes
    tables: Tables
    inside: bool = False


# None for an input of which nothing is read.
Boxes: TypeAlias = "tuple[Box | None, ...]"
Reach: TypeAlias = "Callable[[Tensor, Box, Question], Boxes]"


def _boxed(*intervals: Interval | None) -> Box | None:
    """The intervals as a box; None where one of them is empty."""
    found = tuple([i for i in intervals if i is not None])
    return found if len(found) == len(intervals) else None


# -- elementwise and shape -------------------------------------------------------------------------
def _broadcast(box: Box, shape: Shape, seen: Shape, q: Question) -> Box:
    """The box of a tensor of shape ``seen`` that was broadcast to ``shape``."""
    extra = len(shape) - len(seen)
    return tuple(
        [
            Interval(0, 0, q.still) if same(n, 1) and not same(m, 1) else i
            for i, m, n in zip(box[extra:], shape[extra:], seen, strict=True)
        ]
    )


def _elementwise(node: Tensor, box: Box, q: Question) -> Boxes:
    return tuple([_broadcast(box, node.shape, x.shape, q) for x in node.inputs])


def _reshape(node: Tensor, box: Box, q: Question) -> Boxes:
    return (reshaped(box, node.shape, node.inputs[0].shape, q.still),)


def _transpose(node: Tensor, box: Box, q: Question) -> Boxes:
    axes = node.attrs["axes"]
    return (tuple([box[axes.index(a)] for a in range(len(box))]),)


def _concatenate(node: Tensor, box: Box, q: Question) -> Boxes:
    axis: int = node.attrs["axis"]
    start: Dim = 0
    found: list[Box | None] = []
    last = len(node.inputs) - 1
    for number, x in enumerate(node.inputs):
        size = x.shape[axis]
        i = moved(box[axis], simplified(-start))
        # Before the first tensor and after the last one there is padding.
        low = i.low if number == 0 else larger(i.low, 0)
        high = i.high if number == last else smaller(i.high, simplified(size - 1))
        part = irregular(Interval(low, high, i.slopes)) if last else i
        empty = is_nonnegative(simplified(part.low - part.high - 1))
        found.append(None if empty else (*box[:axis], part, *box[axis + 1 :]))
        start = simplified(start + size)
    return tuple(found)


def _pad(node: Tensor, box: Box, q: Question) -> Boxes:
    widths = node.attrs["widths"]
    return (tuple([moved(i, simplified(-before)) for i, (before, _) in zip(box, widths, strict=True)]),)


def _flip(node: Tensor, box: Box, q: Question) -> Boxes:
    axes = node.attrs["axes"]
    return (
        tuple(
            [mirrored(i, n) if a in axes else i for a, (i, n) in enumerate(zip(box, node.shape, strict=True))]
        ),
    )


def _slice(node: Tensor, box: Box, q: Question) -> Boxes:
    start, step = node.attrs["start"], node.attrs["step"]
    return (tuple([moved(scaled(i, s), first) for i, first, s in zip(box, start, step, strict=True)]),)


def _embed(node: Tensor, box: Box, q: Question) -> Boxes:
    (x,) = node.inputs
    found = []
    for i, first, step, n in zip(box, node.attrs["start"], node.attrs["step"], x.shape, strict=True):
        start = first if step > 0 else first + step * (n - 1)
        place = window_places(moved(i, simplified(-start)), abs(step), 1, 1)
        found.append(mirrored(place, n) if step < 0 and place is not None else place)
    return (_boxed(*found),)


def _window(node: Tensor, box: Box, q: Question) -> Boxes:
    a = node.attrs
    rank = node.inputs[0].ndim
    found = list(box[:rank])
    for number, (axis, stride, dilation) in enumerate(
        zip(a["axes"], a["stride"], a["dilation"], strict=True)
    ):
        found[axis] = added(scaled(found[axis], stride), scaled(box[rank + number], dilation))
    return (tuple(found),)


def _fold(node: Tensor, box: Box, q: Question) -> Boxes:
    a, (y,) = node.attrs, node.inputs
    found: list[Interval | None] = [*box, *[None] * len(a["axes"])]
    for number, (axis, stride, dilation) in enumerate(
        zip(a["axes"], a["stride"], a["dilation"], strict=True)
    ):
        size = y.shape[len(box) + number]
        found[axis] = window_places(box[axis], stride, dilation, size)
        found[len(box) + number] = whole(size, q.still)
    return (_boxed(*found),)


# -- reductions and products -----------------------------------------------------------------------
def _reduced(node: Tensor, box: Box, q: Question) -> Boxes:
    (x,) = node.inputs
    axes = node.attrs["axis"]
    gone = set(range(x.ndim)) if axes is None else {axes} if isinstance(axes, int) else set(axes)
    kept = iter(box if not node.attrs["keepdims"] else [i for a, i in enumerate(box) if a not in gone])
    return (tuple([whole(n, q.still) if a in gone else next(kept) for a, n in enumerate(x.shape)]),)


def _along_axis(node: Tensor, box: Box, q: Question) -> Boxes:
    """Each element reads the whole of its line."""
    axis = node.attrs["axis"]
    return ((*box[:axis], whole(node.shape[axis], q.still), *box[axis + 1 :]),)


def _cumsum(node: Tensor, box: Box, q: Question) -> Boxes:
    axis = node.attrs["axis"]
    until = box[axis]
    part = irregular(Interval(smaller(0, until.high), until.high, until.slopes))
    return ((*box[:axis], part, *box[axis + 1 :]),)


def _matmul(node: Tensor, box: Box, q: Question) -> Boxes:
    x, y = node.inputs
    rows, columns = min(x.ndim - 1, 1), min(y.ndim - 1, 1)
    batch, own = box[: len(box) - rows - columns], box[len(box) - rows - columns :]
    lead = node.shape[: len(batch)]
    inner: list[Interval | None] = [whole(x.shape[-1], q.still)] * 2
    # A known matrix, as those that resample, reads only where its weights are not 0.
    by_rows, by_columns = q.tables.of_matrix(x, "rows"), q.tables.of_matrix(y, "columns")
    if by_rows is not None:
        inner[1] = looked_up(own[0], by_rows, q.inside)
    if by_columns is not None:
        inner[0] = looked_up(own[-1], by_columns, q.inside)
    left = _boxed(*_broadcast(batch, lead, x.shape[:-2], q), *own[:rows], inner[0])
    middle = (inner[1], *own[rows:])
    return left, _boxed(*_broadcast(batch, lead, y.shape[:-2], q), *middle)


def _einsum(node: Tensor, box: Box, q: Question) -> Boxes:
    terms, output = node.attrs["equation"].split("->")
    wanted = dict(zip(output, box, strict=True))
    return tuple(
        [
            tuple([wanted.get(c) or whole(n, q.still) for c, n in zip(term, x.shape, strict=True)])
            for term, x in zip(terms.split(","), node.inputs, strict=True)
        ]
    )


# -- convolution and pooling -----------------------------------------------------------------------
def _channels(i: Interval, per_group: Dim, other: Dim, groups: Dim, q: Question) -> Interval:
    """The channels on the other side of a convolution that are in the groups of these."""
    if same(groups, 1):
        return whole(other, q.still)
    if not isinstance(per_group, int):
        return whole(simplified(other * groups), q.still)
    first = scaled(divided(i, per_group), other)
    return Interval(first.low, simplified(first.high + other - 1), first.slopes)


def _elements(sizes: Shape, places: Box, g: Geometry, of: Shape, q: Question) -> list[Interval | None]:
    """What the windows at these places hold of spatial axes of the sizes ``of``."""
    found: list[Interval | None] = []
    for i, size, stride, dilation, (before, _), n in zip(
        places, sizes, g.stride, g.dilation, g.padding, of, strict=True
    ):
        if q.inside and isinstance(size, int) and isinstance(before, int) and isinstance(n, int):
            found.append(elements_inside(i, stride, dilation, size, before, n))
        else:
            found.append(window_elements(i, stride, dilation, size, before))
    return found


def _all(sizes: Shape, q: Question) -> list[Interval]:
    return [whole(n, q.still) for n in sizes]


def _convolution(node: Tensor, box: Box, q: Question) -> Boxes:
    x, w = node.inputs
    g = Geometry.of(node.attrs)
    per_group = _quotient(w.shape[0], g.groups)
    channels = _channels(box[1], per_group, w.shape[1], g.groups, q)
    images = _boxed(box[0], channels, *_elements(w.shape[2:], box[2:], g, x.shape[2:], q))
    return images, (box[1], *_all(w.shape[1:], q))


def _transposed_convolution(node: Tensor, box: Box, q: Question) -> Boxes:
    u, w = node.inputs
    g = Geometry.of(node.attrs)
    places = [
        window_places(i, stride, dilation, size, before)
        for i, size, stride, dilation, (before, _) in zip(
            box[2:], w.shape[2:], g.stride, g.dilation, g.padding, strict=True
        )
    ]
    channels = _channels(box[1], w.shape[1], _quotient(u.shape[1], g.groups), g.groups, q)
    own = box[1] if same(g.groups, 1) else whole(w.shape[1], q.still)
    return _boxed(box[0], channels, *places), (channels, own, *_all(w.shape[2:], q))


def _filter_gradient(node: Tensor, box: Box, q: Question) -> Boxes:
    x, u = node.inputs
    g = Geometry.of(node.attrs)
    spatial = []
    for i, count, stride, dilation, (before, _) in zip(
        box[2:], u.shape[2:], g.stride, g.dilation, g.padding, strict=True
    ):
        element, place = scaled(i, dilation), scaled(whole(count, q.still), stride)
        spatial.append(moved(added(element, place), simplified(-before)))
    channels = box[1] if same(g.groups, 1) else whole(x.shape[1], q.still)
    examples = whole(x.shape[0], q.still)
    return (examples, channels, *spatial), (examples, box[0], *_all(u.shape[2:], q))


def _quotient(total: Dim, part: Dim) -> Dim:
    return total // part if isinstance(total, int) and isinstance(part, int) else simplified(total / part)


def _pool(node: Tensor, box: Box, q: Question) -> Boxes:
    a = node.attrs
    lead = len(box) - len(a["size"])
    g = Geometry(a["stride"], a["padding"], a["dilation"])
    seen = node.inputs[0].shape[lead:]
    images = _boxed(*box[:lead], *_elements(a["size"], box[lead:], g, seen, q))
    return (images, box)[: len(node.inputs)]


# -- indexing --------------------------------------------------------------------------------------
def _take(node: Tensor, box: Box, q: Question) -> Boxes:
    x, index = node.inputs
    axis = node.attrs["axis"]
    places = box[axis : axis + index.ndim]
    table = q.tables.of_index(index)
    along = whole(x.shape[axis], q.still) if table is None else looked_up(places[0], table, q.inside)
    return _boxed(*box[:axis], along, *box[axis + index.ndim :]), places


def _source(node: Tensor, box: Box, q: Question) -> Boxes:
    return ()


def reads_everything(node: Tensor, box: Box, q: Question) -> Boxes:
    """The rule for ops of which nothing better is known."""
    return tuple([everything(x.shape, q.still) for x in node.inputs])


def _table() -> dict[Op, Reach]:
    families: dict[str, Reach] = {"elementwise": _elementwise, "source": _source, "random": _source}
    found = {op: families[op.family] for op in REGISTRY.values() if op.family in families}
    reductions = ("sum", "mean", "prod", "max", "min", "any", "all", "logsumexp", "argmax", "argmin")
    by_name: dict[str, Reach] = {
        **dict.fromkeys(reductions, _reduced), **dict.fromkeys(("softmax", "log_softmax"), _along_axis),
        "cumsum": _cumsum, "matmul": _matmul, "einsum": _einsum, "reshape": _reshape, "transpose": _transpose,
        "broadcast_to": _elementwise, "concatenate": _concatenate, "pad": _pad, "flip": _flip,
        "slice": _slice, "embed": _embed, "window": _window, "fold": _fold, "convolution": _convolution,
        "transposed_convolution": _transposed_convolution, "filter_gradient": _filter_gradient,
        "max_pool": _pool, "window_index": _pool, "index_check": _elementwise, "take": _take,
    }  # fmt: skip
    return found | {REGISTRY[name]: rule for name, rule in by_name.items()}


REACH: Mapping[Op, Reach] = MappingProxyType(_table())
# Ops that read all of their inputs as far as is known, with the reason.
ALL_OF: Mapping[str, str] = MappingProxyType(
    {
        "scatter_add": "where a value is added is known only when the index is",
        "scan": "a step reads what all steps before it have read",
    }
)
