"""Differentials: a node enters, its differential by what it reads leaves, as terms over the node's indices.

``d out[i] = Σ_slots slope · [guards] · d x[e(i, r)]``: SymPy differentiates the scalar body by each read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sympy

from graphc.errors import UnsupportedError
from graphc.ir.dimension import simplified
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops import reductions, shape
from graphc.ops.reductions import softmax
from graphc.ops.sources import arange, filled
from graphc.symbolic.index.forms import (
    INDEX_FORMS,
    Case,
    IndexForm,
    broadcast_index,
    index,
    reduced_axes,
    variables_for,
)
from graphc.symbolic.index.terms import Atom, Call, Read, Term, multiplied
from graphc.symbolic.local import OUT, LocalForm, differentiate, local_form, read_symbol
from graphc.symbolic.scalar import SCALAR_FORMS, WITHOUT_SCALAR_FORM


@dataclass(frozen=True, eq=False)
class Slot:
    """One read of a node: the term by which that tensor's differential enters the node's."""

    tensor: Tensor
    term: Term


@dataclass(frozen=True, eq=False)
class Differential:
    """A node's differential at ``variables``."""

    node: Tensor
    variables: tuple[Any, ...]
    slots: tuple[Slot, ...]


WITHOUT_INDEX_FORM: dict[str, str] = {
    "any": "it answers a question: flat almost everywhere",
    "all": "it answers a question: flat almost everywhere",
    "argmax": "it is an index: flat almost everywhere",
    "argmin": "it is an index: flat almost everywhere",
    "window_index": "it is an index: flat almost everywhere",
    "index_check": "it is an index: flat almost everywhere",
    "isnan": WITHOUT_SCALAR_FORM["isnan"],
    "isinf": WITHOUT_SCALAR_FORM["isinf"],
    "isfinite": WITHOUT_SCALAR_FORM["isfinite"],
    "input": "a source is an element of its own, not a formula of others",
    "parameter": "a source is an element of its own, not a formula of others",
    "constant": "a source is an element of its own, not a formula of others",
    "dimension": "a source is an element of its own, not a formula of others",
    "arange": "a source is an element of its own, not a formula of others",
    "random_uniform": "a draw is a fixed number as far as calculus goes",
    "random_normal": "a draw is a fixed number as far as calculus goes",
    "scan": "it repeats a body: the body is derived, and the recurrence turned round",
}
"""Why an op has no index form, by its name."""


Softmaxes = Mapping[tuple[Tensor, int], Tensor]
"""The softmax nodes of a graph by what they are of, and along which axis."""


def differential(
    node: Tensor, active: set[Tensor], softmaxes: Softmaxes = MappingProxyType({})
) -> Differential:
    """The differential of a node by those of its operands that are active.

    Raises UnsupportedError where the op has no index form.
    """
    if node.op in INDEX_FORMS:
        return _of_form(INDEX_FORMS[node.op](node), active, softmaxes)
    if node.op in SCALAR_FORMS:
        return _elementwise(node, active)
    raise UnsupportedError(
        f"has no index form: {WITHOUT_INDEX_FORM.get(node.op.name, 'it is not in the table')}",
        op=node.op.name, location=node.location, remedy="differentiate with gc.grad",
    )  # fmt: skip


# -- elementwise -------------------------------------------------------------------------------------
def _elementwise(node: Tensor, active: set[Tensor]) -> Differential:
    form = local_form(node, active)
    variables = variables_for(node)
    places = {
        symbol: Read(t, broadcast_index(t, variables)) for symbol, t in form.tensors.items() if t is not node
    }
    places[OUT] = Read(node, index(variables))
    slots = []
    for slope in form.slopes:
        term = product_term(slope.refolded, places)
        if node.op is ew.WHERE:
            term = replace(term, factors=tuple([(_guard(a), n) for a, n in term.factors]))
        if form.absorbing:
            term = _absorbing(term, form, slope.read)
        read = places[slope.read]
        slots.append(Slot(read.tensor, replace(term, target=read.index)))
    return Differential(node, variables, tuple(slots))


def _guard(atom: Atom) -> Atom:
    return Call(atom.expression, atom.reads, True) if isinstance(atom, Call) else atom


def _absorbing(term: Term, form: LocalForm, read: Any) -> Term:
    """In x·y a zero x wins: in the slope by y it stands guard over what follows."""
    first = form.node.inputs[0]
    if form.tensors[read] is first:
        return term
    guarded = tuple(
        [
            (Read(a.tensor, a.index, True), n) if isinstance(a, Read) and a.tensor is first else (a, n)
            for a, n in term.factors
        ]
    )
    return replace(term, factors=guarded)


def product_term(slope: Any, places: dict[Any, Read]) -> Term:
    """A SymPy expression over reads as a constant and factors."""
    constant: Any = sympy.S.One
    factors: list[tuple[Atom, int]] = []
    for part in sympy.Mul.make_args(slope):
        base, exponent = part.as_base_exp()
        if not part.free_symbols & places.keys():
            constant *= part
        elif base in places and exponent.is_Integer:
            factors.append((places[base], int(exponent)))
        else:
            factors.append((call(part, places), 1))
    return Term(constant, multiplied(factors))


def call(expression: Any, places: dict[Any, Read]) -> Call:
    """The expression as a function of its reads, its symbols numbered in a fixed order."""
    present = sorted(expression.free_symbols & places.keys(), key=lambda s: str(s.name))
    new = {s: read_symbol(i, _is_bool(places[s])) for i, s in enumerate(present)}
    return Call(expression.xreplace(new), tuple([places[s] for s in present]))


