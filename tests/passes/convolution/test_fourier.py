"""Fourier's filtering in compiled programs: tiles of a batch, saved files, and what it does to NaN."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc

F32 = np.float32
# The file runs where there is NumPy alone.
_ALONE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("graphc", "scipy", "threadpoolctl"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, ".")
import numpy as np
import step
data = np.load("data.npz")
np.savez("found.npz", *step.call(data["x"], data["w"]))
"""


def _step(batch: int | str = "N", **options: object) -> gc.Function:
    """A layer of 7×7 with its gradients."""
    x, w = gc.input("x", (batch, 8, 24, 20)), gc.input("w", (8, 8, 7, 7))
    y = gc.tanh(gc.nn.conv2d(x, w, padding=3))
    loss = gc.mean(y * y)
    f = gc.compile([loss, *gc.grad(loss, [x, w])], [x, w], **options)
    assert "convolution by fourier" in f.explain()
    return f


def _arrays(batch: int) -> list[np.ndarray]:
    """Filters so small that tanh is not flat."""
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((batch, 8, 24, 20)).astype(F32),
        (0.05 * rng.standard_normal((8, 8, 7, 7))).astype(F32),
    ]


def test_a_batch_runs_in_tiles_with_the_same_bits_on_any_number_of_threads() -> None:
    one, two = _step(threads=1), _step(threads=2)
    assert one.stats["regions"] >= 1
    for batch in (33, 64, 1):
        for a, b in zip(one(*_arrays(batch)), two(*_arrays(batch)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_each_example_stands_alone() -> None:
    """The gradient of an image is that of the image in another batch, but for the mean."""
    f = _step()
    x, w = _arrays(40)
    _, whole, _ = f(x, w)
    _, part, _ = f(x[3:8], w)
    np.testing.assert_allclose(whole[3:8] * 40, part * 5, rtol=0, atol=1e-5 * np.abs(part).max() * 5)


def test_a_saved_file_computes_the_same_bits(tmp_path: Path) -> None:
    f, arrays = _step(), _arrays(5)
    f.save(tmp_path / "step.py", example=arrays)
    np.savez(tmp_path / "data.npz", x=arrays[0], w=arrays[1])
    subprocess.run([sys.executable, "-c", _ALONE], cwd=tmp_path, check=True, timeout=60)
    with np.load(tmp_path / "found.npz") as found:
        for ours, theirs in zip(f(*arrays), found.values(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("optimize", ["exact", "default"])
def test_nan_spreads_over_its_image_at_most(optimize: str) -> None:
    x, w = gc.input("x", (16, 8, 24, 20)), gc.input("w", (8, 8, 7, 7))
    f = gc.compile(gc.nn.conv2d(x, w, padding=3), [x, w], optimize=optimize)
    images, filters = _arrays(16)
    images[3, 0, 12, 10] = np.nan
    bad = np.isnan(f(images, filters))
    assert bad[3, :, 9:16, 7:14].all()  # every window that has it
    bad[3, :, 9:16, 7:14] = False
    assert not bad[np.arange(16) != 3].any()
    assert bad.any() == (optimize == "default")
