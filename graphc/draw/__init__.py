"""Tensors enter, pictures leave: Graphviz drawings of operations, layers and neurons."""

from graphc.draw.drawing import Drawing
from graphc.draw.picture import draw
from graphc.draw.theme import DARK, LIGHT, Theme, Tone

__all__ = ["DARK", "LIGHT", "Drawing", "Theme", "Tone", "draw"]
