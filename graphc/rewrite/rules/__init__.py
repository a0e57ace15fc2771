"""The rules, by list; a pipeline names the lists it uses."""

from graphc.rewrite.rules import algebra, fast_math, shape, stabilisation, strength

SHAPE = shape.RULES
EXACT = (*algebra.RULES, *shape.RULES)
STABILISATION = stabilisation.RULES
STRENGTH = strength.RULES
FAST_MATH = fast_math.RULES
ALL = (*EXACT, *STABILISATION, *STRENGTH, *FAST_MATH)

__all__ = ["ALL", "EXACT", "FAST_MATH", "SHAPE", "STABILISATION", "STRENGTH"]
