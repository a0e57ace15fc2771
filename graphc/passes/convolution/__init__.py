"""Convolution: one of its three ops enters; simpler ops leave, by an algorithm that is chosen by cost."""

from graphc.passes.convolution.choice import ConvolutionLowering, candidates, choose
from graphc.passes.convolution.windows import WINDOWS

lowered_by_windows = WINDOWS.lowered

__all__ = ["ConvolutionLowering", "candidates", "choose", "lowered_by_windows"]
