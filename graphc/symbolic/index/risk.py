"""Risk: what may be infinite or undefined, so that a zero beside it has to win by choice."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops.loop import SCAN
from graphc.ops.sources import INPUT
from graphc.symbolic.index.terms import Atom, Bracket, Call, Read

RISKY = frozenset(
    [
        "divide", "reciprocal", "log", "log2", "log10", "log1p", "power", "exp", "exp2", "expm1", "tan",
        "sinh", "cosh", "rsqrt",
    ]
)  # fmt: skip
# Undefined outside of their domain.
_STEEP = frozenset(["sqrt", "remainder", "floor_divide", "arcsin", "arccos", "arccosh", "arctanh"])


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


def certain(order: Iterable[Tensor]) -> set[Tensor]:
    """The nodes of a graph that are finite if parameters are: not data, poles, or what these make.

    Data may hold NaN for what is missing; in a step of a loop it stands for whatever was computed before.
    """
    found: set[Tensor] = set()
    for node in order:
        source = node.op in (INPUT, SCAN) or node.op.name in RISKY or node.op.name in _STEEP
        if not is_float(node.dtype) or (not source and all(i in found for i in node.inputs)):
            found.add(node)
    return found
