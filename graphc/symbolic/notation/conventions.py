"""How ops that are no products are written: a node and its inputs' formulas enter, one formula leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.dimension import Dim, same
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.building import setting
from graphc.symbolic.notation.contraction import Axis
from graphc.symbolic.notation.formula import (
    Big,
    Call,
    Element,
    Fence,
    Formula,
    Product,
    Span,
)
from graphc.symbolic.notation.rendering import index_of
from graphc.symbolic.notation.scalars import scalar_formula

Parts = Sequence[Formula]
FUNCTIONS = {
    "sigmoid": "σ", "maximum": "max", "minimum": "min", "exp2": "exp2", "take": "take", "argmax": "argmax",
    "max_pool": "maxpool", "window_index": "argmaxpool", "scatter_add": "scatter", "remainder": "mod",
}  # fmt: skip


def named_call(node: Tensor, parts: Parts) -> Formula:
    """The node as a textbook's formula where it has one, else as a function by the op's name."""
    rule = _RULES.get(node.op.name)
    if rule is not None:
        return rule(node, parts)
    return Call(FUNCTIONS.get(node.op.name, node.op.name), tuple(parts))


# -- settings below a sign --------------------------------------------------------------------------
def size_formula(size: Dim) -> Formula:
    """A size as a formula."""
    return scalar_formula(size)


def setting_values(**values: Sequence[Any]) -> tuple[Formula, ...]:
    """Settings by axis, one number where all axes have the same; those at their default are not given."""
    return tuple(setting(key, _one_or_all(v)) for key, v in values.items() if v)


def _one_or_all(values: Sequence[Any]) -> Formula:
    flat = [v[0] if isinstance(v, tuple) and same(v[0], v[1]) else v for v in values]
    if all(_alike(v, flat[0]) for v in flat):
        return _number_or_pair(flat[0])
    return Fence("(", tuple(map(_number_or_pair, flat)), ")")


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) or isinstance(b, tuple):
        return isinstance(a, tuple) and isinstance(b, tuple) and all(map(same, a, b))
    return same(a, b)


def _number_or_pair(value: Any) -> Formula:
    if isinstance(value, tuple):
        return Fence("(", tuple(map(size_formula, value)), ")")
    return size_formula(value)


def _unless_ones(values: Sequence[Dim]) -> Sequence[Dim]:
    return () if all(same(v, 1) for v in values) else values


def _unless_zeros(values: Sequence[tuple[Dim, Dim]]) -> Sequence[tuple[Dim, Dim]]:
    return () if all(same(a, 0) and same(b, 0) for a, b in values) else values


def _axis_below(node: Tensor, axis: Any) -> tuple[Formula, ...]:
    """The indices of axes of the node's first input."""
    shape = node.inputs[0].shape
    return tuple(index_of(Axis(shape[a], a)) for a in ((axis,) if isinstance(axis, int) else axis))


def _along_last(function: str) -> Callable[[Tensor, Parts], Formula]:
    """A function along an axis, which is said unless it is the last one."""

    def rule(node: Tensor, parts: Parts) -> Formula:
        axis = node.attrs["axis"]
        axes = (axis,) if isinstance(axis, int) else tuple(axis)
        last = axes == (node.inputs[0].ndim - 1,)
        return Call(function, tuple(parts), () if last else _axis_below(node, axes))

    return rule


def _over_axes(function: str) -> Callable[[Tensor, Parts], Formula]:
    """A function over axes, which are said unless they are all."""

    def rule(node: Tensor, parts: Parts) -> Formula:
        axis = node.attrs["axis"]
        every = axis is None or (not isinstance(axis, int) and len(axis) == node.inputs[0].ndim)
        return Call(
            function, tuple(parts), () if every or node.inputs[0].ndim == 1 else _axis_below(node, axis)
        )

    return rule


def _prod(node: Tensor, parts: Parts) -> Formula:
    axis = node.attrs["axis"]
    every = len(axis) == node.inputs[0].ndim
    return Big("∏", () if every else _axis_below(node, axis), parts[0])


