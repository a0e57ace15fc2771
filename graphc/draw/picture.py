"""Tensors enter, a Drawing leaves: the choice between the zooms of one graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from graphc.draw.drawing import Drawing
from graphc.draw.feature_maps import FeatureMapsView
from graphc.draw.layers import layers_view
from graphc.draw.neurons import NeuronsView
from graphc.draw.operations import OperationsView
from graphc.draw.outputs import Drawable, subject_of
from graphc.draw.theme import Theme, theme_of
from graphc.errors import GraphError
from graphc.ir.tensor import Tensor

VIEWS = ("operations", "layers", "neurons", "feature maps")
DIRECTIONS = ("TB", "LR")


def draw(
    outputs: Drawable,
    *,
    values: Mapping[Tensor, Any] | None = None,
    view: Literal["operations", "layers", "neurons", "feature maps"] = "operations",
    direction: Literal["TB", "LR"] | None = None,
    shapes: bool = True,
    max_nodes: int | None = 2000,
    theme: str | Theme = "light",
) -> Drawing:
    """The picture of everything the outputs need.

    ``outputs`` is a tensor, a list or dict of tensors (a dict's keys label them), or a Graph. Draw a
    loss and its gradients together to see forward and backward side by side.

    ``view`` is the zoom: ``"operations"`` shows every node, scopes as clusters, shapes on the edges;
    ``"layers"`` one box a scope; ``"neurons"`` dense layers as circles and arrows; ``"feature maps"``
    convolutional networks as stacked maps, always from left to right. ``direction`` is top to bottom
    (``"TB"``) or left to right (``"LR"``; the usual for neurons). ``values`` gives
    nodes their arrays: operations show them on the edges, neurons colour their arrows by the sign
    and size of the weights. ``shapes=False`` leaves the shapes away. ``theme`` is ``"light"``,
    ``"dark"`` or a ``Theme``. A drawing of more than ``max_nodes`` nodes can be saved as .dot, but
    is laid out only with ``max_nodes=None``.

    Raises GraphError for outputs that are no tensors, or a view, direction or theme that is unknown.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3))
    >>> picture = gc.draw(gc.exp(x))
    >>> picture
    <drawing of 3 nodes>
    >>> picture.source.splitlines()[0]
    'digraph graphc {'
    """
    if view not in VIEWS:
        raise GraphError(
            f"there is no view {view!r}", op="draw", remedy=f"use one of {', '.join(map(repr, VIEWS))}"
        )
    chosen = direction or ("LR" if view in ("neurons", "feature maps") else "TB")
    if chosen not in DIRECTIONS:
        raise GraphError(f"there is no direction {direction!r}", op="draw", remedy='use "TB" or "LR"')
    if view == "feature maps" and chosen != "LR":
        raise GraphError("feature maps are drawn from left to right", op="draw", remedy='use direction="LR"')
    subject, look = subject_of(outputs), theme_of(theme)
    if view == "operations":
        canvas = OperationsView(subject, look, chosen, shapes, values).drawn()
    elif view == "layers":
        canvas = layers_view(subject, look, chosen, shapes)
    elif view == "feature maps":
        maps = FeatureMapsView(subject, look, shapes)
        # A stage is many small nodes, but all have their places: nothing is searched for.
        return Drawing(maps.drawn().source, len(maps.stages), max_nodes, maps.canvas.engine)
    else:
        canvas = NeuronsView(subject, look, chosen, shapes, values).drawn()
    return Drawing(canvas.source, canvas.count, max_nodes, canvas.engine)