def _is_bool(read: Read) -> bool:
    return bool(read.tensor.dtype.kind == "b")


# -- reductions of bodies ------------------------------------------------------------------------------
def _of_form(form: IndexForm, active: set[Tensor], softmaxes: Softmaxes) -> Differential:
    if form.reduction in ("max", "min"):
        return _extreme(form, active)
    if form.reduction == "prod":
        return _product(form, active)
    moving = active | set(form.auxiliary) if any(i in active for i in form.node.inputs) else active
    slots: list[Slot] = []
    for case in form.cases:
        for position, read in enumerate(case.reads):
            if read.tensor not in moving or not is_float(read.tensor.dtype):
                continue
            term = _slope(form, case, position, softmaxes)
            if any(read.tensor is a for a in form.auxiliary):
                slots += _through(term, read, active, softmaxes)
            else:
                slots.append(Slot(read.tensor, term))
    return Differential(form.node, form.variables, tuple(slots))


@lru_cache(maxsize=1024)
def _body_slope(body: Any, equation: Any, position: int, whole: bool) -> Any:
    """∂out/∂read from ``equation(out) = Σ body``; by the output itself where it is the body."""
    slope = differentiate(body, read_symbol(position, False))
    if equation is not OUT:
        slope = sympy.powsimp(slope / sympy.diff(equation, OUT), combine="exp")
    elif whole:
        slope = slope.xreplace({body: OUT})
    return slope


def _slope(form: IndexForm, case: Case, position: int, softmaxes: Softmaxes) -> Term:
    whole = len(form.cases) == 1 and not case.bound and not case.body.is_Symbol
    slope = _body_slope(case.body, form.equation, position, whole)
    places = {read_symbol(i, False): r for i, r in enumerate(case.reads)}
    places[OUT] = Read(form.node, index(form.variables))
    term = product_term(slope, places)
    term = Term(term.constant, tuple([_refolded(f, form.node, softmaxes) for f in term.factors]))
    return replace(term, guards=frozenset(case.guards), bound=case.bound, target=case.reads[position].index)


def _refolded(factor: tuple[Atom, int], node: Tensor, softmaxes: Softmaxes) -> tuple[Atom, int]:
    """exp(x − logsumexp(x)) is softmax(x): the op that computes it free of overflow."""
    atom, exponent = factor
    if node.op is not reductions.LOGSUMEXP or not isinstance(atom, Call) or len(reduced_axes(node)) != 1:
        return factor
    (x,) = node.inputs
    read = next(r for r in atom.reads if r.tensor is x)
    axis = reduced_axes(node)[0]
    found = softmaxes.get((x, axis))
    return Read(softmax(x, axis) if found is None else found, read.index), exponent


def _through(term: Term, read: Read, active: set[Tensor], softmaxes: Softmaxes) -> list[Slot]:
    """The slots of an auxiliary node, entered where it is read."""
    inner = differential(read.tensor, active, softmaxes)
    new = dict(zip(inner.variables, term.target, strict=True))
    return [
        Slot(s.tensor, replace(term, target=()).times(s.term.renamed_apart().substituted(new)))
        for s in inner.slots
    ]


def _extreme(form: IndexForm, active: set[Tensor]) -> Differential:
    """Every element that attains the extreme has an equal share."""
    (case,) = form.cases
    (read,) = case.reads
    x, out = read.tensor, form.node
    if x not in active:
        return Differential(out, form.variables, ())
    axes = reduced_axes(out)
    kept = tuple([1 if a in axes else s for a, s in enumerate(x.shape)])
    attains = ew.equal(x, out if out.attrs["keepdims"] else shape.reshape(out, kept))
    chosen = ew.astype(attains, out.dtype)
    share = ew.divide(chosen, reductions.sum(chosen, axis=axes, keepdims=True))
    term = Term(factors=((Read(share, read.index, True), 1),), bound=case.bound, target=read.index)
    return Differential(out, form.variables, (Slot(x, term),))


def _product(form: IndexForm, active: set[Tensor]) -> Differential:
    """The slope by one element is the product of the others, which zeros among them do not spoil."""
    (case,) = form.cases
    (read,) = case.reads
    x, out = read.tensor, form.node
    if x not in active:
        return Differential(out, form.variables, ())
    axes = reduced_axes(out)
    rest = [a for a in range(x.ndim) if a not in axes]
    reduced = [x.shape[a] for a in axes]
    count = simplified(sympy.Mul(*reduced)) if reduced else 1
    order = (*rest, *axes)
    rows = shape.reshape(shape.transpose(x, order), (*[x.shape[a] for a in rest], 1, count))
    same_place = ew.equal(shape.reshape(arange(count), (count, 1)), arange(count))
    others = reductions.prod(ew.where(same_place, filled(1.0, x.dtype), rows), axis=-1)
    back = shape.reshape(others, (*[x.shape[a] for a in rest], *reduced))
    others = shape.transpose(back, [order.index(a) for a in range(x.ndim)])
    term = Term(factors=((Read(others, read.index), 1),), bound=case.bound, target=read.index)
    return Differential(out, form.variables, (Slot(x, term),))


def slots_by_tensor(found: Differential) -> dict[Tensor, list[Term]]:
    """The terms of each tensor that the differential reaches."""
    terms: dict[Tensor, list[Term]] = {}
    for slot in found.slots:
        terms.setdefault(slot.tensor, []).append(slot.term)
    return terms
