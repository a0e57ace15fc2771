"""Ten steps of every optimiser, with every option, against torch.optim in float64."""

from __future__ import annotations

import numpy as np
import pytest

from graphc import ops, optim
from graphc.errors import GraphError, ShapeError
from graphc.ir.origin import scope
from graphc.runtime.interpreter import interpret

SHAPES = {"w": (3, 4), "b": (4,), "s": ()}
START = {
    name: np.random.default_rng(i).standard_normal(shape) for i, (name, shape) in enumerate(SHAPES.items())
}
BATCH = np.random.default_rng(9).standard_normal((5, 3))
TARGET = np.random.default_rng(10).standard_normal((5, 4))


def _ours(optimizer, steps, dtype="float64", values=None):
    """The parameters after some steps on tanh(x w + b) e^s against the target."""
    p = {n: ops.parameter(n, shape, dtype=dtype) for n, shape in SHAPES.items()}
    y = ops.tanh(ops.constant(BATCH.astype(dtype)) @ p["w"] + p["b"]) * ops.exp(p["s"])
    loss = ops.square(y - ops.constant(TARGET.astype(dtype))).sum()
    updates = optimizer.updates(loss, p)
    known = {t: START[n].astype(dtype) for n, t in p.items()}
    known.update(values or {})
    for parameter in updates:
        known.setdefault(parameter, np.full(parameter.shape, parameter.attrs["init"], parameter.dtype))
    for _ in range(steps):
        new = interpret(list(updates.values()), known)
        for (parameter, node), value in zip(updates.items(), new, strict=True):
            assert node.dtype == parameter.dtype and node.shape == parameter.shape
            assert node.role == "update", node
            known[parameter] = value
    return {n: known[t] for n, t in p.items()}, updates


def _theirs(make, steps, schedule=None, clip=None):
    torch = pytest.importorskip("torch")
    # NAdam keeps the product of its momenta in the default dtype, which would round it to float32.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _torch_steps(torch, make, steps, schedule, clip)
    finally:
        torch.set_default_dtype(before)


def _torch_steps(torch, make, steps, schedule, clip):
    p = {n: torch.tensor(v, requires_grad=True) for n, v in START.items()}
    optimizer = make(torch.optim)(list(p.values()))
    scheduler = schedule(torch.optim.lr_scheduler, optimizer) if schedule else None
    for _ in range(steps):
        optimizer.zero_grad()
        y = torch.tanh(torch.tensor(BATCH) @ p["w"] + p["b"]) * torch.exp(p["s"])
        ((y - torch.tensor(TARGET)) ** 2).sum().backward()
        if clip:
            clip(torch.nn.utils, list(p.values()))
        optimizer.step()
        if scheduler:
            scheduler.step()
    return {n: t.detach().numpy() for n, t in p.items()}


def _agree(ours, theirs, rtol=1e-12):
    for name in SHAPES:
        np.testing.assert_allclose(ours[name], theirs[name], rtol, 1e-14, err_msg=name)


