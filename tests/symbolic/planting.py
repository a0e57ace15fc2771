"""Planting faults in the symbolic engine: an op's form made wrong in every manner that fits.

The counterpart of ``tests/compare/planting.py``. Nothing here names an op: the manners are what a slip of the
pen makes of any form, so a new op's form is spoiled without being listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sympy

from graphc.ir.dimension import same, simplified
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.symbolic import local
from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.forms import INDEX_FORMS, Case, IndexForm
from graphc.symbolic.index.terms import Read
from graphc.symbolic.local import OUT
from graphc.symbolic.scalar import SCALAR_FORMS, ScalarForm
from tests.compare.planting import Misreading, Plant

Wrong = Callable[[IndexForm], IndexForm | None]


# -- manners: what a slip makes of an index form -------------------------------------------------------------
def _bodies(change: Callable[[Any], Any]) -> Wrong:
    return lambda form: replace(form, cases=tuple(replace(c, body=change(c.body)) for c in form.cases))


def _factor_missing(form: IndexForm) -> IndexForm | None:
    """The last read left out of a product."""
    if not all(c.body.is_Mul and len(c.body.free_symbols) > 1 for c in form.cases):
        return None
    last = [max(c.body.free_symbols, key=lambda s: str(s.name)) for c in form.cases]
    cases = [
        replace(c, body=c.body.xreplace({s: sympy.S.One})) for c, s in zip(form.cases, last, strict=True)
    ]
    return replace(form, cases=tuple(cases))


def _with_reads(form: IndexForm, change: Callable[[Read], Read]) -> IndexForm:
    return replace(
        form, cases=tuple(replace(c, reads=(change(c.reads[0]), *c.reads[1:])) for c in form.cases)
    )


def _wrong_axis(form: IndexForm) -> IndexForm | None:
    """Two indices of a read exchanged, those of equal sizes first."""
    shape = form.cases[0].reads[0].tensor.shape
    long = [a for a, size in enumerate(shape) if not same(size, 1)]
    pairs = [(a, b) for a in long for b in long if a < b]
    if not pairs:
        return None
    a, b = next((p for p in pairs if same(shape[p[0]], shape[p[1]])), pairs[0])

    def exchanged(read: Read) -> Read:
        places = list(read.index)
        places[a], places[b] = places[b], places[a]
        return Read(read.tensor, tuple(places), read.guarding)

    return _with_reads(form, exchanged)


def _off_by_one(form: IndexForm) -> IndexForm | None:
    """A read's last index moved by one."""
    long = [a for a, size in enumerate(form.cases[0].reads[0].tensor.shape) if not same(size, 1)]
    if not long:
        return None
    axis = long[-1]

    def moved(read: Read) -> Read:
        places = [e.plus(1) if a == axis else e for a, e in enumerate(read.index)]
        return Read(read.tensor, tuple(places), read.guarding)

    return _with_reads(form, moved)


def _without_guards(equal: bool) -> Wrong:
    def change(form: IndexForm) -> IndexForm | None:
        if not any(g.equal is equal for c in form.cases for g in c.guards):
            return None
        cases = [replace(c, guards=tuple(g for g in c.guards if g.equal is not equal)) for c in form.cases]
        return replace(form, cases=tuple(cases))

    return change


def _guard_off_by_one(form: IndexForm) -> IndexForm | None:
    """One guard moved by one: < where ≤ is meant, or the other way round."""
    if not form.cases[0].guards:
        return None
    first, *rest = form.cases[0].guards
    moved = replace(first, value=first.value.plus(-1))
    return replace(form, cases=(replace(form.cases[0], guards=(moved, *rest)), *form.cases[1:]))


def _range_short(form: IndexForm) -> IndexForm | None:
    """The last place of the first bound index forgotten."""
    case = next((c for c in form.cases if any(not same(v.size, 1) for v in c.bound)), None)
    if case is None:
        return None
    old = next(v for v in case.bound if not same(v.size, 1))
    new = Variable(simplified(old.size - 1), old.letter)
    renaming = {old: of(new)}
    short = Case(
        tuple(r.substituted(renaming) for r in case.reads),
        case.body,
        tuple(new if v is old else v for v in case.bound),
        tuple(g.substituted(renaming) for g in case.guards),
    )
    return replace(form, cases=tuple(short if c is case else c for c in form.cases))


def _case_lost(form: IndexForm) -> IndexForm | None:
    return replace(form, cases=form.cases[:-1]) if len(form.cases) > 1 else None


def _wrong_equation(form: IndexForm) -> IndexForm | None:
    return replace(form, equation=OUT) if form.equation is not OUT else None


