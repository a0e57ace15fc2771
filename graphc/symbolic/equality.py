"""Equality: two graphs enter; a proof that they are one function, a counterexample, or neither leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphc.errors import DTypeError, ShapeError
from graphc.ir.dimension import format_shape, same, same_shape
from graphc.ir.dtype import is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.symbolic.index.affine import ZERO, Variable, of
from graphc.symbolic.index.forms import variables_for
from graphc.symbolic.index.terms import Renaming
from graphc.symbolic.normal.algebra import Algebra
from graphc.symbolic.normal.arithmetic import Exceeded, Undecided
from graphc.symbolic.normal.atoms import Sum
from graphc.symbolic.normal.normal_form import NormalForms
from graphc.symbolic.normal.sources import check_same_names
from graphc.symbolic.normal.unfolding import elements, unfolded
from graphc.symbolic.normal.vanishing import is_rounding, vanishes
from graphc.symbolic.normal.writing import written
from graphc.symbolic.refutation import Counterexample, searched

BUDGET = 3_000_000
"""Factors written in all steps of the normal form: some seconds at most, most often well below one."""
_POINTS = 20


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether two graphs are the same function.

    ``status`` is ``"proved"``, ``"refuted"`` or ``"unknown"``. ``proof`` holds the common normal form and
    the laws that led to it, ``counterexample`` a point with both values, ``reason`` why nothing is known.
    ``domain_difference`` is a point at which one side alone has a value, where one was met. A verdict is
    true where equality is proved and no such point was met; refuted and unknown are both false.
    """

    status: Literal["proved", "refuted", "unknown"]
    proof: str = ""
    counterexample: Counterexample | None = None
    domain_difference: Counterexample | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.status == "proved" and self.domain_difference is None

    def __str__(self) -> str:
        parts = [self.status, self.proof, self.reason]
        if self.counterexample is not None:
            parts.append(str(self.counterexample))
        if self.domain_difference is not None:
            parts.append(f"only one side is defined {self.domain_difference}")
        return "\n".join(p for p in parts if p)


def equal(a: Tensor, b: Tensor, *, budget: int = BUDGET, seed: int = 0) -> Verdict:
    """Prove that two graphs are the same function of their sources, or find a point at which they differ.

    Both have one shape, symbolic sizes included, and both are floats, integers or truth values; inputs and
    parameters are the same where their names are, random draws where they are one node. What is compared
    are real functions: two graphs are equal if they agree at every point at which both are defined, for
    all sizes. A graph is defined where each step has a real value; 1/0, log 0 and √−1 have none, and
    ``where`` needs only the branch it takes. Rounding, overflow, casts between floats, the wrap of integers
    and the sign of zero are left out, and a constant is the number its shortest decimal form says: what
    differs by the rounding of a constant (x/3 and x·0.3333333333333333) is unknown, not refuted.

    Proofs are by normal form (``.proof``), refutations by values in 200 digits (``.counterexample``).
    ``budget`` bounds the steps of the normal form; beyond it the answer is unknown, as it is where no law
    that is known decides.

    Raises ShapeError for different shapes, DTypeError for different kinds of dtypes, GraphError where two
    sources share a name but no declaration.

    >>> import graphc as gc
    >>> A, B = gc.input("A", ("N", 3)), gc.input("B", (3, "M"))
    >>> gc.symbolic.equal((A @ B).T, B.T @ A.T).status
    'proved'
    >>> x = gc.input("x", (3,))
    >>> verdict = gc.symbolic.equal(gc.sqrt(gc.square(x)), x)
    >>> verdict.status, bool(verdict)
    ('refuted', False)
    >>> gc.symbolic.equal(gc.exp(gc.log(x)), x).domain_difference is None
    False
    """
    _check(a, b)
    order = topological_order([a, b])
    check_same_names(order)
    forms = NormalForms(budget)
    if forms.sources.representative(a) is forms.sources.representative(b):
        return Verdict("proved", proof="they are one graph, op by op")
    sources = {n: forms.sources.representative(n) for n in order if not n.inputs}
    found = searched(a, b, _POINTS, seed, sources)
    if found.counterexample is not None:
        return Verdict(
            "refuted", counterexample=found.counterexample, domain_difference=found.domain_difference,
            reason="they differ at a point, by more than rounding",
        )  # fmt: skip
    if any(same(s, 0) for s in a.shape):
        return Verdict("proved", proof="there is no element to differ")
    variables = variables_for(a)
    proof, reason = _proved(forms, a, b, variables)
    if proof:
        return Verdict("proved", proof=proof, domain_difference=found.domain_difference)
    if not found.compared:
        reason += "; no point was met at which both have values"
    return Verdict("unknown", reason=reason, domain_difference=found.domain_difference)


def _proved(forms: NormalForms, a: Tensor, b: Tensor, variables: tuple[Variable, ...]) -> tuple[str, str]:
    """The proof, or why there is none."""
    try:
        place = [ZERO if same(v.size, 1) else of(v) for v in variables]
        left, right = forms.at(a, place), forms.at(b, place)
        difference = forms.algebra.subtract(left, right)
        if vanishes(forms.algebra, difference):
            return _proof(forms, left, variables), ""
        places = elements(variables, left, right)
        if places is not None and all(_unfolds_to_nothing(forms.algebra, difference, p) for p in places):
            forms.algebra.note("every Σ written out")
            return _proof(forms, left, variables), ""
    except Exceeded:
        return "", "the normal form grows beyond its budget"
    except RecursionError:
        return "", "functions are nested too deep"
    except Undecided as answer:
        return "", f"no normal form: {answer}"
    if is_rounding(forms.algebra, difference, left):
        return "", "the normal forms differ by no more than constants are rounded"
    return "", f"the normal forms differ by {written(difference, variables)}"


def _unfolds_to_nothing(algebra: Algebra, difference: Sum, place: Renaming) -> bool:
    return vanishes(algebra, unfolded(algebra, algebra.substituted(difference, place)))


def _proof(forms: NormalForms, left: Sum, variables: tuple[Variable, ...]) -> str:
    laws = ", ".join(forms.algebra.laws)
    return f"both are {written(left, variables)}" + (f"\nby {laws}" if laws else "")


def _kind(tensor: Tensor) -> str:
    if is_float(tensor.dtype):
        return "floats"
    return "truth values" if tensor.dtype.kind == "b" else "integers"


def _check(a: Tensor, b: Tensor) -> None:
    if not same_shape(a.shape, b.shape):
        raise ShapeError(
            f"shapes {format_shape(a.shape)} and {format_shape(b.shape)} differ",
            op="symbolic.equal", location=user_location(),
            remedy="compare graphs of one shape; broadcast or reshape one of them first",
        )  # fmt: skip
    if _kind(a) != _kind(b):
        raise DTypeError(
            f"one side has {_kind(a)} ({a.dtype}), the other {_kind(b)} ({b.dtype})",
            op="symbolic.equal", location=user_location(), remedy="convert one of them with astype",
        )  # fmt: skip
