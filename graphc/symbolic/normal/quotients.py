"""Quotients: a term that holds a sum to a negative power enters; terms without its greatest part leave."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from graphc.ir.dimension import same
from graphc.symbolic.index.affine import of
from graphc.symbolic.index.terms import Term, multiplied
from graphc.symbolic.normal.atoms import Applied, Numbering, Sum, atom_code, factors_of, with_factors
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.parts import times


def without_quotient(algebra: Functions, term: Term) -> list[Term] | None:
    """lead(S)·S^r with r < 0 by S^(r+1) and the other terms of S."""
    for atom, r in factors_of(term):
        if not (isinstance(atom, Applied) and atom.name == "value" and r.is_negative):
            continue
        (total,) = atom.arguments
        lead = algebra.lead(total)
        if lead is None:
            continue
        left = _quotient(term, atom, lead, algebra.numbering)
        if left is None:
            continue
        algebra.note("S/S = 1" if algebra.is_positive(total) else "S/S = 1 where S ≠ 0")
        whole = with_factors(left, multiplied((*factors_of(left), (atom, r + 1))))
        with_power = with_factors(left, multiplied((*factors_of(left), (atom, r))))
        others = Sum(tuple([t for t in total.terms if t is not lead])).renamed_apart()
        inverse = 1 / lead.constant
        return [whole.scaled(inverse), *[times(with_power, t).scaled(-inverse) for t in others.terms]]
    return None


def _quotient(term: Term, divisor: Applied, lead: Term, numbering: Numbering) -> Term | None:
    """The term without the factors of ``lead`` and the divisor's power; None where they are not all in it."""
    if any(n.is_negative for _, n in factors_of(lead)) or len(lead.bound) > 3:
        return None
    codes = {atom_code(a, {}, numbering): (a, n) for a, n in factors_of(term) if a != divisor}
    taken = set(divisor.variables)
    usable = [v for v in term.bound if v not in taken]
    for chosen in permutations(usable, len(lead.bound)):
        if not all(same(v.size, w.size) for v, w in zip(lead.bound, chosen, strict=True)):
            continue
        new = {v: of(w) for v, w in zip(lead.bound, chosen, strict=True)}
        there = lead.substituted(new)
        left = dict(codes)
        for a, n in factors_of(there):
            code = atom_code(a, {}, numbering)
            if code not in left or not (left[code][1] - n).is_nonnegative:
                break
            left[code] = (a, left[code][1] - n)
        else:
            if not there.guards <= term.guards:
                continue
            rest = replace(
                with_factors(term, [(a, n) for a, n in left.values() if n != 0]),
                guards=term.guards - there.guards,
                bound=tuple([v for v in term.bound if v not in chosen]),
            )
            if rest.variables.isdisjoint(chosen):
                return rest
    return None
