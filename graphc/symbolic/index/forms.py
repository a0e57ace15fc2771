"""The index form of each op: one element of the result as a reduction of a scalar body over indices.

``out[i] = ⊕_r body(x[e(i, r)], …)`` with the e affine and guards on them. Values and derivatives both come
from this one statement: SymPy differentiates the body, and what it reads says by which element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sympy

from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import convolution as conv
from graphc.ops import indexing, linear_algebra, pooling, reductions, shape, windows
from graphc.ops.shape import quotient
from graphc.symbolic.index.affine import (
    ZERO,
    Affine,
    Gather,
    Variable,
    constant,
    digit,
    of,
    product_of,
    raveled,
    unraveled,
)
from graphc.symbolic.index.gathering import gathered
from graphc.symbolic.index.terms import Guard, Read
from graphc.symbolic.local import OUT, read_symbol

Index = tuple[Affine, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One body: ``Σ_bound body(reads) · [guards]`` over canonical symbols, one for each read."""

    reads: tuple[Read, ...]
    body: Any
    bound: tuple[Variable, ...] = ()
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, eq=False)
class IndexForm:
    """A node's element at ``variables``: the reduction of its cases.

    ``equation``: where the sum is a function of the element rather than the element itself, that
    function (logsumexp: exp(out) = Σ exp(x)). ``auxiliary``: nodes that the body reads and that depend on
    the node's own operands (softmax reads logsumexp).
    """

    node: Tensor
    variables: tuple[Variable, ...]
    cases: tuple[Case, ...]
    reduction: Literal["sum", "max", "min", "prod"] = "sum"
    equation: Any = OUT
    auxiliary: tuple[Tensor, ...] = ()


LETTERS = "ijklmnopqrstuvwxyz"
R0, R1 = read_symbol(0, False), read_symbol(1, False)


def variables_for(node: Tensor) -> tuple[Variable, ...]:
    """New variables for the axes of a node."""
    return tuple([Variable(size, LETTERS[a % len(LETTERS)]) for a, size in enumerate(node.shape)])


def index(variables: Sequence[Variable]) -> Index:
    """The index that is just these variables."""
    return tuple([of(v) for v in variables])


def in_range(e: Affine, size: Dim) -> tuple[Guard, Guard]:
    """0 ≤ e < size."""
    return Guard(e), Guard(constant(simplified(size - 1)) - e)


def broadcast_index(tensor: Tensor, variables: Sequence[Variable]) -> Index:
    """Where an operand that broadcasts is read for a result at these variables."""
    last = variables[len(variables) - tensor.ndim :]
    return tuple(
        [
            ZERO if same(size, 1) and not same(v.size, 1) else of(v)
            for size, v in zip(tensor.shape, last, strict=True)
        ]
    )


def _copy(
    node: Tensor, variables: tuple[Variable, ...], place: Sequence[Affine], guards: Sequence[Guard] = ()
) -> IndexForm:
    """A form that reads one element and hands it on."""
    return IndexForm(node, variables, (Case((Read(node.inputs[0], tuple(place)),), R0, (), tuple(guards)),))


