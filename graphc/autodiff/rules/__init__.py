"""The table of derivative rules, keyed by op: every op of the registry has its entry."""

from __future__ import annotations

from graphc.autodiff.rule import Rule
from graphc.autodiff.rules import convolution, elementwise, linear_algebra, loops, reductions, shape, sources
from graphc.ir.op import Op

RULES: dict[Op, Rule] = {
    op: rule
    for family in (sources, elementwise, reductions, linear_algebra, convolution, shape, loops)
    for op, rule in family.RULES.items()
}

__all__ = ["RULES"]
