"""The plot of made-up figures."""

import builtins

import pytest

from graphc.bench.plot import picture, plot
from graphc.errors import GraphError
from tests.bench.made_up import ALONE, FAST, SLOW


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    file = tmp_path / "ratios.png"
    plot([SLOW, FAST, ALONE], file)
    picture = imread(file)[..., :3]
    assert picture.shape[0] > 200 and picture.shape[1] > 1000
    # A mark for each peer, in its colour.
    for colour in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):
        assert (abs(picture - [c / 255 for c in colour]).max(axis=2) < 0.02).sum() > 50


def test_marks_stand_at_their_ratios():
    pytest.importorskip("matplotlib")
    (axes,) = picture([SLOW, FAST]).axes
    assert axes.get_xscale() == "log"
    found = [tuple(map(float, bars.lines[0].get_xydata()[0])) for bars in axes.containers]
    assert found == [(2.0, 0), (0.5, 0), (0.125, 1), (0.25, 1)]  # by row: PyTorch, JAX
    bars = axes.containers[3].lines[2][0].get_segments()[0]
    assert bars[:, 0] == pytest.approx([0.1875, 0.375])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["slow", "fast"]


def test_without_matplotlib(tmp_path, monkeypatch):
    real = builtins.__import__

    def refusing(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(GraphError, match=r"needs Matplotlib") as found:
        plot([SLOW], tmp_path / "ratios.png")
    assert "pip install 'graphc[plot]'" in str(found.value)