# -- convolution -----------------------------------------------------------------------------------
def _geometry(stride: Any, dilation: Any, padding: Any, groups: Dim) -> tuple[Formula, ...]:
    return setting_values(
        s=_unless_ones(stride), d=_unless_ones(dilation), p=_unless_zeros(padding),
        g=_unless_ones((groups,)),
    )  # fmt: skip


def _of(node: Tensor) -> tuple[Any, Any, Any, Dim]:
    a = node.attrs
    return a["stride"], a["dilation"], a["padding"], a["groups"]


def turned_round(w: Formula, rank: int) -> Formula:
    """A filter with its spatial axes reversed; what was turned round, turned back."""
    function = "rot180" if rank == 2 else "flip"
    if isinstance(w, Call) and w.function == function and not w.below:
        return w.arguments[0]
    return Call(function, (w,))


def _is_turned(w: Formula) -> bool:
    return isinstance(w, Call) and w.function in ("rot180", "flip") and not w.below


def _convolution(node: Tensor, parts: Parts) -> Formula:
    x, w = parts
    sign = "*" if _is_turned(w) else "⊗"
    if sign == "*":
        w = w.arguments[0]  # type: ignore[attr-defined]
    return Product((w, x), sign, _geometry(*_of(node)))


def _transposed_convolution(node: Tensor, parts: Parts) -> Formula:
    """With stride 1 the wide correlation with the filter turned round; else the adjoint by its sign."""
    u, w = parts
    stride, dilation, padding, groups = _of(node)
    if all(s == 1 for s in stride):
        reaches = [d * (k - 1) for d, k in zip(dilation, node.inputs[1].shape[2:], strict=True)]
        if all(same(a, r) and same(b, r) for (a, b), r in zip(padding, reaches, strict=True)):
            # All that is wide is cut off again: the plain correlation.
            filter_ = turned_round(w, len(stride))
            return Product((filter_, u), "⊗", _geometry((), dilation, (), groups))
        return Product((turned_round(w, len(stride)), u), "⊛", _geometry((), dilation, padding, groups))
    return Product((w, u), "⊗ᵀ", _geometry(stride, dilation, padding, groups))


def _filter_gradient(node: Tensor, parts: Parts) -> Formula:
    """x correlated with u, which stands at every s-th place and is moved by d: the two exchange roles."""
    x, u = parts
    stride, dilation, padding, groups = _of(node)
    return Product((u, x), "⊗", _geometry(dilation, stride, padding, groups))


# -- windows, places, arrangement --------------------------------------------------------------------
def _window(node: Tensor, parts: Parts) -> Formula:
    a = node.attrs
    below = (
        times_formula(a["size"]),
        *setting_values(s=_unless_ones(a["stride"]), d=_unless_ones(a["dilation"])),
    )
    return Call("window", tuple(parts), below)


def _fold(node: Tensor, parts: Parts) -> Formula:
    a = node.attrs
    below = (
        times_formula(a["shape"]),
        *setting_values(s=_unless_ones(a["stride"]), d=_unless_ones(a["dilation"])),
    )
    return Call("fold", tuple(parts), below)


def _max_pool(node: Tensor, parts: Parts) -> Formula:
    a = node.attrs
    stride = () if tuple(a["stride"]) == tuple(a["size"]) else a["stride"]
    more = setting_values(s=stride, d=_unless_ones(a["dilation"]), p=_unless_zeros(a["padding"]))
    return Call(FUNCTIONS[node.op.name], tuple(parts), (times_formula(a["size"]), *more))


def times_formula(sizes: Sequence[Dim]) -> Formula:
    """Sizes with × between them."""
    found = tuple(map(size_formula, sizes))
    return found[0] if len(found) == 1 else Product(found, "×")


def _take(node: Tensor, parts: Parts) -> Formula:
    x, i = parts
    axis = node.attrs["axis"]
    return Element(x, (*(Span() for _ in range(axis)), i))


