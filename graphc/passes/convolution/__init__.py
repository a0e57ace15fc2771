"""Convolution: one of its three ops enters; simpler ops leave, by an algorithm that is chosen by cost."""

from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.choice import ConvolutionLowering, Layer, candidates, choose
from graphc.passes.convolution.windows import WINDOWS

lowered_by_windows = WINDOWS.lowered

__all__ = ["Algorithm", "ConvolutionLowering", "Layer", "candidates", "choose", "lowered_by_windows"]
