"""Every script of ``examples/`` runs as a user runs it, prints its result and writes its pictures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTED = {
    "01_neuron": "accuracy 100.0%",
    "04_universal_approximation": "largest error at 256 units: 0.",
    "05_product_of_jacobians": "factors: (1, 3) · (3, 4) · (4, 5) · (5, 64)",
    "06_computational_graph": "= 1 × (-0.25) × 1 × 1 × (-1) × 1 × 1\n      = 0.25\n",
    "07_automatic_differentiation": "32 → 1: 32 forward or 1 reverse sweeps; 1 → 32: 1 forward or 32 reverse",
    "08_non_convex": "a saddle at w = (0.000, 0.000)",
    "09_vanishing_gradients": "first layer / last layer",
    "10_activation_functions": "saturates at 0 on the left, 1 on the right",
    "11_signal_convolution": "18 values and 3 weights → 16; differs from numpy.convolve by",
    "12_one_dimensional_convolution": "ten years less the ten before fall most at 1899",
    "13_two_dimensional_convolution": "it is odd",
    "14_feature_extractor": "dense                   314,728,960 parameters",
    "15_pooling": "derivative 3 of Σ max(x³): 96.000000, by hand 96.000000",
    "16_convolutional_network": "accuracy on 360 held-out digits: 9",
    "17_transposed_convolution": "the matrices are each other's transposes: True",
    "18_dilated_convolution": "every report is the support of the input gradient: True",
    "19_residual_units": "within a factor of 10 stay the residual ones",
}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    # One thread of BLAS: several spin against each other where the tests share few cores.
    chosen = {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(path), "--out", str(tmp_path / "pictures")],
        env=os.environ | chosen, capture_output=True, encoding="utf-8", timeout=600, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert PRINTED[path.stem] in finished.stdout
    pictures = list((tmp_path / "pictures").glob("*.png"))
    assert pictures and all(p.read_bytes()[:4] == b"\x89PNG" for p in pictures)


def test_the_guide_lists_every_example() -> None:
    guide = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"]({path.name})" in guide for path in (ROOT / "examples").glob("*.py"))
    assert set(PRINTED) == {path.stem for path in (ROOT / "examples").glob("*.py")}