CASES = [
    ("SGD", "SGD", {"lr": 0.02}),
    ("SGD", "SGD", {"lr": 0.02, "weight_decay": 0.1}),
    ("SGD", "SGD", {"lr": 0.02, "momentum": 0.9}),
    ("SGD", "SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", "SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.4}),
    ("AdaGrad", "Adagrad", {"lr": 0.1}),
    ("AdaGrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("AdaGrad", "Adagrad", {"lr": 0.1, "weight_decay": 0.1}),
    ("RMSProp", "RMSprop", {"lr": 0.01}),
    ("RMSProp", "RMSprop", {"lr": 0.01, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSProp", "RMSprop", {"lr": 0.01, "momentum": 0.9}),
    ("RMSProp", "RMSprop", {"lr": 0.01, "centered": True}),
    ("RMSProp", "RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("AdaDelta", "Adadelta", {}),
    ("AdaDelta", "Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", "Adam", {}),
    ("Adam", "Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adam", "Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam", "Adam", {"lr": 0.5, "amsgrad": True, "betas": (0.5, 0.6)}),
    ("AdamW", "AdamW", {"lr": 0.1}),
    ("AdamW", "AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", "AdamW", {"lr": 0.1, "weight_decay": 0.0}),
    ("Adamax", "Adamax", {}),
    ("Adamax", "Adamax", {"lr": 0.1, "betas": (0.7, 0.8), "eps": 1e-4, "weight_decay": 0.1}),
    ("NAdam", "NAdam", {}),
    ("NAdam", "NAdam", {"lr": 0.1, "betas": (0.7, 0.8), "momentum_decay": 0.1, "weight_decay": 0.1}),
]


@pytest.mark.parametrize("name, theirs, options", CASES)
def test_ten_steps_equal_torchs(name, theirs, options):
    expected = _theirs(lambda torch_optim: lambda p: getattr(torch_optim, theirs)(p, **options), 10)
    found, _ = _ours(getattr(optim, name)(**options), 10)
    _agree(found, expected)
    assert all(np.abs(found[n] - START[n]).max() > 1e-4 for n in SHAPES)


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_float32_stays_float32_and_follows_float64(name):
    optimizer = getattr(optim, name)
    exact, _ = _ours(optimizer(lr=0.01), 5)
    found, updates = _ours(optimizer(lr=0.01), 5, "float32")
    for parameter in updates:
        if parameter.shape or parameter.name.split("/")[-1] in SHAPES:
            assert parameter.dtype == np.float32, parameter
    for n in SHAPES:
        np.testing.assert_allclose(found[n], exact[n], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdaGrad", "AdamW", "NAdam"])
def test_a_schedule_as_the_rate(name):
    torch_name = {"AdaGrad": "Adagrad"}.get(name, name)
    expected = _theirs(
        lambda torch_optim: lambda p: getattr(torch_optim, torch_name)(p, lr=0.05),
        10,
        lambda schedulers, o: schedulers.StepLR(o, 3, 0.5),
    )
    found, updates = _ours(getattr(optim, name)(optim.step_decay(0.05, 3, 0.5)), 10)
    _agree(found, expected)
    assert sum(p.name.endswith("/step") for p in updates) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_tensor_as_the_rate(dtype):
    rate = ops.parameter("rate", (), dtype=dtype, trainable=False)
    expected = _theirs(lambda torch_optim: lambda p: torch_optim.Adam(p, lr=0.25), 10)
    found, _ = _ours(optim.Adam(rate), 10, values={rate: 0.25})
    _agree(found, expected)


@pytest.mark.parametrize(
    "option, clip",
    [
        ({"clip_value": 0.3}, lambda u, p: u.clip_grad_value_(p, 0.3)),
        ({"clip_norm": 0.3}, lambda u, p: [u.clip_grad_norm_([q], 0.3) for q in p]),
        ({"clip_global_norm": 0.3}, lambda u, p: u.clip_grad_norm_(p, 0.3)),
        ({"clip_global_norm": 1e9}, None),
        (
            {"clip_value": 0.4, "clip_global_norm": 0.5},
            lambda u, p: (u.clip_grad_value_(p, 0.4), u.clip_grad_norm_(p, 0.5)),
        ),
    ],
)
def test_clipping_comes_before_weight_decay(option, clip):
    expected = _theirs(lambda o: lambda p: o.SGD(p, 0.1, momentum=0.5, weight_decay=0.2), 10, clip=clip)
    found, _ = _ours(optim.SGD(0.1, momentum=0.5, weight_decay=0.2, **option), 10)
    _agree(found, expected)


def test_own_gradients():
    w = ops.parameter("w", (2,), dtype="float64")
    updates = optim.SGD(0.5).apply({w: w * 2.0})
    assert interpret(list(updates.values()), {w: [1.0, 3.0]})[0].tolist() == [0.0, 0.0]


def test_state_is_named_scoped_and_not_trainable():
    w = ops.parameter("dense1/weight", (2,))
    with scope("outer"):
        updates = optim.Adam(1e-3, name="generator").updates((w * w).sum(), [w])
    names = [p.name for p in updates]
    assert names == ["dense1/weight", "outer/generator/step", "outer/generator/m/dense1/weight",
                     "outer/generator/v/dense1/weight"]  # fmt: skip
    states = [p for p in updates if p is not w]
    assert not any(p.attrs["trainable"] for p in states)
    assert updates[states[0]].dtype == np.int64 and updates[w].scope == ("outer", "generator")
    assert states[1].scope == ("outer", "generator", "m")


def test_one_optimiser_keeps_one_state():
    w = ops.parameter("w", (2,))
    adam = optim.Adam()
    first, second = adam.updates((w * w).sum()), adam.updates((w * w * 2.0).sum())
    assert [id(p) for p in first] == [id(p) for p in second]


def test_parameters_below_the_loss_are_found_and_frozen_ones_left():
    w, frozen = ops.parameter("w", (2,)), ops.parameter("frozen", (2,), trainable=False)
    updates = optim.SGD(0.1).updates((w * frozen).sum())
    assert [p.name for p in updates] == ["w"]


def test_errors():
    w = ops.parameter("w", (2,))
    x = ops.input("x", (2,))
    with pytest.raises(GraphError, match="there are no trainable parameters below the loss"):
        optim.SGD(0.1).updates((x * x).sum())
    with pytest.raises(GraphError, match="is no parameter"):
        optim.SGD(0.1).updates((x * x).sum(), [x])
    with pytest.raises(GraphError, match="lr = -1"):
        optim.SGD(-1)
    with pytest.raises(GraphError, match=r"betas\[1\] = 1.0"):
        optim.Adam(betas=(0.9, 1.0))
    with pytest.raises(GraphError, match="nesterov with momentum = 0"):
        optim.SGD(0.1, nesterov=True)
    with pytest.raises(ShapeError, match=r"the gradient of 'w' has shape \(\), the parameter \(2,\)"):
        optim.SGD(0.1).apply({w: w.sum()})
    with pytest.raises(ShapeError, match="0-dimensional"):
        optim.SGD(x)
    with pytest.raises(ShapeError, match="the schedule gave"):
        optim.SGD(lambda step: 0.1).updates((w * w).sum())
    with pytest.raises(GraphError, match="two parameters are called 'w'"):
        other = ops.parameter("w", (2,))
        optim.SGD(0.1).updates((w * other).sum())
    with pytest.raises(TypeError, match="learning_rate"):
        optim.SGD(learning_rate=0.1)
