"""A saved function is one file that needs NumPy alone and computes the same bits."""

import subprocess
import sys

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError

F32 = np.float32

_OTHERS = ("graphc", "sympy", "networkx", "scipy", "threadpoolctl", "opt_einsum", "tqdm", "rich")
_BARE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {others!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, {folder!r})
import numpy as np
import step
"""


def _run(folder, code: str) -> str:
    script = _BARE.format(folder=str(folder), others=_OTHERS) + code
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def _training_step() -> gc.Function:
    x, t = gc.input("x", ("N", 6)), gc.input("t", ("N",), "int64")
    model = gc.nn.Sequential(gc.nn.Dense(6, 8), gc.nn.GELU(), gc.nn.Dropout(0.3), gc.nn.Dense(8, 3))
    loss = gc.nn.cross_entropy(model(x, training=True), t)
    table = gc.constant(np.random.default_rng(1).standard_normal((6, 6)).astype(F32))
    loss = loss + (x @ table).mean()
    updates = gc.optim.Adam(0.01).updates(loss, gc.parameters(loss))
    return gc.compile(loss, [x, t], updates=updates, seed=3)


def test_a_training_step_in_a_file_computes_the_same_bits(tmp_path) -> None:
    f = _training_step()
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((7, 6)).astype(F32), rng.integers(0, 3, 7)
    f(x, t)
    f.save(tmp_path / "step.py", example=[x, t])
    np.savez(tmp_path / "data.npz", x=x, t=t)
    out = _run(
        tmp_path,
        "d = np.load('data.npz')\n"
        "for _ in range(3): print(step.call(d['x'], d['t']).item().hex())\n"
        "print(step.call(d['x'][:2], d['t'][:2]).item().hex())\n"
        "step.save()\n",
    ).split()
    assert out == [f(x, t).item().hex() for _ in range(3)] + [f(x[:2], t[:2]).item().hex()]
    stored = np.load(tmp_path / "step.npz", allow_pickle=False)
    assert sum(np.array_equal(stored[f"parameter{k}"], v) for k, v in enumerate(f.params.values())) == len(
        f.params
    )


def _convolutional_step() -> gc.Function:
    """Its gradients fold windows, look for maxima and scatter: every kernel of convolution and pooling."""
    x, t = gc.input("x", ("N", 2, 11, 10)), gc.input("t", ("N",), "int64")
    rng = np.random.default_rng(2)
    shapes = {"w": (4, 2, 3, 3), "v": (4, 3, 2, 2)}
    w, v = (gc.parameter(n, value=rng.standard_normal(s).astype(F32)) for n, s in shapes.items())
    h = gc.nn.max_pool2d(gc.nn.conv2d(x, w, padding=1), 3, 2, 1)
    h = gc.nn.avg_pool2d(gc.nn.conv_transpose2d(gc.nn.relu(h), v, stride=2), 3, 2, 1, count_include_pad=False)
    loss = gc.nn.cross_entropy(h.max(axis=(2, 3)), t) + (gc.nn.lp_pool2d(h**2, 2, 2) ** 2).mean()
    updates = gc.optim.Adam(0.01).updates(loss, [w, v])
    return gc.compile(loss, [x, t], updates=updates, seed=3)


def test_a_convolutional_step_in_a_file_computes_the_same_bits(tmp_path) -> None:
    f = _convolutional_step()
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((5, 2, 11, 10)).astype(F32), rng.integers(0, 3, 5)
    f.save(tmp_path / "step.py", example=[x, t])
    np.savez(tmp_path / "data.npz", x=x, t=t)
    out = _run(
        tmp_path,
        "d = np.load('data.npz')\n"
        "for n in (5, 5, 2, 5): print(step.call(d['x'][:n], d['t'][:n]).item().hex())\n"
        "step.save()\n"
        "assert not {m.split('.')[0] for m in sys.modules} & {'graphc', 'scipy', 'sympy'}",
    ).split()
    assert out == [f(x[:n], t[:n]).item().hex() for n in (5, 5, 2, 5)]
    assert len(set(out)) == 4
    with np.load(tmp_path / "step.npz", allow_pickle=False) as stored:
        kept = [stored[name] for name in stored.files]
    for value in f.params.values():
        assert any(np.array_equal(value, other) for other in kept)


def test_the_file_runs_as_a_script(tmp_path) -> None:
    f = _training_step()
    x, t = np.ones((2, 6), F32), np.zeros(2, np.int64)
    f.save(tmp_path / "step.py", example={"t": t, "x": x})
    script = subprocess.run(
        [sys.executable, tmp_path / "step.py"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert f(x, t).item().hex() in script.stdout


def test_the_file_refuses_a_wrong_shape(tmp_path) -> None:
    f = _training_step()
    f.save(tmp_path / "step.py")
    out = _run(
        tmp_path,
        "try: step.call(np.ones((2, 5), np.float32), np.zeros(2, np.int64))\n"
        "except ValueError as error: print(error)",
    )
    assert "shape (2, 5)" in out


def test_only_a_python_file_can_be_written(tmp_path) -> None:
    with pytest.raises(GraphError, match=r"does not end in \.py"):
        _training_step().save(tmp_path / "step.txt")


def test_an_old_file_survives_a_failed_write(tmp_path, monkeypatch) -> None:
    f = _training_step()
    f.save(tmp_path / "step.py")
    before = (tmp_path / "step.npz").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        f.save(tmp_path / "step.py")
    assert (tmp_path / "step.npz").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step.npz", "step.py"]
