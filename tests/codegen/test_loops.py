# ruff: noqa: N806  (arrays in capitals, as in the literature)
"""Loops in generated code: they equal the interpreter, allocate nothing step by step, and read well."""

from __future__ import annotations

import pickle
import subprocess
import sys
import traceback
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.passes.pipelines import PIPELINES
from tests.passes.random_graphs import Drawn, graphs
from tests.samples import SAMPLES, Sample

LOOPS = [s for s in SAMPLES if s.op == "scan"]


@pytest.mark.parametrize("optimize", list(PIPELINES))
@pytest.mark.parametrize("sample", LOOPS, ids=lambda s: s.id)
def test_compiled_derivatives_equal_the_interpreter(sample: Sample, optimize: str) -> None:
    inputs = sample.inputs()
    y = sample.build(*inputs)
    wrt = [inputs[i] for i in sample.differentiable()]
    rng = np.random.default_rng(3)
    arrays = list(sample.arrays(rng))
    loss = (y + 0.5 * y * y).sum()
    vectors = [gc.input(f"v{k}", t.shape, t.dtype) for k, t in enumerate(wrt)]
    outputs = [y, *gc.grad(loss, wrt), *gc.hvp(loss, wrt, vectors)]
    everything = [*inputs, *vectors]
    arrays += [rng.normal(size=arrays[i].shape) for i in sample.differentiable()]
    f = gc.compile(outputs, everything, optimize=optimize)
    expected = gc.interpret(outputs, dict(zip(everything, arrays, strict=True)), sizes=sample.sizes)
    for _ in range(2):  # the second call finds used buffers
        for found, wanted in zip(f(*arrays), expected, strict=True):
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("optimize", list(PIPELINES))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=graphs(kinks=False, most=25))
def test_any_graph_can_be_a_body(optimize: str, drawn: Drawn) -> None:
    carried, stepped, *rest = drawn.inputs
    xs = gc.input("xs", ("T", *stepped.shape), "float64")

    def step(c: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, Any]:
        (value,) = gc.substitute([drawn.output], {carried: c, stepped: x})
        return gc.tanh(c * 0.9 + 0.1 * value), (value, x)

    last, (values, copies) = gc.scan(step, carried, xs, reverse=drawn.seed % 2 == 0)
    loss = (last * last).sum() + gc.sin(values).sum() + copies.sum()
    inputs = [carried, xs, *rest]
    outputs = [last, values, copies, *gc.grad(loss, inputs)]
    first, second, *others = drawn.arrays()
    rng = np.random.default_rng(drawn.seed)
    arrays = [first, rng.uniform(-1, 1, (drawn.seed % 4, *second.shape)), *others]
    expected = gc.interpret(outputs, dict(zip(inputs, arrays, strict=True)), sizes={"N": drawn.size})
    f = gc.compile(outputs, inputs, optimize=optimize)
    for _ in range(2):
        for found, wanted in zip(f(*arrays), expected, strict=True):
            scale = np.abs(wanted).max(initial=1.0)
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * scale)


def training_step() -> tuple[gc.Function, list[np.ndarray]]:
    x, t = gc.input("x", ("N", "T", 3)), gc.input("t", ("N", 2))
    y = gc.nn.Dense(5, 2)(gc.nn.LSTM(3, 5)(x)[:, -1])
    loss = ((y - t) ** 2).mean()
    f = gc.compile(loss, [x, t], updates=gc.optim.Adam(0.01).updates(loss, gc.parameters(loss)))
    rng = np.random.default_rng(0)
    return f, [rng.normal(size=(4, 7, 3)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)]


def test_steps_allocate_nothing() -> None:
    f, _ = training_step()
    body = False
    loops = 0
    for line in f.source.splitlines():
        if line.startswith("        for "):
            body, loops = True, loops + 1
        elif body and not line.startswith("            "):
            body = False
        elif body and not line.strip().startswith("#"):
            statement = line.split("  #")[0]
            makes_view = " = " in statement and "(" not in statement.split(" = ")[1]
            assert "out=" in statement or "np.copyto" in statement or makes_view, line
    assert loops == 2


def test_values_are_written_where_they_stay() -> None:
    """The carry is read at one slot and written at the next: a step of this loop copies nothing."""
    x, h = gc.input("x", ("T", 3)), gc.input("h", (3,))
    _, ys = gc.scan(lambda c, x_t: (gc.tanh(c + x_t),) * 2, h, x)
    loop = gc.compile(ys, [x, h]).source.split("for t in")[1]
    assert "copyto" not in loop.split("return")[0]
    assert " = h_steps[t]  " in loop and "tanh = h_steps[t + 1]" in loop


