"""Simplification: terms enter; fewer or shorter ones of the same sum leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.ir.dimension import Shape, same
from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.terms import Term, merged


def simplified_terms(terms: Sequence[Term], shape: Shape) -> list[Term]:
    """The terms over common indices of the result, with equal ones merged."""
    outputs = [Variable(size, letter) for size, letter in zip(shape, "abcdefgh" * len(shape), strict=False)]
    return merged(_over(t, outputs) for t in terms)


def _over(term: Term, outputs: Sequence[Variable]) -> Term:
    """Plain targets take the names that all terms share."""
    new = {}
    for e, output in zip(term.target, outputs, strict=True):
        v = e.variable
        if v is None or v in new or v not in term.bound or not same(v.size, output.size):
            continue
        new[v] = of(output)
    made = term.substituted(new)
    named = [o for o in outputs if any(o in e.variables for e in made.target)]
    return replace(made, bound=(*made.bound, *named))
