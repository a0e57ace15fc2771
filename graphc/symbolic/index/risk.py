"""Risk: a factor enters; whether it may be infinite or undefined where its operands are not leaves."""

from __future__ import annotations

from graphc.symbolic.index.terms import Atom, Bracket, Call, Read

RISKY = frozenset(
    [
        "divide", "reciprocal", "log", "log2", "log10", "log1p", "power", "exp", "exp2", "expm1", "tan",
        "sinh", "cosh", "rsqrt",
        "input",  # data may hold NaN for a missing value, and in a loop stands for whatever was computed before
    ]
)  # fmt: skip


def is_risky(atom: Atom, exponent: int) -> bool:
    """Whether a zero beside the factor must win by choice, because a product might be NaN.

    A function that is written out counts unless it is a condition; so does whatever is divided by.
    """
    if exponent < 0:
        return True
    if isinstance(atom, Read):
        return atom.tensor.op.name in RISKY
    if isinstance(atom, Call):
        return not atom.chooses
    assert isinstance(atom, Bracket)
    return any(is_risky(a, n) for t in atom.terms for a, n in t.factors)