# -- shape -----------------------------------------------------------------------------------------
def _reshape(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    return _copy(node, variables, unraveled(raveled(index(variables), node.shape), node.inputs[0].shape))


def _transpose(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    place: list[Affine] = [ZERO] * node.ndim
    for v, axis in zip(variables, node.attrs["axes"], strict=True):
        place[axis] = of(v)
    return _copy(node, variables, place)


def _broadcast_to(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    return _copy(node, variables, broadcast_index(node.inputs[0], variables))


def _concatenate(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    axis = node.attrs["axis"]
    cases = []
    before: Dim = 0
    for x in node.inputs:
        place = list(index(variables))
        place[axis] = place[axis].plus(-before)
        cases.append(Case((Read(x, tuple(place)),), R0, (), in_range(place[axis], x.shape[axis])))
        before = simplified(before + x.shape[axis])
    return IndexForm(node, variables, tuple(cases))


def _pad(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    x = node.inputs[0]
    place = [of(v).plus(-before) for v, (before, _) in zip(variables, node.attrs["widths"], strict=True)]
    guards: list[Guard] = []
    outside = []
    for e, size in zip(place, x.shape, strict=True):
        first, last = in_range(e, size)
        # Along the axes before in range, along this one not: so the cases exclude each other.
        outside += [(*guards, Guard(e.times(-1).plus(-1))), (*guards, Guard(e.plus(-size)))]
        guards += [first, last]
    value = sympy.sympify(node.attrs["value"])
    inside = Case((Read(x, tuple(place)),), R0, (), tuple(guards))
    around = [] if value == 0 else [Case((), value, (), conditions) for conditions in outside]
    return IndexForm(node, variables, (inside, *around))


def _flip(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    axes = node.attrs["axes"]
    place = [
        constant(simplified(v.size - 1)) - of(v) if axis in axes else of(v)
        for axis, v in enumerate(variables)
    ]
    return _copy(node, variables, place)


def _slice(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    parts = zip(variables, node.attrs["start"], node.attrs["step"], strict=True)
    return _copy(node, variables, [of(v).times(step).plus(start) for v, start, step in parts])


def _embed(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    x = node.inputs[0]
    inner = variables_for(x)
    guards = [
        Guard(of(k).times(step).plus(start) - of(v), equal=True)
        for k, v, start, step in zip(inner, variables, node.attrs["start"], node.attrs["step"], strict=True)
    ]
    return IndexForm(node, variables, (Case((Read(x, index(inner)),), R0, inner, tuple(guards)),))


def _window(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    x = node.inputs[0]
    place = list(index(variables[: x.ndim]))
    for r, axis, stride, dilation in zip(
        variables[x.ndim :], node.attrs["axes"], node.attrs["stride"], node.attrs["dilation"], strict=True
    ):
        place[axis] = of(variables[axis]).times(stride) + of(r).times(dilation)
    return _copy(node, variables, place)


def _fold(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    y = node.inputs[0]
    inner = variables_for(y)
    axes = node.attrs["axes"]
    guards, bound, place = [], [], list(index(variables))
    for number, (axis, stride, dilation) in enumerate(
        zip(axes, node.attrs["stride"], node.attrs["dilation"], strict=True)
    ):
        p, r = inner[axis], inner[node.ndim + number]
        guards.append(Guard(of(p).times(stride) + of(r).times(dilation) - place[axis], equal=True))
        place[axis] = of(p)
        bound += [p, r]
    place += [of(inner[node.ndim + number]) for number in range(len(axes))]
    return IndexForm(node, variables, (Case((Read(y, tuple(place)),), R0, tuple(bound), tuple(guards)),))


# -- reductions --------------------------------------------------------------------------------------
def reduced_axes(node: Tensor) -> tuple[int, ...]:
    """The axes that a reduction goes over."""
    axes = node.attrs["axis"]
    if axes is None:
        return tuple(range(node.inputs[0].ndim))
    return (axes,) if isinstance(axes, int) else tuple(axes)


def _reduced_read(node: Tensor) -> tuple[tuple[Variable, ...], Read, tuple[Variable, ...]]:
    """The result's variables, the element that is read, and the variables that are reduced."""
    x = node.inputs[0]
    axes = set(reduced_axes(node))
    variables = variables_for(node)
    if node.attrs["keepdims"]:
        outer = list(variables)
    else:
        rest = iter(variables)
        outer = [Variable(0) if a in axes else next(rest) for a in range(x.ndim)]
    bound = {a: Variable(x.shape[a], LETTERS[(a + 8) % len(LETTERS)]) for a in sorted(axes)}
    place = tuple([of(bound[a]) if a in axes else of(outer[a]) for a in range(x.ndim)])
    return variables, Read(x, place), tuple(bound.values())


def _sum(node: Tensor) -> IndexForm:
    variables, read, bound = _reduced_read(node)
    return IndexForm(node, variables, (Case((read,), R0, bound),))


def _mean(node: Tensor) -> IndexForm:
    variables, read, bound = _reduced_read(node)
    return IndexForm(node, variables, (Case((read,), R0 / product_of([v.size for v in bound]), bound),))


def _extreme(kind: Literal["max", "min", "prod"]) -> Callable[[Tensor], IndexForm]:
    def form(node: Tensor) -> IndexForm:
        variables, read, bound = _reduced_read(node)
        return IndexForm(node, variables, (Case((read,), R0, bound),), kind)

    return form


def _logsumexp(node: Tensor) -> IndexForm:
    variables, read, bound = _reduced_read(node)
    return IndexForm(node, variables, (Case((read,), sympy.exp(R0), bound),), equation=sympy.exp(OUT))


def _by_logsumexp(body: Any) -> Callable[[Tensor], IndexForm]:
    def form(node: Tensor) -> IndexForm:
        (x,) = node.inputs
        axis = node.attrs["axis"]
        total = reductions.logsumexp(x, axis, keepdims=True)
        variables = variables_for(node)
        place = index(variables)
        above = tuple([ZERO if a == axis else e for a, e in enumerate(place)])
        return IndexForm(
            node, variables, (Case((Read(x, place), Read(total, above)), body),), auxiliary=(total,)
        )

    return form


def _cumsum(node: Tensor) -> IndexForm:
    variables = variables_for(node)
    axis = node.attrs["axis"]
    r = Variable(variables[axis].size, "r")
    place = list(index(variables))
    place[axis] = of(r)
    guard = Guard(of(variables[axis]) - of(r))
    return IndexForm(node, variables, (Case((Read(node.inputs[0], tuple(place)),), R0, (r,), (guard,)),))


def _max_pool(node: Tensor) -> IndexForm:
    """The element at the place that ``window_index`` finds: the first of the largest."""
    (x,) = node.inputs
    rank = len(node.attrs["size"])
    chosen = pooling.window_index(x, node, node.attrs)
    variables = variables_for(node)
    plane = x.shape[x.ndim - rank :]
    place = of(Gather(chosen, index(variables), product_of(plane)))
    return _copy(node, variables, (*index(variables[: x.ndim - rank]), *unraveled(place, plane)))


# -- products ----------------------------------------------------------------------------------------
def _product(count: int) -> Any:
    return sympy.Mul(*[read_symbol(i, False) for i in range(count)])


def _einsum(node: Tensor) -> IndexForm:
    left, output = node.attrs["equation"].split("->")
    terms = left.split(",")
    variables = variables_for(node)
    letters = dict(zip(output, variables, strict=True))
    for term, x in zip(terms, node.inputs, strict=True):
        for letter, size in zip(term, x.shape, strict=True):
            letters.setdefault(letter, Variable(size, letter))
    bound = tuple([v for letter, v in letters.items() if letter not in output])
    reads = tuple([Read(x, index([letters[c] for c in t])) for t, x in zip(terms, node.inputs, strict=True)])
    return IndexForm(node, variables, (Case(reads, _product(len(reads)), bound),))


def _matmul(node: Tensor) -> IndexForm:
    x, y = node.inputs
    variables = variables_for(node)
    inner = Variable(x.shape[-1], "k")
    rows, columns = int(x.ndim > 1), int(y.ndim > 1)
    batch = variables[: node.ndim - rows - columns]
    outer = variables[node.ndim - rows - columns :]

    def leading(tensor: Tensor) -> Index:
        sizes = tensor.shape[:-2]
        last = batch[len(batch) - len(sizes) :]
        return tuple(
            [ZERO if same(s, 1) and not same(v.size, 1) else of(v) for s, v in zip(sizes, last, strict=True)]
        )

    first = (*leading(x), *index(outer[:rows]), of(inner))
    second = (*leading(y), of(inner), *index(outer[rows:])) if columns else (of(inner),)
    return IndexForm(node, variables, (Case((Read(x, first), Read(y, second)), R0 * R1, (inner,)),))


# -- convolution -------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Trilinear:
    """The variables of x[n, c, s·p + d·r − P] · w[o, c', r] · u[n, o, p] and the three indices."""

    n: Variable
    o: Variable
    c: Variable
    places: tuple[Variable, ...]
    elements: tuple[Variable, ...]
    meeting: Index
    x: Index
    w: Index
    u: Index
    guards: tuple[Guard, ...]


def _trilinear(node: Tensor) -> _Trilinear:
    x, w, u = conv.trilinear_shapes(node)
    g = conv.Geometry.of(node.attrs)
    n, o, c = Variable(u[0], "n"), Variable(u[1], "o"), Variable(w[1], "c")
    places = tuple([Variable(s, "pqr"[a]) for a, s in enumerate(u[2:])])
    elements = tuple([Variable(s, "uvw"[a]) for a, s in enumerate(w[2:])])
    meeting = tuple(
        [
            (of(p).times(s) + of(r).times(d)).plus(-before)
            for p, r, s, d, (before, _) in zip(places, elements, g.stride, g.dilation, g.padding, strict=True)
        ]
    )
    rows = quotient(w[0], g.groups)
    assert rows is not None  # the op's own rule
    channel = digit(of(o), rows, g.groups).times(w[1]) + of(c) if not same(g.groups, 1) else of(c)
    guards = tuple([guard for e, size in zip(meeting, x[2:], strict=True) for guard in in_range(e, size)])
    return _Trilinear(
        n, o, c, places, elements, meeting,
        (of(n), channel, *meeting), (of(o), of(c), *index(elements)), (of(n), of(o), *index(places)), guards,
    )  # fmt: skip


def _convolution(node: Tensor) -> IndexForm:
    x, w = node.inputs
    t = _trilinear(node)
    case = Case((Read(x, t.x), Read(w, t.w)), R0 * R1, (t.c, *t.elements), t.guards)
    return IndexForm(node, (t.n, t.o, *t.places), (case,))


def _filter_gradient(node: Tensor) -> IndexForm:
    x, u = node.inputs
    t = _trilinear(node)
    case = Case((Read(x, t.x), Read(u, t.u)), R0 * R1, (t.n, *t.places), t.guards)
    return IndexForm(node, (t.o, t.c, *t.elements), (case,))


def _transposed_convolution(node: Tensor) -> IndexForm:
    u, w = node.inputs
    _, w_shape, _ = conv.trilinear_shapes(node)
    g = conv.Geometry.of(node.attrs)
    t = _trilinear(node)
    n, channel, *spatial = variables_for(node)
    rows = quotient(w_shape[0], g.groups)
    assert rows is not None  # the op's own rule
    seen: Affine = of(channel)
    row: Affine = of(t.o)
    bound = t.o
    if not same(g.groups, 1):
        bound = Variable(rows, "o")
        row = digit(of(channel), w_shape[1], g.groups).times(rows) + of(bound)
        seen = digit(of(channel), 1, w_shape[1])
    equations = tuple([Guard(e - of(v), equal=True) for e, v in zip(t.meeting, spatial, strict=True)])
    reads = (
        Read(u, (of(n), row, *index(t.places))),
        Read(w, (row, seen, *index(t.elements))),
    )
    case = Case(reads, R0 * R1, (bound, *t.places, *t.elements), equations)
    return IndexForm(node, (n, channel, *spatial), (case,))


# -- indexing ----------------------------------------------------------------------------------------
def _take(node: Tensor) -> IndexForm:
    x, i = node.inputs
    axis = node.attrs["axis"]
    variables = variables_for(node)
    taken = gathered(i, index(variables[axis : axis + i.ndim]), x.shape[axis])
    place = (*index(variables[:axis]), taken, *index(variables[axis + i.ndim :]))
    return _copy(node, variables, place)


def _scatter_add(node: Tensor) -> IndexForm:
    values, i = node.inputs
    axis = node.attrs["axis"]
    variables = variables_for(node)
    inner = tuple([Variable(s, LETTERS[(a + 6) % len(LETTERS)]) for a, s in enumerate(i.shape)])
    reached = gathered(i, index(inner), node.shape[axis])
    guard = Guard(reached - of(variables[axis]), equal=True)
    place = (*index(variables[:axis]), *index(inner), *index(variables[axis + 1 :]))
    return IndexForm(node, variables, (Case((Read(values, place),), R0, inner, (guard,)),))


INDEX_FORMS: dict[Op, Callable[[Tensor], IndexForm]] = {
    shape.RESHAPE: _reshape,
    shape.TRANSPOSE: _transpose,
    shape.BROADCAST_TO: _broadcast_to,
    shape.CONCATENATE: _concatenate,
    shape.PAD: _pad,
    shape.FLIP: _flip,
    shape.SLICE: _slice,
    shape.EMBED: _embed,
    windows.WINDOW: _window,
    windows.FOLD: _fold,
    reductions.SUM: _sum,
    reductions.MEAN: _mean,
    reductions.PROD: _extreme("prod"),
    reductions.MAX: _extreme("max"),
    reductions.MIN: _extreme("min"),
    reductions.LOGSUMEXP: _logsumexp,
    reductions.SOFTMAX: _by_logsumexp(sympy.exp(R0 - R1)),
    reductions.LOG_SOFTMAX: _by_logsumexp(R0 - R1),
    reductions.CUMSUM: _cumsum,
    pooling.MAX_POOL: _max_pool,
    linear_algebra.EINSUM: _einsum,
    linear_algebra.MATMUL: _matmul,
    conv.CONVOLUTION: _convolution,
    conv.FILTER_GRADIENT: _filter_gradient,
    conv.TRANSPOSED_CONVOLUTION: _transposed_convolution,
    indexing.TAKE: _take,
    indexing.SCATTER_ADD: _scatter_add,
}
"""How each op that reads more than one place computes an element; elementwise ops have their scalar form."""
