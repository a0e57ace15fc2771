"""Recognising convolutions: two reads that meet in a window enter; a convolution op's result leaves.

With the window of x at s·p + d·r − P, the three sums of x[n, c, …] · w[o, c, r] · u[n, o, p] over what the
result lacks are ``convolution``, ``filter_gradient`` and ``transposed_convolution``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.dimension import Dim, larger, same, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.ops import convolution as conv
from graphc.ops.shape import flip, reshape, transpose
from graphc.ops.windows import window_count
from graphc.symbolic.index.affine import Affine, Variable, in_order, of, product_of, radix_order
from graphc.symbolic.index.gridding import Grid
from graphc.symbolic.index.reading import Views
from graphc.symbolic.index.terms import Guard, Read


@dataclass(frozen=True)
class _Meeting:
    """One spatial axis: s·place + d·element − before, of an axis of ``size``."""

    place: Variable
    element: Variable
    stride: int
    dilation: int
    before: Dim
    size: Dim
    flipped: bool = False

    @property
    def swapped(self) -> _Meeting:
        """The same with the parts of place and element exchanged."""
        return _Meeting(
            self.element, self.place, self.dilation, self.stride, self.before, self.size, self.flipped
        )

    @property
    def after(self) -> Dim | None:
        """A padding behind the axis with which it has just as many places; None if there is none."""
        span = self.stride * (self.place.size - 1) + self.dilation * (self.element.size - 1) + 1
        exact = simplified(span - self.size - self.before)
        for candidate in (0, self.before, exact, larger(exact, 0)):
            if isinstance(candidate, int) and candidate < 0:
                continue
            total = simplified(self.size + self.before + candidate)
            if same(window_count(total, self.element.size, self.stride, self.dilation), self.place.size):
                return candidate
        return None


def _meeting(e: Affine, size: Dim, elements: frozenset[Variable]) -> _Meeting | None:
    """The index as a window, if exactly one of its two variables is among ``elements``."""
    if len(e.parts) != 2 or not e.is_plain:
        return None
    element = [v for v in e.parts if v in elements]
    place = [v for v in e.parts if v not in elements]
    if len(element) != 1 or len(place) != 1:
        return None
    (r,), (p,) = element, place
    assert isinstance(r, Variable) and isinstance(p, Variable)
    d, s = e.parts[r], e.parts[p]
    if not isinstance(d, int) or not isinstance(s, int) or s < 1:
        return None
    before = simplified(-e.constant)
    if d < 0:  # a true convolution: the filter is read backwards
        before = simplified(before - d * (r.size - 1))
    if not (isinstance(before, int) and before >= 0):
        return None
    return _Meeting(p, r, s, abs(d), before, size, d < 0)


def as_convolution(
    first: Read | None,
    second: Read | None,
    axes: Sequence[Variable],
    gone: set[Variable],
    views: Views,
    guards: Sequence[Guard],
) -> Grid | None:
    """The product of two reads, summed over ``gone``, where one is read in windows; None where it is not."""
    if first is None or second is None:
        return None
    for x, other in ((first, second), (second, first)):
        if _has_windows(x) and _is_simple(other):
            found = _windowed(x, other, axes, gone, views)
            if found is not None:
                return found
    return None


def _has_windows(read: Read) -> bool:
    return any(len(e.parts) == 2 and e.is_plain for e in read.index) and all(e.is_plain for e in read.index)


def _is_simple(read: Read) -> bool:
    return all(e.is_plain for e in read.index)


def _windowed(
    x: Read, other: Read, axes: Sequence[Variable], gone: set[Variable], views: Views
) -> Grid | None:
    elements = other.variables
    index, meetings, stand_ins = [], [], []
    for e, size in zip(x.index, x.tensor.shape, strict=True):
        found = _meeting(e, size, elements)
        if found is None or found.element not in gone or found.place in gone:
            index.append(e)
            continue
        stand_in = Variable(size, "h")
        stand_ins.append(stand_in)
        meetings.append(found)
        index.append(of(stand_in))
    sums_places = _sums_places(meetings, _is_cotangent(other) and not _is_cotangent(x))
    paddings = [(m.swapped if sums_places else m).after for m in meetings]
    if not meetings or any(p is None for p in paddings):
        return None
    spatial = {m.place for m in meetings} | {m.element for m in meetings}
    plain = frozenset().union(*[e.variables for e in index]) - set(stand_ins)
    if plain & spatial or len(spatial) != 2 * len(meetings):
        return None
    rest = other.variables - spatial
    batch = [v for v in axes if v in plain and v not in rest]
    shared = [v for v in axes if v in plain and v in rest]
    outer = [v for v in axes if v in rest and v not in plain]
    inner = in_order(v for v in plain if v in gone and v in rest)
    if set(batch) | set(shared) | set(inner) != plain or set(outer) | set(shared) | set(inner) != rest:
        return None
    x_grid = views.grid(Read(x.tensor, tuple(index)), ())
    w_grid = views.grid(other, ())
    if set(w_grid.axes) != other.variables or len(x_grid.axes) != len(plain) + len(stand_ins):
        return None
    backwards = tuple([w_grid.axes.index(m.element) for m in meetings if m.flipped])
    if backwards:
        w_grid = Grid(flip(w_grid.tensor, backwards), w_grid.axes)
    padding = tuple([(m.before, p) for m, p in zip(meetings, paddings, strict=True) if p is not None])
    if sums_places:
        geometry = conv.Geometry(
            tuple([m.dilation for m in meetings]), padding, tuple([m.stride for m in meetings]),
            _count(shared),
        )  # fmt: skip
        # The summed side is the long one: the places of a convolution, so this is a filter's gradient.
        image = _standard(x_grid, inner, [*shared, *batch], stand_ins)
        u = _standard(w_grid, inner, [*shared, *outer], [m.element for m in meetings])
        made = conv.filter_gradient(image, u, tuple([m.place.size for m in meetings]), geometry)
        names = [*shared, *outer, *batch, *[m.place for m in meetings]]
    else:
        geometry = conv.Geometry(
            tuple([m.stride for m in meetings]), padding, tuple([m.dilation for m in meetings]),
            _count(shared),
        )  # fmt: skip
        image = _standard(x_grid, batch, [*shared, *inner], stand_ins)
        w = _standard(w_grid, [*shared, *outer], inner, [m.element for m in meetings])
        made = conv.convolution(image, w, geometry)
        names = [*batch, *shared, *outer, *[m.place for m in meetings]]
    sizes = tuple([v.size for v in names])
    tensor = made if same_shape(made.shape, sizes) else reshape(made, sizes)
    return Grid(tensor, tuple(names)).transposed([v for v in axes if v in names])


def _is_cotangent(read: Read) -> bool:
    return read.tensor.role == "backward"


def _sums_places(meetings: Sequence[_Meeting], by_cotangent: bool) -> bool:
    """Whether what is summed are the places of a convolution, not the elements of its filter.

    They are what a cotangent is read at; else the larger of the two, or those that lie further apart.
    """
    if by_cotangent:
        return True
    left, summed = (product_of([v.size for v in vs]) for vs in _both(meetings))
    if isinstance(left, int) and isinstance(summed, int):
        apart = sum(m.dilation for m in meetings) - sum(m.stride for m in meetings)
        return summed > left or (summed == left and apart > 0)
    return not isinstance(summed, int) and isinstance(left, int)


def _both(meetings: Sequence[_Meeting]) -> tuple[list[Variable], list[Variable]]:
    return [m.place for m in meetings], [m.element for m in meetings]


def _count(variables: Sequence[Variable]) -> Dim:
    return product_of([v.size for v in variables])


def _standard(
    grid: Grid, first: Sequence[Variable], second: Sequence[Variable], spatial: Sequence[Variable]
) -> Tensor:
    """The grid as (Π first, Π second, *spatial)."""
    order = [*first, *second, *spatial]
    axes = [grid.axes.index(v) for v in order]
    x = grid.tensor if axes == list(range(grid.tensor.ndim)) else transpose(grid.tensor, axes)
    shape = (_count(first), _count(second), *[v.size for v in spatial])
    return x if same_shape(x.shape, shape) else reshape(x, shape)


def as_transposed_convolution(
    reads: Sequence[Read],
    target: Sequence[Affine],
    shape: Sequence[Dim],
    gone: set[Variable],
    views: Views,
) -> Tensor | None:
    """Two reads, summed over ``gone`` and added up at windows of the target; None where it is not so."""
    if len(reads) != 2 or not all(e.is_plain for r in reads for e in r.index) or not target:
        return None
    for u, w in ((reads[0], reads[1]), (reads[1], reads[0])):
        meetings = []
        rest: list[Variable] = []
        fits = True
        for e, size in zip(target, shape, strict=True):
            found = _meeting(e, size, w.variables) if len(e.parts) == 2 else None
            if found is not None and _lies_between(found, u, w):
                meetings.append(found)
                continue
            fits = fits and not meetings and e.is_plain and _is_count(e, size)
            rest += [v for v in _radix(e) if v not in rest]
        if not fits or not meetings or not _are_places(meetings, u, w):
            continue
        paddings = [m.after for m in meetings]
        if any(p is None for p in paddings):
            continue
        made = _transposed(u, w, meetings, paddings, rest, gone, views)
        if made is not None:
            return made if same_shape(made.shape, shape) else reshape(made, tuple(shape))
    return None


def _lies_between(found: _Meeting, u: Read, w: Read) -> bool:
    """Whether the place is an index of u alone and the element one of w alone."""
    return found.place in u.variables and found.place not in w.variables and found.element not in u.variables


def _are_places(meetings: Sequence[_Meeting], u: Read, w: Read) -> bool:
    """Whether u has the places and w the elements, not the other way round."""
    if _is_cotangent(u) != _is_cotangent(w):
        return _is_cotangent(u)
    places, elements = (product_of([v.size for v in vs]) for vs in _both(meetings))
    if isinstance(places, int) and isinstance(elements, int):
        return elements <= places
    return isinstance(elements, int) or not isinstance(places, int)


def _is_count(e: Affine, size: Dim) -> bool:
    from_zero = same(e.constant, 0)
    return (
        from_zero and bool(e.parts or same(size, 1)) and same(product_of([v.size for v in _radix(e)]), size)
    )


def _radix(e: Affine) -> list[Variable]:
    return radix_order(e) or []


def _transposed(
    u: Read,
    w: Read,
    meetings: Sequence[_Meeting],
    paddings: Sequence[Dim | None],
    rest: Sequence[Variable],
    gone: set[Variable],
    views: Views,
) -> Tensor | None:
    places, elements = _both(meetings)
    u_rest, w_rest = u.variables - set(places), w.variables - set(elements)
    batch = [v for v in rest if v in u_rest and v not in w_rest]
    shared = [v for v in rest if v in u_rest and v in w_rest]
    channels = [v for v in rest if v in w_rest and v not in u_rest]
    inner = in_order(v for v in u_rest if v in gone and v in w_rest)
    if set(batch) | set(shared) | set(inner) != u_rest or set(channels) | set(shared) | set(inner) != w_rest:
        return None
    u_grid, w_grid = views.grid(u, ()), views.grid(w, ())
    if set(u_grid.axes) != u.variables or set(w_grid.axes) != w.variables:
        return None
    backwards = tuple([w_grid.axes.index(m.element) for m in meetings if m.flipped])
    if backwards:
        w_grid = Grid(flip(w_grid.tensor, backwards), w_grid.axes)
    geometry = conv.Geometry(
        tuple([m.stride for m in meetings]),
        tuple([(m.before, p) for m, p in zip(meetings, paddings, strict=True) if p is not None]),
        tuple([m.dilation for m in meetings]), _count(shared),
    )  # fmt: skip
    made = conv.transposed_convolution(
        _standard(u_grid, batch, [*shared, *inner], places),
        _standard(w_grid, [*shared, *inner], channels, elements),
        tuple([m.size for m in meetings]), geometry,
    )  # fmt: skip
    names = [*batch, *shared, *channels]
    sizes = [m.size for m in meetings]
    if names == list(rest):
        return made
    opened = reshape(made, (*[v.size for v in names], *sizes))
    order = [names.index(v) for v in rest]
    return transpose(opened, (*order, *range(len(names), len(names) + len(sizes))))
