from __future__ import annotations

import gc as garbage
import threading
import weakref

import numpy as np
import pytest

from graphc import nn, ops
from graphc.autodiff import grad
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.nn import state
from graphc.runtime.interpreter import interpret

GENERATOR = np.random.default_rng(4)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (3, 3, 4, 2), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(shape, affine, training, against_torch, torch):
    mean, var = GENERATOR.standard_normal(3), GENERATOR.random(3) + 0.5
    x = GENERATOR.standard_normal(shape) * 2 + 1
    rest = [GENERATOR.standard_normal(3), GENERATOR.standard_normal(3)] if affine else []
    against_torch(
        lambda x, *affine: nn.batch_norm(
            x, ops.constant(mean), ops.constant(var), *affine, training=training, eps=1e-3
        ),
        lambda x, *affine: torch.nn.functional.batch_norm(
            x, torch.tensor(mean), torch.tensor(var), *affine, training=training, eps=1e-3
        ),
        x,
        *rest,
        rtol=1e-9,
    )


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 2)])
def test_running_statistics_are_torchs(shape, torch):
    layer = nn.BatchNorm(3, momentum=0.3, dtype="float64")
    x = ops.input("x", ("N", *shape[1:]), "float64")
    y = layer(x, training=True)
    updates = nn.state_updates(y.sum())
    assert list(map(id, updates)) == [id(layer.running_mean), id(layer.running_var)]
    assert all(new.role == "update" and new.scope == ("batchnorm",) for new in updates.values())
    theirs = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(
        3, momentum=0.3, dtype=torch.float64
    )
    values = {layer.running_mean: np.zeros(3), layer.running_var: np.ones(3)}
    fixed = {layer.weight: np.ones(3), layer.bias: np.zeros(3)}
    for _ in range(4):
        batch = GENERATOR.standard_normal(shape) * 3 - 1
        out, *new = interpret([y, *updates.values()], {x: batch, **values, **fixed})
        np.testing.assert_allclose(out, theirs(torch.tensor(batch)).detach().numpy(), rtol=1e-10)
        values = dict(zip(updates, new, strict=True))
    np.testing.assert_allclose(values[layer.running_mean], theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(values[layer.running_var], theirs.running_var.numpy(), rtol=1e-12)
    theirs.eval()
    (out,) = interpret([layer(x)], {x: batch, **values, **fixed})
    np.testing.assert_allclose(out, theirs(torch.tensor(batch)).detach().numpy(), rtol=1e-10)


def test_no_state_changes_in_evaluation():
    x = ops.input("x", ("N", 3))
    assert nn.state_updates(nn.BatchNorm(3)(x)) == {}
    assert nn.state_updates(x) == {}


def test_a_layer_called_twice_moves_its_state_twice(torch):
    layer = nn.BatchNorm(2, affine=False, dtype="float64")
    a, b = ops.input("a", ("N", 2), "float64"), ops.input("b", ("M", 2), "float64")
    first, second = layer(a, training=True), layer(b, training=True)
    updates = nn.state_updates(second.sum() + first.sum())  # the order of the calls counts
    theirs = torch.nn.BatchNorm1d(2, affine=False, dtype=torch.float64)
    at_a, at_b = GENERATOR.standard_normal((5, 2)), GENERATOR.standard_normal((4, 2)) * 3
    theirs(torch.tensor(at_a))
    theirs(torch.tensor(at_b))
    values = {a: at_a, b: at_b, layer.running_mean: np.zeros(2), layer.running_var: np.ones(2)}
    mean, var = interpret([updates[layer.running_mean], updates[layer.running_var]], values)
    np.testing.assert_allclose(mean, theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(var, theirs.running_var.numpy(), rtol=1e-12)
    assert len(nn.state_updates(first)) == 2


def test_state_is_found_below_anything_built_on_the_output():
    x = ops.input("x", ("N", 4))
    model = nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3, affine=False), nn.Dense(3, 2), nn.BatchNorm(2))
    y = model(x, training=True).named("out")
    names = [p.name for p in nn.state_updates(nn.mse_loss(y, ops.input("t", ("N", 2))))]
    assert names == ["1/running_mean", "1/running_var", "3/running_mean", "3/running_var"]
    assert all(p.dtype == new.dtype == np.float32 for p, new in nn.state_updates(y).items())


def test_the_table_of_changes_keeps_no_graph_alive():
    def build():
        y = nn.BatchNorm(3)(ops.input("x", ("N", 3)), training=True)
        assert len(nn.state_updates(y)) == 2
        return weakref.ref(y)

    garbage.collect()
    before = len(state._changes)
    gone = [build() for _ in range(20)]
    garbage.collect()
    assert all(reference() is None for reference in gone)
    assert len(state._changes) == before


