"""Transposes: moved on, they change no value, and cancel between the layers of a network."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.schedule import schedule
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.convolution import choice
from graphc.passes.convolution.batch_last import BATCH_LAST
from graphc.passes.pipelines import DEFAULT, run
from graphc.passes.transposes import Transposes
from tests.samples import SAMPLES


def _moved(*outputs: Tensor) -> tuple[Tensor, ...]:
    inputs = tuple(n for n in Graph((), outputs).nodes if n.op.name == "input")
    after, _ = run(Graph(inputs, outputs), (Transposes(),), Verifier())
    return after.outputs


def _from_last(x: Tensor) -> Tensor:
    """x (C, …, N) as (N, C, …)."""
    return gc.transpose(x, (x.ndim - 1, *range(x.ndim - 1)))


def _ops(*outputs: Tensor) -> list[str]:
    return [n.op.name for n in Graph((), outputs).nodes]


def _is_last(node: Tensor) -> bool:
    return node.op.name == "transpose" and _ops(node).count("transpose") == 1


X, Y = gc.input("x", (3, 4, 5, 2), "float64"), gc.input("y", (3, 4, 5, 2), "float64")
B = gc.input("b", (3, 1, 1), "float64")
MOVED = {
    "unary": lambda x, y: gc.exp(x),
    "binary": lambda x, y: x * y,
    "bias": lambda x, y: x + B,
    "broadcast": lambda x, y: x + gc.broadcast_to(gc.sum(y, axis=(0, 2, 3), keepdims=True), x.shape),
    "where": lambda x, y: gc.where(x > 0, x, y),
    "sum": lambda x, y: gc.sum(x, axis=(2, 3)),
    "sum keepdims": lambda x, y: gc.sum(x, axis=(1, 3), keepdims=True),
    "max": lambda x, y: gc.max(x, axis=2),
    "cumsum": lambda x, y: gc.cumsum(x, axis=2),
    "pad": lambda x, y: gc.pad(x, ((0, 0), (1, 0), (2, 3), (0, 1))),
    "slice": lambda x, y: x[:, 1:, ::2, ::-1],
    "slice batch": lambda x, y: x[1:],
    "flip": lambda x, y: gc.flip(x, (0, 3)),
    "concatenate": lambda x, y: gc.concatenate([x, y, x], axis=2),
    "average": lambda x, y: gc.sum(gc.window(x, (2, 2), axis=(2, 3)), axis=(4, 5)),
    "fold": lambda x, y: gc.fold(gc.window(x, (2, 2), axis=(2, 3)) * 2.0, (4, 5), axis=(2, 3)),
    "flatten": lambda x, y: gc.reshape(x, (2, -1)),
    "unflatten": lambda x, y: gc.reshape(x, (2, 3, 2, 2, 5)),
    "astype": lambda x, y: x.astype("float32"),
}


@pytest.mark.parametrize("name", MOVED)
def test_an_op_moves_before_the_transpose(name: str) -> None:
    """One transpose is left, behind everything; values are the same to the last bit."""
    before = MOVED[name](_from_last(X), _from_last(Y))
    (after,) = _moved(before)
    assert _is_last(after) or _ops(after).count("transpose") == 0
    rng = np.random.default_rng(0)
    used = [n for n in Graph((), (before,)).nodes if n.op.name == "input"]
    values = {n: rng.standard_normal(n.shape) for n in used}
    wanted, found = gc.interpret([before, after], values)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-14)


def test_a_reduced_batch_leaves_no_transpose() -> None:
    (after,) = _moved(gc.sum(_from_last(X), axis=(0, 2, 3)))
    assert "transpose" not in _ops(after)


def test_a_cotangent_of_a_flattened_layer_is_computed_transposed() -> None:
    """(g wᵀ) reshaped to (N, C, …) meets a mask laid out (C, …, N): w gᵀ has its elements in that order."""
    g, w = gc.input("g", (2, 7), "float64"), gc.input("w", (60, 7), "float64")
    before = gc.reshape(g @ w.T, (2, 3, 4, 5)) * (_from_last(X) > 0).astype("float64")
    (after,) = _moved(before)
    steps = schedule(Graph((g, w, X), (after,))).steps
    assert [s.op.name for s in steps] == ["matmul", "greater", "astype", "multiply"]
    assert next(s for s in steps if s.op.name == "matmul").shape == (60, 2)
    rng = np.random.default_rng(0)
    values = {i: rng.standard_normal(i.shape) for i in (g, w, X)}
    wanted, found = gc.interpret([before, after], values)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_a_product_that_others_read_is_not_computed_twice() -> None:
    g, w = gc.input("g", (2, 7)), gc.input("w", (60, 7))
    product = g @ w.T
    x = gc.input("x", (3, 4, 5, 2))
    after = _moved(gc.reshape(product, (2, 3, 4, 5)) * _from_last(x), gc.exp(product))
    assert _ops(*after).count("matmul") == 1


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.id)
def test_every_op_behind_transposes_keeps_its_value(sample) -> None:  # type: ignore[no-untyped-def]
    inputs, arrays = sample.inputs(), sample.arrays(np.random.default_rng(0))
    turned, values = [], {}
    for x, array in zip(inputs, arrays, strict=True):
        if x.ndim < 2:
            turned.append(x)
            values[x] = array
            continue
        last = gc.input(f"{x.name}_last", (*x.shape[1:], x.shape[0]), x.dtype.name)
        turned.append(_from_last(last))
        values[last] = np.moveaxis(array, 0, -1).copy()
    try:
        output = sample.build(*turned)
    except (gc.GraphError, AssertionError):
        pytest.skip("the sample asks for an input as its operand")
    (after,) = _moved(output)
    wanted, found = (gc.interpret([node], values, sizes=sample.sizes)[0] for node in (output, after))
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, wanted)


def _lenet_step() -> Graph:
    n = 16
    x, label = gc.input("x", (n, 1, 28, 28)), gc.input("label", (n, 10))
    shapes = ((8, 1, 5, 5), (8,), (16, 8, 5, 5), (16,), (256, 32), (32,), (32, 10), (10,))
    p = [gc.input(f"p{k}", s) for k, s in enumerate(shapes)]
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(x, p[0], p[1])), 2)
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(h, p[2], p[3])), 2)
    h = gc.nn.relu(gc.reshape(h, (n, -1)) @ p[4] + p[5])
    loss = gc.nn.cross_entropy(h @ p[6] + p[7], label)
    return Graph((x, label, *p), (loss, *gc.grad(loss, p)))


def test_no_copy_between_the_layers_of_lenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied in a training step: the image, laid out with the batch last, and two layers' windows."""
    monkeypatch.setattr(choice, "candidates", lambda node: (BATCH_LAST,))
    after, records = run(_lenet_step(), DEFAULT, Verifier())
    copies = [s for s in schedule(after).steps if s.op.name in ("reshape", "copy")]
    assert [(c.op.name, c.shape) for c in copies] == [
        ("copy", (1, 28, 28, 16)),
        ("reshape", (25, 24 * 24 * 16)),
        ("reshape", (8 * 25, 8 * 8 * 16)),
    ]
    assert sum(sum(r.fired.values()) for r in records if r.name == "transposes") > 20


def test_the_layout_changes_no_result() -> None:
    graph = _lenet_step()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(i.shape).astype("float32") * 0.2 for i in graph.inputs]
    found = gc.compile(list(graph.outputs), graph.inputs)(*arrays)
    wanted = gc.compile(list(graph.outputs), graph.inputs, optimize="exact")(*arrays)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * float(np.abs(b).max()))
