"""Tensors enter, a Drawing leaves: the choice between the zooms of one graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from graphc.draw.drawing import Drawing
from graphc.draw.feature_maps import FeatureMapsView
from graphc.draw.heat import HasHeat, Shares, heat_of
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
    heat: HasHeat | Shares | None = None,
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
    and size of the weights. ``heat`` is the profile of a function compiled from these tensors: operations
    and layers are coloured by their share of the time, which stands in them. ``shapes=False`` leaves the
    shapes away. ``theme`` is ``"light"``, ``"dark"`` or a ``Theme``. A drawing of more than ``max_nodes``
    nodes can be saved as .dot, but is laid out only with ``max_nodes=None``.

    Raises GraphError for outputs that are no tensors, a view, direction or theme that is unknown, or heat on
    another view.

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
    if heat is not None and view not in ("operations", "layers"):
        raise GraphError(
            f"heat is not shown on the view {view!r}", op="draw", remedy='use view="operations" or "layers"'
        )
    subject, look = subject_of(outputs), theme_of(theme)
    warmth = None if heat is None else heat_of(heat, subject.order)
    if view == "operations":
        canvas = OperationsView(subject, look, chosen, shapes, values, warmth).drawn()
    elif view == "layers":
        canvas = layers_view(subject, look, chosen, shapes, warmth)
    elif view == "feature maps":
        maps = FeatureMapsView(subject, look, shapes)
        # A stage is many small nodes, but all have their places: nothing is searched for.
        return Drawing(maps.drawn().source, len(maps.stages), max_nodes, maps.canvas.engine)
    else:
        canvas = NeuronsView(subject, look, chosen, shapes, values).drawn()
    return Drawing(canvas.source, canvas.count, max_nodes, canvas.engine)
