"""Comparison of the derivative engines with each other and with numeric differentiation."""

from graphc.compare.gradients import compare_gradients
from graphc.compare.report import GradientReport

__all__ = ["GradientReport", "compare_gradients"]
