# ruff: noqa: N803, N806  (N rows, T steps, F features, and arrays in capitals, as in the literature)
"""Recurrent layers against PyTorch: values, all gradients, second derivatives, at every odd size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.body import with_bodies
from graphc.ir.traversal import topological_order

torch = pytest.importorskip("torch")

KINDS = ["RNN", "GRU", "LSTM"]
NAMES = ("h", "c")


def pair(kind: str, F: int, H: int, **options: Any) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """The layer, PyTorch's with the same weights, and these by graphc's names."""
    torch.manual_seed(3)
    other = getattr(torch.nn, kind)(F, H, dtype=torch.float64, batch_first=True, **options)
    layer = getattr(gc.nn, kind)(F, H, return_state=True, dtype="float64", name="layer", **options)
    weights = {f"layer/{n}": p.detach().numpy() for n, p in other.named_parameters()}
    return layer, other, weights


def draws(sizes: tuple[int, ...], count: int, H: int, states: int) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(11)
    return rng.normal(size=sizes), [rng.normal(size=(count, sizes[0], H)) for _ in range(states)]


def weighted(y: Any, state: tuple[Any, ...], sine: Any) -> Any:
    """A loss that every output and every last state enters, nonlinearly."""
    loss = sine(y * 1.3).sum()
    for number, s in enumerate(state, 2):
        loss = loss + (number * s * s).sum()
    return loss


@pytest.mark.parametrize(
    ("N", "T"), [(3, 4), (1, 3), (2, 1), (1, 1), (2, 40)], ids=lambda v: str(v)
)  # fmt: skip
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2},
        {"bidirectional": True},
        {"num_layers": 2, "bidirectional": True},
        {"bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_equal_torch(kind: str, options: dict[str, Any], N: int, T: int) -> None:
    F, H = 3, 4
    layer, other, weights = pair(kind, F, H, **options)
    states = 2 if kind == "LSTM" else 1
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    X, S = draws((N, T, F), count, H, states)
    x = gc.input("x", ("N", "T", F), "float64")
    start = [gc.input(f"{name}0", (count, "N", H), "float64") for name in NAMES[:states]]
    y, last = layer(x, tuple(start) if states == 2 else start[0])
    last = last if states == 2 else (last,)
    loss = weighted(y, last, gc.sin)
    params = gc.parameters(loss)
    assert {p.name: p.shape for p in params} == {n: w.shape for n, w in weights.items()}
    wrt = [x, *start, *params]
    f = gc.compile((y, *last, *gc.grad(loss, wrt)), [x, *start])
    f.params.update(weights)
    got = f(X, *S)

    tx, ts = torch.tensor(X, requires_grad=True), [torch.tensor(s, requires_grad=True) for s in S]
    ty, tlast = other(tx, tuple(ts) if states == 2 else ts[0])
    tlast = tlast if states == 2 else (tlast,)
    weighted(ty, tlast, torch.sin).backward()
    named = {f"layer/{n}": p.grad for n, p in other.named_parameters()}
    wanted = [ty, *tlast, tx.grad, *[t.grad for t in ts], *[named[p.name] for p in params]]
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    if (N, T) == (3, 4):  # the oracle of the generated code
        values = {x: X, **dict(zip(start, S, strict=True)), **{p: weights[p.name] for p in params}}
        plain = gc.interpret([y, *gc.grad(loss, wrt)], values)
        for mine, slow in zip((got[0], *got[1 + states :]), plain, strict=True):
            np.testing.assert_allclose(mine, slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_steps_equal_torch(kind: str) -> None:
    layer, other, weights = pair(kind, 2, 3)
    X = np.random.default_rng(0).normal(size=(2, 1000, 2))
    x = gc.input("x", ("N", "T", 2), "float64")
    y, _ = layer(x)
    loss = (y * y).sum()
    params = gc.parameters(loss)
    f = gc.compile((y, gc.grad(loss, [x, *params])), [x])
    f.params.update(weights)
    values, gradients = f(X)
    tx = torch.tensor(X, requires_grad=True)
    ty, _ = other(tx)
    (ty * ty).sum().backward()
    np.testing.assert_allclose(values, ty.detach().numpy(), rtol=1e-10, atol=1e-10)
    named = {f"layer/{n}": p.grad for n, p in other.named_parameters()}
    for mine, theirs in zip(gradients, [tx.grad, *[named[p.name] for p in params]], strict=True):
        scale = float(np.abs(theirs.numpy()).max())
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("optimize", ["none", "default"])
@pytest.mark.parametrize("kind", KINDS)
def test_hessian_vector_products_equal_torch(kind: str, optimize: str) -> None:
    layer, other, weights = pair(kind, 3, 4)
    X = np.random.default_rng(5).normal(size=(2, 5, 3))
    x = gc.input("x", ("N", "T", 3), "float64")
    loss = gc.sin(layer(x)[0]).sum()
    params = gc.parameters(loss)
    rng = np.random.default_rng(6)
    V = [rng.normal(size=w.shape) for w in (X, *[weights[p.name] for p in params])]
    vectors = [gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate([x, *params])]
    over = gc.hvp(loss, [x, *params], vectors)
    inner = gc.constant(0.0, "float64")
    for g, v in zip(gc.grad(loss, [x, *params]), vectors, strict=True):
        inner = inner + (g * v).sum()
    twice = gc.grad(inner, [x, *params])
    f = gc.compile((over, twice), [x, *vectors], optimize=optimize)
    f.params.update(weights)
    forward, backward = f(X, *V)

    tx = torch.tensor(X, requires_grad=True)
    named = dict(other.named_parameters())
    leaves = [tx, *[named[p.name.removeprefix("layer/")] for p in params]]
    gradients = torch.autograd.grad(torch.sin(other(tx)[0]).sum(), leaves, create_graph=True)
    total = sum((g * torch.tensor(v)).sum() for g, v in zip(gradients, V, strict=True))
    for a, b, t in zip(forward, backward, torch.autograd.grad(total, leaves), strict=True):
        np.testing.assert_allclose(a, t.numpy(), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(b, t.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_relu_and_other_axis_order_equal_torch(kind: str) -> None:
    options = {"nonlinearity": "relu"} if kind == "RNN" else {}
    layer, other, weights = pair(kind, 3, 4, **options)
    layer.batch_first = other.batch_first = False
    X = np.random.default_rng(5).normal(size=(6, 2, 3))
    x = gc.input("x", ("T", "N", 3), "float64")
    f = gc.compile(layer(x)[0], [x])
    f.params.update(weights)
    np.testing.assert_allclose(f(X), other(torch.tensor(X))[0].detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_equal_torch(kind: str) -> None:
    other = getattr(torch.nn, f"{kind}Cell")(3, 4, dtype=torch.float64)
    cell = getattr(gc.nn, f"{kind}Cell")(3, 4, name="cell", dtype="float64")
    rng = np.random.default_rng(2)
    X, S = rng.normal(size=(5, 3)), [rng.normal(size=(5, 4)) for _ in range(2 if kind == "LSTM" else 1)]
    x, s = gc.input("x", ("N", 3), "float64"), [gc.input(n, ("N", 4), "float64") for n in NAMES[: len(S)]]
    for given, tensors in ((None, None), (S, s)):
        state = None if tensors is None else tuple(tensors) if kind == "LSTM" else tensors[0]
        result = cell(x, state)
        result = result if kind == "LSTM" else (result,)
        f = gc.compile(result, [x, *(tensors or [])])
        f.params.update({f"cell/{n}": p.detach().numpy() for n, p in other.named_parameters()})
        t = None if given is None else [torch.tensor(v) for v in given]
        theirs = other(torch.tensor(X), t if t is None or kind == "LSTM" else t[0])
        for mine, wanted in zip(f(X, *(given or [])), theirs if kind == "LSTM" else (theirs,), strict=True):
            np.testing.assert_allclose(mine, wanted.detach().numpy(), rtol=1e-13, atol=1e-13)


def test_a_cell_in_a_loop_of_ones_own_is_the_layer() -> None:
    cell, layer = (
        gc.nn.GRUCell(3, 4, dtype="float64", name="layer"),
        gc.nn.GRU(3, 4, dtype="float64", name="layer"),
    )
    x = gc.input("x", ("N", "T", 3), "float64")
    steps = gc.scan(
        lambda h, x_t: (cell(x_t, h),) * 2, gc.zeros((x.shape[0], 4), "float64"), x.transpose(1, 0, 2)
    )[1]
    X = np.random.default_rng(0).normal(size=(2, 6, 3))
    f, g = gc.compile(steps, [x]), gc.compile(layer(x), [x])
    for name, value in f.params.items():
        g.params[f"{name}_l0"] = value
    np.testing.assert_allclose(f(X).transpose(1, 0, 2), g(X), rtol=1e-13, atol=1e-14)


def test_code_and_graph_do_not_grow_with_the_sequence() -> None:
    def built(T: int) -> tuple[int, int]:
        x = gc.input("x", (2, T, 3))
        loss = (gc.nn.LSTM(3, 4)(x) ** 2).mean()
        gradients = gc.grad(loss, gc.parameters(loss))
        nodes = list(with_bodies(topological_order(gradients)))
        return len(nodes), len(gc.compile(gradients, [x]).source.splitlines())

    assert built(5) == built(1000)


def test_dropout_acts_between_layers_in_training_only() -> None:
    layer = gc.nn.GRU(3, 4, num_layers=2, dropout=0.5)
    x = gc.input("x", (2, 5, 3))
    X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    quiet, loud = gc.compile(layer(x), [x]), gc.compile(layer(x, training=True), [x])
    np.testing.assert_array_equal(quiet(X), quiet(X))
    assert np.abs(loud(X) - loud(X)).max() > 0
    one = gc.compile(gc.nn.GRU(3, 4, dropout=0.5)(x, training=True), [x])
    np.testing.assert_array_equal(one(X), one(X))


def test_first_values_are_bounded_as_in_torch() -> None:
    x = gc.input("x", (1, 2, 3))
    f = gc.compile(gc.nn.LSTM(3, 100)(x), [x])
    for value in f.params.values():
        assert np.abs(value).max() <= 0.1 and np.abs(value).max() > 0.09


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("N", "T"), [(0, 3), (2, 0), (0, 0)])
def test_no_rows_and_no_steps(kind: str, N: int, T: int) -> None:
    """Without steps the last state is the first, and the weights get gradients of zero."""
    layer = getattr(gc.nn, kind)(3, 4, return_state=True)
    x, h = gc.input("x", ("N", "T", 3)), gc.input("h", (1, "N", 4))
    y, last = layer(x, (h, 2 * h) if kind == "LSTM" else h)
    first = last[0] if kind == "LSTM" else last
    params = gc.parameters(y)
    f = gc.compile((y, first, gc.grad(y.sum() + first.sum(), [h, *params])), [x, h])
    start = np.ones((1, N, 4), np.float32)
    outputs, state, (by_start, *by_weights) = f(np.zeros((N, T, 3), np.float32), start)
    assert outputs.shape == (N, T, 4) and state.shape == by_start.shape == (1, N, 4)
    if T == 0:
        np.testing.assert_array_equal(state, start)
        np.testing.assert_array_equal(by_start, 1)
    assert all((g == 0).all() for g in by_weights)


def test_it_stands_in_a_sequential() -> None:
    model = gc.nn.Sequential(gc.nn.GRU(3, 8), lambda h: h[:, -1], gc.nn.Dense(8, 2))
    x = gc.input("x", ("N", "T", 3))
    assert model(x).shape == (x.shape[0], 2)
    assert [p.name for p in model.parameters()][:2] == ["0/weight_ih_l0", "0/weight_hh_l0"]


def test_an_lstm_learns_a_sine() -> None:
    """Predict the next value of a sine of unknown phase; a constant prediction has a loss of 0.5."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (256, 1))
    wave = np.sin(0.4 * np.arange(25) + phase).astype(np.float32)[:, :, None]
    x, t = gc.input("x", ("N", "T", 1)), gc.input("t", ("N", "T", 1))
    model = gc.nn.Sequential(gc.nn.LSTM(1, 16), gc.nn.Dense(16, 1))
    loss = ((model(x) - t) ** 2).mean()
    params = gc.parameters(loss)
    step = gc.compile({"loss": loss}, [x, t], updates=gc.optim.Adam(1e-2).updates(loss, params))
    history = gc.fit(
        step, {"x": wave[:, :-1], "t": wave[:, 1:]}, epochs=20, batch_size=48, progress=False
    )  # fmt: skip
    losses = history.epochs["loss"]
    assert losses[0] > 0.2 and losses[-1] < 0.02


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: gc.nn.LSTM(3, 4)(gc.input("x", ("T", 3))), "three axes are needed"),
        (lambda: gc.nn.LSTM(3, 4)(gc.input("x", ("N", "T", 5))), "axis -1 of size 3"),
        (lambda: gc.nn.LSTM(3, 4)(gc.input("x", ("N", "T", 3)), gc.zeros((1, "N", 4))), "(h, c)"),
        (lambda: gc.nn.GRU(3, 4, 2)(gc.input("x", ("N", "T", 3)), gc.zeros((1, "N", 4))), "(2, N, 4)"),
        (lambda: gc.nn.GRU(3, 4, 0), "num_layers is 0"),
        (lambda: gc.nn.GRU(3, 4, dropout=1.5), "no probability"),
        (lambda: gc.nn.RNN(3, 4, nonlinearity="gelu"), "'gelu' is unknown"),
        (lambda: gc.nn.LSTMCell(3, 4)(gc.zeros((2, 3)), gc.zeros((2, 4))), "pair"),
    ],
)  # fmt: skip
def test_errors_tell_what_is_wrong(call: Any, part: str) -> None:
    with pytest.raises(gc.GraphError) as error:
        call()
    assert part in str(error.value) and "remedy" in str(error.value)
