"""The algebra of normal forms: sums enter operations, their results leave, normal by all laws.

Every law keeps the value wherever the old form is defined, and may define it at more points. The laws with
conditions (``a/a = 1``) are noted by name.
"""

from __future__ import annotations

from graphc.symbolic.index.terms import Term
from graphc.symbolic.normal.atoms import factors_of, with_factors
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.index_laws import indices
from graphc.symbolic.normal.quotients import without_quotient
from graphc.symbolic.normal.term_laws import combined, expanded, of_sines

_LAWS = (expanded, of_sines, indices, without_quotient)


class Algebra(Functions):
    """Operations on sums, which leave normal forms."""

    def step(self, term: Term) -> list[Term] | None:
        """Terms that are nearer to normal form; None where this one is normal."""
        if term.constant == 0:
            return []
        factors = combined(self, factors_of(term))
        if factors is None:
            return []
        if factors != factors_of(term):
            return [with_factors(term, factors)]
        for law in _LAWS:
            step = law(self, term)
            if step is not None:  # an empty list says that the term is 0
                return step
        return None