def _auxiliary_lost(form: IndexForm) -> IndexForm | None:
    return replace(form, auxiliary=()) if form.auxiliary else None


def _reduction(form: IndexForm) -> IndexForm:
    other: Mapping[str, Any] = {"sum": "prod", "prod": "sum", "max": "sum", "min": "sum"}
    return replace(form, reduction=other[form.reduction])


INDEX_MANNERS: dict[str, Wrong] = {
    "sign flipped": _bodies(lambda body: -body),
    "factor doubled": _bodies(lambda body: 2 * body),
    "factor missing": _factor_missing,
    "wrong axis": _wrong_axis,
    "off by one": _off_by_one,
    "condition dropped": _without_guards(equal=False),
    "equation dropped": _without_guards(equal=True),
    "guard off by one": _guard_off_by_one,
    "range shortened": _range_short,
    "case lost": _case_lost,
    "wrong equation": _wrong_equation,
    "auxiliary lost": _auxiliary_lost,
    "reduction changed": _reduction,
}


class _Recording(dict[str, Any]):
    """Attributes that remember which of them were read."""

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        super().__init__(attrs)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)


def _attributes_read(node: Tensor) -> set[str]:
    attrs = _Recording(node.attrs)
    INDEX_FORMS[node.op](Tensor(node.op, node.inputs, attrs, node.shape, node.dtype, node.name, node.origins))
    return attrs.read


def index_plants(op: Op, nodes: Sequence[Tensor]) -> Iterator[Plant]:
    """Each wrong index form in the place of the right one, in the manners that change it at some node."""
    right = INDEX_FORMS[op]

    def planted(manner: str, wrong: Callable[[Tensor], IndexForm]) -> Plant:
        return Plant(op.name, manner, ("symbolic",), lambda patch: patch.setitem(INDEX_FORMS, op, wrong))

    for manner, change in INDEX_MANNERS.items():
        if any(change(right(n)) is not None for n in nodes):
            yield planted(manner, lambda node, change=change: change(right(node)) or right(node))
    for key in sorted(set().union(*map(_attributes_read, nodes))):
        misreading = Misreading(key)
        if all(misreading(n) is n for n in nodes):
            continue

        def misread(node: Tensor, misreading: Misreading = misreading) -> IndexForm:
            return replace(right(misreading(node)), node=node)

        yield planted(f"{key} misread", misread)


# -- manners: what a slip makes of a scalar form -------------------------------------------------------------
def _reals(reads: tuple[Any, ...]) -> Any:
    return sympy.Add(*[r for r in reads if getattr(r, "is_real", False)])


def _body(change: Callable[..., Any], **others: Any) -> Callable[[ScalarForm], ScalarForm | None]:
    """The body changed; its equation, which would say what is right, is gone."""

    def wrong(form: ScalarForm) -> ScalarForm | None:
        right = form.body
        return replace(form, body=lambda *reads: change(right(*reads), reads), implicit=None, **others)

    return wrong


def _equation(form: ScalarForm) -> ScalarForm | None:
    right = form.implicit
    if right is None:
        return None
    return replace(form, implicit=lambda out, *reads: right(out, *reads) + out)


SCALAR_MANNERS: dict[str, Callable[[ScalarForm], ScalarForm | None]] = {
    "sign flipped": _body(lambda body, reads: -body),
    "scaled": _body(lambda body, reads: 2 * body),
    "x added": _body(lambda body, reads: body + _reals(reads)),
    "equation wrong": _equation,
    "let through": lambda form: (
        _body(lambda body, reads: body + _reals(reads), step=False)(form) if form.step else None
    ),
    "held flat": lambda form: None if form.step else replace(form, step=True),
}


def scalar_plants(op: Op, nodes: Sequence[Tensor]) -> Iterator[Plant]:
    """Each wrong scalar form in the place of the right one."""
    for manner, change in SCALAR_MANNERS.items():
        wrong = change(SCALAR_FORMS[op])
        if wrong is None:
            continue

        def install(patch: pytest.MonkeyPatch, wrong: ScalarForm = wrong) -> None:
            patch.setitem(SCALAR_FORMS, op, wrong)
            patch.setattr(local, "_slopes", local._slopes.__wrapped__)  # slopes are kept by op

        yield Plant(op.name, manner, ("symbolic",), install)


PLANTS: dict[str, tuple[Mapping[Op, Any], Callable[[Op, Sequence[Tensor]], Iterator[Plant]]]] = {
    "index forms": (INDEX_FORMS, index_plants),
    "scalar forms": (SCALAR_FORMS, scalar_plants),
}
"""By table: its entries, and the plants of one of them."""
