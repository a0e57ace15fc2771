"""Convolution and pooling inside a loop: a recurrent network of images, against PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc

STEPS, ROWS, CHANNELS, SIZE = 5, 2, 3, 6


def _network() -> tuple[list[gc.Tensor], gc.Tensor]:
    xs = gc.input("xs", ("T", ROWS, CHANNELS, SIZE, SIZE), "float64")
    w = gc.input("w", (CHANNELS, CHANNELS, 3, 3), "float64")
    first = gc.input("first", (ROWS, CHANNELS, SIZE, SIZE), "float64")

    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        h = gc.tanh(gc.nn.conv2d(h, w, padding=1) + x)
        return h, gc.nn.max_pool2d(h, 2)

    last, pooled = gc.scan(step, first, xs)
    return [xs, w, first], (last**2).sum() + (pooled**3).sum()


def _arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    image = (ROWS, CHANNELS, SIZE, SIZE)
    return [
        rng.standard_normal((STEPS, *image)),
        0.3 * rng.standard_normal((CHANNELS, CHANNELS, 3, 3)),
        rng.standard_normal(image),
    ]


@pytest.mark.parametrize("optimize", ["none", "default", "fast"])
def test_value_gradients_and_second_derivatives_equal_torch(optimize: str) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    inputs, loss = _network()
    ones = np.ones((CHANNELS, CHANNELS, 3, 3))
    outputs = [loss, *gc.grad(loss, inputs), gc.hvp(loss, inputs[1], ones)]
    found = gc.compile(outputs, inputs, optimize=optimize)(*_arrays())
    xs, w, h = (torch.tensor(a, requires_grad=True) for a in _arrays())
    first, total = h, 0.0
    for x in xs:
        h = torch.tanh(functional.conv2d(h, w, padding=1) + x)
        total = total + (functional.max_pool2d(h, 2) ** 3).sum()
    total = total + (h**2).sum()
    gradients = torch.autograd.grad(total, [xs, w, first], create_graph=True)
    (second,) = torch.autograd.grad(gradients[1].sum(), w)
    for ours, theirs in zip(found, [total, *gradients, second], strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_it_runs_from_a_saved_file(tmp_path: Path) -> None:
    inputs, loss = _network()
    step = gc.compile([loss, gc.grad(loss, inputs[1])], inputs)
    expected = step(*_arrays())
    step.save(tmp_path / "step.py")
    np.savez(tmp_path / "arrays.npz", *_arrays())
    program = (
        "import numpy as np, step\n"
        "a = np.load('arrays.npz')\n"
        "loss, slope = step.call(*(a[k] for k in a.files))\n"
        "np.save('slope.npy', slope)\n"
        "import sys; assert 'graphc' not in sys.modules\n"
        "print(float(loss).hex())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == float(expected[0]).hex()
    np.testing.assert_array_equal(np.load(tmp_path / "slope.npy"), expected[1])
