"""Convolutional networks drawn: labels of windows, stages, and the feature maps view as Graphviz reads it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import graphc as gc
from graphc import nn
from graphc.draw.labels import op_label
from graphc.draw.outputs import subject_of
from graphc.draw.sheets import Arrangement
from graphc.draw.stages import stages_of
from graphc.ir.traversal import topological_order
from tests.draw.dot import parsed
from tests.samples import SAMPLES


def maps(*shape: int | str, name: str = "x") -> gc.Tensor:
    return gc.input(name, ("N", *(shape or (4, 9, 9))))


def filters(*shape: int) -> gc.Tensor:
    return gc.parameter("w", shape)


def lenet(x: gc.Tensor) -> gc.Tensor:
    h = x
    for number, (out, seen) in enumerate(((6, 1), (16, 6))):
        with gc.scope(f"C{2 * number + 1}"):
            w, b = gc.parameter("w", (out, seen, 5, 5)), gc.parameter("b", (out,))
            h = gc.relu(nn.conv2d(h, w, b))
        with gc.scope(f"S{2 * number + 2}"):
            h = nn.max_pool2d(h, 2)
    h = gc.reshape(h, (x.shape[0], 256))
    for name, (out, seen) in {"F5": (120, 256), "F6": (10, 120)}.items():
        with gc.scope(name):
            h = h @ gc.parameter("w", (seen, out)) + gc.parameter("b", (out,))
            h = gc.tanh(h) if name == "F5" else h
    return h


def stages(y: Any) -> list[tuple[str, str, str]]:
    return [(s.kind, s.label, s.caption) for s in stages_of(subject_of(y).order)]


# -- labels ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("build", "label"),
    [
        (lambda x: nn.conv2d(x, filters(2, 4, 3, 3)), "conv 3×3"),
        (lambda x: nn.conv2d(x, filters(2, 4, 3, 3), stride=2), "conv 3×3 /2"),
        (lambda x: nn.conv2d(x, filters(2, 4, 3, 1), stride=(2, 1)), "conv 3×1 /2×1"),
        (lambda x: nn.conv2d(x, filters(2, 4, 3, 3), dilation=2), "conv 3×3 dilated 2"),
        (lambda x: nn.conv2d(x, filters(2, 4, 3, 3), padding=1), "conv 3×3 pad 1"),
        (lambda x: nn.conv2d(x, filters(2, 4, 2, 3), padding="same"), "conv 2×3 pad 0+1×1+1"),
        (lambda x: nn.conv2d(x, filters(2, 2, 3, 3), groups=2), "conv 3×3 2 groups"),
        (lambda x: nn.conv2d(x, filters(8, 1, 3, 3), groups=4), "conv 3×3 depthwise"),
        (lambda x: nn.conv_transpose2d(x, filters(4, 2, 4, 4), stride=2), "convᵀ 4×4 /2"),
        (lambda x: nn.max_pool2d(x, 2), "max pool 2×2"),
        (lambda x: nn.max_pool2d(x, 3, stride=2), "max pool 3×3 /2"),
        (lambda x: gc.window(x, (3, 2), stride=2), "windows 3×2 /2"),
        (lambda x: gc.fold(gc.window(x, 3), 9), "fold 3"),
    ],
)
def test_labels_say_what_differs_from_the_usual(build: Any, label: str) -> None:
    node = build(maps())
    assert op_label(node, [None] * len(node.inputs)) == label


def test_gradients_of_convolutions_have_labels() -> None:
    x, w = maps(), filters(2, 4, 3, 3)
    loss = nn.conv2d(x, w, stride=2).sum()
    of_x, of_w = gc.grad(loss, [x, w])
    labels = {op_label(n, [None] * len(n.inputs)) for n in topological_order([of_x, of_w]) if n.inputs}
    assert labels >= {"convᵀ 3×3 /2", "filter gradient 3×3 /2"}


# -- stages ------------------------------------------------------------------------------------------
def test_the_stages_of_lenet() -> None:
    assert stages(lenet(maps(1, 28, 28))) == [
        ("maps", "", "1 @ 28×28"),
        ("maps", "conv 5×5", "6 @ 24×24"),
        ("maps", "max pool 2×2", "6 @ 12×12"),
        ("maps", "conv 5×5", "16 @ 8×8"),
        ("maps", "max pool 2×2", "16 @ 4×4"),
        ("vector", "flatten", "256"),
        ("vector", "dense", "120"),
        ("vector", "dense", "10"),
    ]


def test_activations_and_normalisations_belong_to_their_stage() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm(8, name="norm"), nn.ReLU(), nn.AvgPool2d(2))
    for training in (False, True):
        found = stages_of(subject_of(net(maps(), training=training)).order)
        assert [s.label for s in found] == ["", "conv 3×3", "avg pool 2×2"]
        assert found[1].applied == ["norm", "ReLU"]


def test_a_residual_unit_keeps_its_identity_path() -> None:
    found = stages_of(subject_of(nn.ResidualBlock(4, 4)(maps())).order)
    assert [s.label for s in found] == ["", "conv 3×3", "conv 3×3", "+"]
    assert found[3].sources == [found[0], found[2]]
    assert found[3].applied == ["ReLU"]


def test_branches_upsampling_and_padding() -> None:
    x = maps(4, 8, 8)
    branches = [nn.conv2d(x, gc.parameter(f"w{k}", (2, 4, k, k)), padding=k // 2) for k in (1, 3)]
    up = gc.repeat(gc.repeat(gc.concatenate(branches, axis=1), 2, axis=2), 2, axis=3)
    y = nn.conv2d(up, gc.parameter("v", (1, 4, 3, 3)), padding=1, padding_mode="reflect")
    assert stages(gc.mean(y, axis=(2, 3))) == [
        ("maps", "", "4 @ 8×8"),
        ("maps", "conv 1×1", "2 @ 8×8"),
        ("maps", "conv 3×3", "2 @ 8×8"),
        ("maps", "concat", "4 @ 8×8"),
        ("maps", "repeat", "4 @ 16×16"),
        ("maps", "conv 3×3", "1 @ 16×16"),
        ("vector", "global mean", "1"),
    ]


def test_channels_last_is_drawn_channels_first() -> None:
    x = maps(9, 7, 3)
    assert stages(nn.conv2d(x, filters(5, 3, 3, 3), layout="NHWC")) == [
        ("maps", "", "3 @ 9×7"),
        ("maps", "conv 3×3", "5 @ 7×5"),
    ]


# -- the picture -------------------------------------------------------------------------------------
def test_a_stack_has_a_sheet_a_channel_up_to_six() -> None:
    picture = parsed(gc.draw(lenet(maps(1, 28, 28)), view="feature maps").source)
    width = {place: a["width"] for place, a in picture.nodes.items() if a.get("fixedsize") == "true"}
    arrangement = Arrangement(stages_of(subject_of(lenet(maps(1, 28, 28))).order))
    for place in arrangement.places.values():
        drawn = [n for n, w in width.items() if w == f"{place.width:.3f}"]
        assert len(drawn) >= place.sheets
    assert [p.sheets for p in arrangement.places.values()][:4] == [1, 6, 6, 7]
    for text in ("conv 5×5", "flatten", "dense"):
        assert picture.labelled(text)
    assert "6 @ 24×24" in "".join(a.get("label", "") for a in picture.nodes.values())


def test_stages_do_not_overlap_and_run_to_the_right() -> None:
    x = maps(8, 32, 32)
    y = nn.Sequential(nn.ResidualBlock(8, 16, stride=2), nn.ResidualBlock(16, 16), nn.MaxPool2d(2))(x)
    found = stages_of(subject_of(y).order)
    places = Arrangement(found).places
    for stage in found:
        for source in stage.sources:
            assert places[source].right < places[stage].left
    for a in places.values():
        for b in places.values():
            apart = a.right <= b.left or b.right <= a.left or a.top <= b.bottom or b.top <= a.bottom
            assert a is b or apart


def test_the_identity_path_is_led_round() -> None:
    source = gc.draw(nn.ResidualBlock(4, 4)(maps()), view="feature maps").source
    picture = parsed(source)
    heights = {n: float(a["pos"].rstrip("!").split(",")[1]) for n, a in picture.nodes.items()}
    joint = picture.the("+")
    above = [t for t, h, _ in picture.edges if h == joint and heights[t] > 1]
    assert len(above) == 1


def test_dilated_windows_show_what_they_read() -> None:
    def squares(dilation: int) -> int:
        y = nn.conv2d(maps(1, 32, 32), filters(1, 1, 3, 3), dilation=dilation)
        picture = parsed(gc.draw(y, view="feature maps").source)
        return sum(a.get("fixedsize") == "true" for a in picture.nodes.values())

    assert squares(2) - squares(1) == 9


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_renders_with_and_without_shapes(theme: str) -> None:
    y = nn.conv_transpose2d(maps(100, 7, 7), filters(100, 3, 4, 4), stride=2)
    drawing = gc.draw({"picture": y}, view="feature maps", theme=theme)
    assert drawing.render("png").startswith(b"\x89PNG")
    assert drawing.size == 2
    assert "100 @ 7×7" in drawing.source
    assert "100 @ 7×7" not in gc.draw(y, view="feature maps", shapes=False).source


def test_symbolic_sizes_and_volumes() -> None:
    x = gc.input("x", ("N", "C", "H", "W"))
    assert stages(nn.max_pool2d(x, 2))[1][2] == "C @ floor(H/2)×floor(W/2)"
    gc.draw(nn.max_pool2d(x, 2), view="feature maps").render("svg")
    volume = nn.conv3d(maps(1, 8, 8, 8), filters(4, 1, 3, 3, 3))
    assert stages(volume)[1][2] == "4 @ 6×6×6"
    assert "conv 3×3×3" in gc.draw(volume, view="feature maps").source


@pytest.mark.parametrize("sample", SAMPLES[::7], ids=lambda s: s.id)
def test_any_graph_can_be_drawn(sample: Any) -> None:
    assert gc.draw(sample.build(*sample.inputs()), view="feature maps").source


def test_gradients_are_left_out_and_directions_refused() -> None:
    x, w = maps(), filters(2, 4, 3, 3)
    loss = nn.conv2d(x, w).sum()
    with_gradient = gc.draw([loss, gc.grad(loss, w)], view="feature maps")
    assert with_gradient.size == gc.draw(loss, view="feature maps").size
    with pytest.raises(gc.GraphError, match="feature maps are drawn from left to right"):
        gc.draw(loss, view="feature maps", direction="TB")


def test_the_layers_view_tells_the_size_of_maps() -> None:
    picture = parsed(gc.draw(lenet(maps(1, 28, 28)), view="layers").source)
    assert "6 @ 24×24" in picture.nodes[picture.the("C1")]["label"]
    assert "conv 5×5 · + · ReLU" in picture.nodes[picture.the("C1")]["label"]
    assert "16 @ 4×4" in picture.nodes[picture.the("S4")]["label"]
    assert "@" not in picture.nodes[picture.the("F5")]["label"].replace("@ ·", "")


def test_snapshot(snapshot: Any) -> None:
    """The text of a picture that was looked at."""
    x = maps(1, 8, 8, name="image")
    with gc.scope("features"):
        h = gc.relu(nn.conv2d(x, gc.parameter("w", (2, 1, 3, 3))))
    y = gc.reshape(nn.max_pool2d(h, 2), (x.shape[0], 18)) @ gc.parameter("v", (18, 3))
    # Tooltips hold this file's line numbers, which are not the subject.
    source = gc.draw({"digit": y}, view="feature maps").source
    assert re.sub(r"test_feature_maps\.py:\d+", "test_feature_maps.py:LINE", source) == snapshot
