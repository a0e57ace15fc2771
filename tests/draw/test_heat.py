"""Heat on drawings: which node gets which share, its colour and figure, the legend."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.draw.heat import heat_of, heat_tone
from graphc.draw.theme import DARK, LIGHT
from graphc.errors import GraphError
from graphc.ir.traversal import topological_order
from tests.draw.dot import parsed


def _network():
    x = gc.input("x", ("N", 3, 8, 8))
    with gc.scope("first"):
        y = gc.nn.conv2d(x, gc.parameter("w", (4, 3, 3, 3)), gc.parameter("b", (4,)))
    return x, y, gc.tanh(y).sum()


def test_an_op_gets_the_time_of_its_own_line() -> None:
    x = gc.input("x", ("N",))
    a, b = gc.exp(x), gc.exp(-x)
    c = gc.exp(a)
    shares = {(a.origins[0], "exp"): 0.5, (a.origins[0], "negative"): 0.25, (c.origins[0], "exp"): 0.125}
    heat = heat_of(shares, topological_order([b, c]))
    (negative,) = b.inputs
    assert heat.share == {a: 0.25, b: 0.25, negative: 0.25, c: 0.125}  # two of one op on one line share
    assert heat.elsewhere == pytest.approx(0.125)
    assert heat.hottest == 0.25


def test_rewritten_ops_get_what_their_line_spends_on_others() -> None:
    _, y, loss = _network()
    (origin,) = y.origins
    shares = {(origin, "matmul"): 0.25, (origin, "reshape"): 0.25, (origin, "add"): 0.125}
    order = topological_order([loss])
    heat = heat_of(shares, order)
    (convolution,) = [n for n in order if n.op.name == "convolution"]
    assert heat.share == {convolution: 0.5, y: 0.125}


def test_what_has_no_node_is_elsewhere() -> None:
    x = gc.input("x", ("N",))
    y = gc.exp(x)
    other = gc.sin(x)
    heat = heat_of({(other.origins[0], "sin"): 0.5}, topological_order([y]))
    assert heat.share == {} and heat.elsewhere == 1.0 and heat.hottest == 0.0


def test_every_share_of_a_real_profile_finds_its_node() -> None:
    x, _, loss = _network()
    parameters = gc.parameters(loss)
    updates = gc.optim.SGD(0.1).updates(loss, parameters)
    profile = gc.compile(loss, [x], updates=updates).profile(np.ones((5, 3, 8, 8), np.float32))
    heat = heat_of(profile, topological_order([loss, *updates.values()]))
    itself = sum(r.share for r in profile.rows if not r.origins)
    assert heat.elsewhere == pytest.approx(itself)
    # A gradient that is built anew stands for the one that was compiled.
    forward_and_backward = heat_of(profile, topological_order([loss, *gc.grad(loss, parameters)]))
    updating = sum(p.share for p in profile.by_line() if p.role == "update")
    assert forward_and_backward.elsewhere == pytest.approx(itself + updating)


def test_figures_and_colours_stand_in_the_nodes() -> None:
    x = gc.input("x", ("N",))
    hot = gc.exp(x)
    cold = gc.sin(hot)
    idle = gc.cos(cold)
    shares = {(hot.origins[0], "exp"): 0.75, (cold.origins[0], "sin"): 0.0001}
    picture = gc.draw(idle, heat=shares)
    nodes = parsed(picture.source).nodes
    by_sign = {sign: next(a for a in nodes.values() if sign in a["label"]) for sign in ("exp", "sin", "cos")}
    assert "75.0%" in by_sign["exp"]["label"] and by_sign["exp"]["fillcolor"] == LIGHT.heat[-1]
    assert "&lt; 0.1%" in by_sign["sin"]["label"]
    assert "%" not in by_sign["cos"]["label"] and by_sign["cos"]["fillcolor"] == LIGHT.heat[0]
    assert "share of the time" in picture.source and "25.0% in no node drawn here" in picture.source
    assert "share of the time" not in gc.draw(idle).source
    assert picture.render("png").startswith(b"\x89PNG")


def test_layers_have_the_sum_of_their_nodes() -> None:
    _, y, loss = _network()
    (origin,) = y.origins
    shares = {(origin, "matmul"): 0.5, (origin, "add"): 0.125, (loss.origins[0], "tanh"): 0.25}
    nodes = parsed(gc.draw(loss, view="layers", heat=shares).source).nodes
    labels = [a["label"] for a in nodes.values()]
    assert sum("62.5%" in label and "first" in label for label in labels) == 1
    assert sum("25.0%" in label and "tanh" in label for label in labels) == 1


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_is_legible_on_every_heat(theme) -> None:
    for fraction in np.linspace(0, 1, 21):
        # WCAG 2 asks for 4.5 between text and what is behind it.
        assert _contrast(theme.text, heat_tone(theme, fraction).fill) > 4.5


def _contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2.1, from 1 to 21."""
    light, dark = sorted(map(_luminance, (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("view", ["neurons", "feature maps"])
def test_other_views_refuse_heat(view) -> None:
    _, _, loss = _network()
    with pytest.raises(GraphError, match="heat is not shown"):
        gc.draw(loss, view=view, heat={})
