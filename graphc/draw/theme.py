"""Colours and fonts of the drawings, as data: muted, legible in print, told apart by the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from graphc.errors import GraphError


@dataclass(frozen=True, slots=True)
class Tone:
    """The fill and the outline of one kind of node."""

    fill: str
    line: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Everything about a drawing that is a matter of taste.

    ``families`` gives each family of ops its tone, ``roles`` the tone of what an engine added
    (backward, tangent, update); ``positive`` and ``negative`` colour weights by their sign. ``heat`` are
    the colours from no time to the most.
    """

    background: str
    text: str
    faint: str
    edge: str
    saved: str
    value: str
    cluster: Tone
    input: Tone
    parameter: Tone
    output: Tone
    families: Mapping[str, Tone]
    roles: Mapping[str, Tone]
    positive: str
    negative: str
    heat: tuple[str, ...] = ("#ffffff", "#fff7bc", "#fee391", "#fec44f", "#fb9a29")
    heat_line: str = "#993404"
    font: str = "Helvetica,Arial,sans-serif"


# Hues after Paul Tol's "bright" and "light" schemes, of heat after "YlOrBr", which are safe for all common
# colour blindness (Tol, "Colour Schemes", SRON/EPS/TN/09-002, 2021); fills are lightened until black text
# reads well.
LIGHT = Theme(
    background="white",
    text="#1f2933",
    faint="#6b7785",
    edge="#52606d",
    saved="#b8c1ca",
    value="#b0413e",
    cluster=Tone("#f6f8fa", "#cbd2d9"),
    input=Tone("#ffffff", "#323f4b"),
    parameter=Tone("#d6ecea", "#2a8c82"),
    output=Tone("#323f4b", "#323f4b"),
    families=MappingProxyType(
        {
            "source": Tone("#f1f3f5", "#9aa5b1"),
            "random": Tone("#eef3d6", "#85933a"),
            "elementwise": Tone("#dbe8f5", "#4477aa"),
            "reduction": Tone("#eadcf0", "#8a5a9e"),
            "linear algebra": Tone("#fce4cc", "#cc7429"),
            "convolution": Tone("#f8dbe6", "#aa3377"),
            "shape": Tone("#eceff1", "#7b8794"),
            "indexing": Tone("#f7efc9", "#a38a20"),
            "loop": Tone("#dff0dc", "#4d8f45"),
        }
    ),
    roles=MappingProxyType(
        {
            "backward": Tone("#fdf4f3", "#b5535c"),
            "tangent": Tone("#f2f9f4", "#3d8b5f"),
            "update": Tone("#f3f4fd", "#5b64b5"),
        }
    ),
    positive="#4477aa",
    negative="#cc7429",
)
DARK = Theme(
    background="#1b1f24",
    text="#e4e7eb",
    faint="#9aa5b1",
    edge="#9aa5b1",
    saved="#4a5560",
    value="#f2a29f",
    cluster=Tone("#232930", "#48525c"),
    input=Tone("#1b1f24", "#e4e7eb"),
    parameter=Tone("#1d4a46", "#5cc4b9"),
    output=Tone("#e4e7eb", "#e4e7eb"),
    families=MappingProxyType(
        {
            "source": Tone("#2b323a", "#7b8794"),
            "random": Tone("#3b401f", "#b9c76a"),
            "elementwise": Tone("#22394f", "#7fb0dd"),
            "reduction": Tone("#3f2c49", "#c398d6"),
            "linear algebra": Tone("#4f351c", "#eba260"),
            "convolution": Tone("#4a2136", "#e58ab4"),
            "shape": Tone("#343b43", "#9aa5b1"),
            "indexing": Tone("#46401f", "#d9c35a"),
            "loop": Tone("#24401f", "#86c67c"),
        }
    ),
    roles=MappingProxyType(
        {
            "backward": Tone("#2d2024", "#e08a91"),
            "tangent": Tone("#1d2b23", "#78c79b"),
            "update": Tone("#22243a", "#9aa2ea"),
        }
    ),
    positive="#7fb0dd",
    negative="#eba260",
    heat=("#23272d", "#3d3320", "#5a431c", "#744d13", "#8c5506"),
    heat_line="#eba260",
)
THEMES: Mapping[str, Theme] = MappingProxyType({"light": LIGHT, "dark": DARK})


def theme_of(theme: str | Theme) -> Theme:
    """The theme itself, or the one of this name; GraphError where there is none."""
    if isinstance(theme, Theme):
        return theme
    if theme not in THEMES:
        raise GraphError(
            f"there is no theme {theme!r}",
            op="draw",
            remedy=f"use one of {', '.join(map(repr, THEMES))}, or a Theme",
        )
    return THEMES[theme]