def _scatter(node: Tensor, parts: Parts) -> Formula:
    return Call(
        "scatter", tuple(parts), () if node.attrs["axis"] == 0 else _axis_below(node, node.attrs["axis"])
    )


def _slice(node: Tensor, parts: Parts) -> Formula:
    spans = []
    for n, first, count, step in zip(
        node.inputs[0].shape, node.attrs["start"], node.attrs["size"], node.attrs["step"], strict=True
    ):
        spans.append(_span(n, first, count, step))
    while len(spans) > 1 and spans[-1] == Span():
        spans.pop()
    return Element(parts[0], tuple(spans))


def _span(n: Dim, first: Dim, count: Dim, step: int) -> Formula:
    if same(count, 1) and not same(n, 1):
        return size_formula(first)
    stop = first + step * (count - 1) + (1 if step > 0 else -1)
    if same(first, 0) and step == 1 and same(stop, n):
        return Span()
    backwards = step < 0 and same(stop, -1)
    starts = same(first, 0) if step > 0 else same(first, n - 1)
    ends = backwards or (
        step > 0
        and isinstance(n, int)
        and isinstance(stop, int)
        and stop + step > n
        and stop <= n
        and step > 1
    )
    return Span(
        None if starts else size_formula(first),
        None if ends or same(stop, n) else size_formula(stop),
        None if step == 1 else size_formula(step),
    )


def _flip(node: Tensor, parts: Parts) -> Formula:
    axes, rank = node.attrs["axes"], node.inputs[0].ndim
    if rank >= 2 and axes == (rank - 2, rank - 1):
        return turned_round(parts[0], 2)
    if axes == (rank - 1,) and rank != 2:
        return turned_round(parts[0], 1)
    return Call("flip", tuple(parts), _axis_below(node, axes))


def _pad(node: Tensor, parts: Parts) -> Formula:
    widths = [(b, a) for b, a in node.attrs["widths"]]
    while len(widths) > 1 and all(same(v, 0) for v in widths[0]):
        widths.pop(0)
    return Call("pad", tuple(parts), (_one_or_all(widths),))


def _reshape(node: Tensor, parts: Parts) -> Formula:
    if node.ndim == 1:
        return Call("flatten", tuple(parts))
    return Call("reshape", tuple(parts), tuple(map(size_formula, node.shape)))


def _floor(node: Tensor, parts: Parts) -> Formula:
    return Fence("⌊", tuple(parts), "⌋")


def _ceil(node: Tensor, parts: Parts) -> Formula:
    return Fence("⌈", tuple(parts), "⌉")


def _log_to(base: int) -> Callable[[Tensor, Parts], Formula]:
    return lambda node, parts: Call("log", tuple(parts), (size_formula(base),))


def _arange(node: Tensor, parts: Parts) -> Formula:
    return Call("arange", (size_formula(node.attrs["size"]),))


_RULES: dict[str, Callable[[Tensor, Parts], Formula]] = {
    "softmax": _along_last("softmax"),
    "log_softmax": _along_last("log_softmax"),
    "logsumexp": _along_last("logsumexp"),
    "cumsum": _along_last("cumsum"),
    "max": _over_axes("max"),
    "min": _over_axes("min"),
    "any": _over_axes("any"),
    "all": _over_axes("all"),
    "argmax": _over_axes("argmax"),
    "argmin": _over_axes("argmin"),
    "prod": _prod,
    "convolution": _convolution,
    "transposed_convolution": _transposed_convolution,
    "filter_gradient": _filter_gradient,
    "window": _window,
    "fold": _fold,
    "max_pool": _max_pool,
    "window_index": _max_pool,
    "take": _take,
    "scatter_add": _scatter,
    "slice": _slice,
    "flip": _flip,
    "pad": _pad,
    "reshape": _reshape,
    "floor": _floor,
    "ceil": _ceil,
    "log2": _log_to(2),
    "log10": _log_to(10),
    "arange": _arange,
}
