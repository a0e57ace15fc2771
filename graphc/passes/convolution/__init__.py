"""Convolution: one of its three ops enters; simpler ops leave, by an algorithm that is chosen by cost."""

from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.choice import candidates, choose, lowered_by_cost, lowered_by_windows

__all__ = ["Algorithm", "candidates", "choose", "lowered_by_cost", "lowered_by_windows"]