def test_only_the_last_value_is_kept_where_no_other_is_read() -> None:
    x, h = gc.input("x", ("T", 100)), gc.input("h", (100,))
    carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c + x_t), c * x_t), h, x)
    f = gc.compile(carry, [x, h])
    assert f.workspace_bytes(T=1000) <= 2000
    X = np.random.default_rng(0).normal(size=(50, 100)).astype(np.float32)
    wanted = np.zeros(100, np.float32)
    for row in X:
        wanted = np.tanh(wanted + row)
    np.testing.assert_array_equal(f(X, np.zeros(100, np.float32)), wanted)


def test_workspaces_count_the_buffers_of_bodies() -> None:
    x = gc.input("x", ("T", "N"), "float64")
    carry, _ = gc.scan(lambda c, x_t: ((gc.exp(x_t)[None] * gc.sin(c)[:, None]).sum(axis=0), None), x[0], x)
    f = gc.compile(carry.sum(), [x])
    assert f.workspace_bytes(T=3, N=1000) >= 8 * 1000 * 1000
    assert f.workspace_bytes(T=900, N=10) < 8 * 10 * 10 * 4


def test_a_saved_file_computes_the_same_bits(tmp_path: Any) -> None:
    f, arrays = training_step()
    f(*arrays)
    f.save(tmp_path / "step.py")
    np.savez(tmp_path / "data.npz", x=arrays[0], t=arrays[1])
    code = (
        "import numpy as np, step\nd = np.load('data.npz')\n"
        "for _ in range(3): print(step.call(d['x'], d['t']).item().hex())\n"
        "print(step.call(d['x'][:1, :2], d['t'][:1]).item().hex())\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    x, t = arrays
    assert out.stdout.split() == [f(x, t).item().hex() for _ in range(3)] + [f(x[:1, :2], t[:1]).item().hex()]


def test_a_function_with_loops_is_pickled() -> None:
    f, arrays = training_step()
    g = pickle.loads(pickle.dumps(f))
    assert f(*arrays) == g(*arrays)


def test_debugging_stops_inside_the_loop() -> None:
    x = gc.input("x", ("T",), "float64")
    carry, _ = gc.scan(lambda c, x_t: (c + gc.log(x_t), None), 0.0, x)
    f = gc.compile(carry, [x], debug="nan")
    assert f(np.ones(3)) == 0
    with pytest.raises(gc.NonFiniteError, match=r"log: gave NaN at test_loops\.py"):
        f(np.array([1.0, -1.0, 1.0]))


def test_a_traceback_shows_the_line_in_the_loop() -> None:
    x, i = gc.input("x", (5, 2)), gc.input("i", ("T",), "int64")
    carry, _ = gc.scan(lambda c, k: (c + x[k], None), gc.zeros((2,)), i)
    f = gc.compile(carry, [x, i])
    try:
        f(np.zeros((5, 2), np.float32), np.array([0, 9]))
    except IndexError:
        assert "check_index(" in traceback.format_exc()
    else:
        raise AssertionError("no error")
    program = f._compiled.body
    text = program.body.splitlines()
    steps = {n.op.name for line, n in program.lines.items() if text[line - 1].startswith(" " * 8)}
    assert {"take", "add", "index_check"} <= steps


def test_nested_loops_are_nested_statements() -> None:
    x = gc.input("x", ("T", "K"), "float64")
    carry, _ = gc.scan(lambda c, row: (gc.scan(lambda d, s: (gc.sin(d * s), None), c, row)[0], None), 1.0, x)
    f = gc.compile((carry, gc.grad(carry, x)), [x])
    assert f.source.count("        for ") == 2 + f.source.count("            for ")
    assert f.source.count("            for ") >= 2
    X = np.random.default_rng(0).normal(size=(3, 4))
    for mine, wanted in zip(f(X), gc.interpret([carry, gc.grad(carry, x)], {x: X}), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-12)


def test_names_from_outside_are_never_code() -> None:
    evil = gc.input('"; import os; t', ("T", 2), "float64")
    carry, ys = gc.scan(
        lambda c, x: ({"x y\n#": c["x y\n#"] + x}, c["x y\n#"]), {"x y\n#": gc.zeros((2,), "float64")}, evil
    )
    f = gc.compile((carry, ys), [evil])
    compile(f.source, "generated", "exec")
    np.testing.assert_allclose(f(np.ones((3, 2)))[0]["x y\n#"], [3, 3])
