"""Comparison of the derivative engines with each other and with numeric differentiation."""

from graphc.compare.costs import Cost
from graphc.compare.gradients import compare_gradients
from graphc.compare.report import GradientReport
from graphc.compare.swell import Swell, expression_swell

__all__ = ["Cost", "GradientReport", "Swell", "compare_gradients", "expression_swell"]