def test_state_in_threads():
    found = {}

    def build(i):
        for _ in range(20):
            x = ops.input("x", ("N", 2))
            model = nn.Sequential(*[nn.BatchNorm(2) for _ in range(3)])
            updates = nn.state_updates(model(x, training=True))
            mine = {id(p) for p in model.parameters(trainable=False)}
            found.setdefault(i, []).append({id(p) for p in updates} == mine)

    threads = [threading.Thread(target=build, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(all(checks) and len(checks) == 20 for checks in found.values()) and len(found) == 4


@pytest.mark.parametrize("normalized", [(5,), (3, 5), (4, 3, 5)])
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm(normalized, affine, against_torch, torch):
    x = GENERATOR.standard_normal((4, 3, 5)) * 2 + 1
    rest = [GENERATOR.standard_normal(normalized), GENERATOR.standard_normal(normalized)] if affine else []
    against_torch(
        lambda x, *affine: nn.layer_norm(x, normalized, *affine, eps=1e-4),
        lambda x, *affine: torch.nn.functional.layer_norm(x, normalized, *affine, eps=1e-4),
        x,
        *rest,
        rtol=1e-9,
    )


def test_float32_stays():
    x = ops.input("x", ("N", 3, 4))
    for layer in (nn.BatchNorm(3), nn.LayerNorm((3, 4)), nn.Dropout(0.3)):
        for training in (False, True):
            assert layer(x, training=training).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout_statistics(p, dtype):
    x = ops.input("x", ("N", 100), dtype)
    y = nn.dropout(x, p)
    n = 400
    value, slope = interpret([y, grad(y.sum(), x)], {x: np.full((n, 100), 3.0)}, seed=5)
    assert value.dtype == dtype
    kept = value != 0
    deviations = 5 * np.sqrt(max(p * (1 - p), 1e-30) / (n * 100))
    assert abs(kept.mean() - (1 - p)) <= deviations
    if p < 1:
        np.testing.assert_allclose(value[kept], 3 / (1 - p), rtol=1e-6)
        np.testing.assert_allclose(slope, kept / (1 - p), rtol=1e-6)
    else:
        assert not slope.any()
    # Rows and columns are hit evenly: no structure in the mask.
    assert abs(kept.mean(0) - (1 - p)).max() <= 5 * np.sqrt(p * (1 - p) / n)


def test_dropout_is_seeded_and_new_at_each_call():
    x = ops.input("x", (200,))
    y = nn.dropout(x)
    ones = np.ones(200, "float32")

    def run(seed, call):
        return interpret([y], {x: ones}, seed=seed, call=call)[0]

    assert (run(0, 0) == run(0, 0)).all()
    assert (run(0, 0) != run(0, 1)).any() and (run(0, 0) != run(1, 0)).any()
    (both,) = interpret([ops.stack([nn.dropout(x), nn.dropout(x)])], {x: ones})
    assert (both[0] != both[1]).any()


def test_dropout_of_an_untaken_infinity():
    x = ops.input("x", (50,), "float64")
    (value,) = interpret([nn.dropout(x, 0.5)], {x: np.full(50, np.inf)})
    assert set(value.tolist()) == {0.0, np.inf}


def test_dropout_in_evaluation_is_the_input_itself():
    x = ops.input("x", ("N", 3))
    assert nn.Dropout(0.5)(x) is x and nn.dropout(x, 0.5, training=False) is x


def test_errors():
    x = ops.input("x", ("N", 3))
    with pytest.raises(GraphError, match="there are no running statistics"):
        nn.batch_norm(x, None, None)
    with pytest.raises(ShapeError, match=r"weight has shape \(4,\), where \(3,\)"):
        nn.batch_norm(x, None, None, np.ones(4), training=True)
    with pytest.raises(ShapeError, match=r"x has shape \(7,\)"):
        nn.batch_norm(ops.input("v", (7,)), None, None, training=True)
    with pytest.raises(ShapeError, match=r"axis 1 of size 4"):
        nn.BatchNorm(4)(x)
    with pytest.raises(ShapeError, match=r"does not end in \(4,\)"):
        nn.layer_norm(x, 4)
    with pytest.raises(GraphError, match=r"p = 1\.5 is no probability"):
        nn.dropout(x, 1.5)
    with pytest.raises(DTypeError, match="dropout: x has dtype int64"):
        nn.dropout(ops.input("i", (3,), "int64"))
