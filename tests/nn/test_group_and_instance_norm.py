"""Group and instance normalisation against PyTorch, to the second derivative, and running statistics."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, ops
from graphc.errors import DTypeError, GraphError, ShapeError

GENERATOR = np.random.default_rng(21)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("shape", "declared"),
    [
        ((4, 6), ("N", 6)),
        ((3, 6, 5), ("N", 6, "L")),
        ((2, 6, 3, 1), ("N", 6, "H", "W")),
        ((1, 6, 2, 3, 2), (1, 6, 2, 3, 2)),
    ],
)
@pytest.mark.parametrize("affine", [False, True])
def test_group_norm(groups, shape, declared, affine, against_torch_to_second_order, torch):
    rest = [GENERATOR.standard_normal(6), GENERATOR.standard_normal(6)] if affine else []
    against_torch_to_second_order(
        lambda x, *affine: nn.group_norm(x, groups, *affine, eps=1e-3),
        lambda x, *affine: torch.nn.functional.group_norm(x, groups, *affine, eps=1e-3),
        GENERATOR.standard_normal(shape) * 2 + 1,
        *rest,
        shapes=[declared, *[(6,) for _ in rest]],
    )


def test_group_norm_between_layer_and_instance_norm():
    x = ops.input("x", ("N", 6, "L"), "float64")
    at = GENERATOR.standard_normal((3, 6, 4))
    one, all_, layer, instance = gc.interpret(
        [
            nn.group_norm(x, 1),
            nn.group_norm(x, 6),
            nn.layer_norm(x, (6, gc.ir.dimension.symbol("L"))),
            nn.instance_norm(x),
        ],
        {x: at},
    )
    np.testing.assert_allclose(one, layer, rtol=1e-12)
    np.testing.assert_allclose(all_, instance, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "declared"),
    [((3, 2, 5), ("N", 2, "L")), ((1, 2, 3, 4), ("N", 2, "H", "W")), ((2, 1, 1, 3, 2), (2, 1, 1, 3, 2))],
)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_instance_norm(shape, declared, affine, own, against_torch_to_second_order, torch):
    channels = shape[1]
    mean, var = GENERATOR.standard_normal(channels), GENERATOR.random(channels) + 0.5
    rest = [GENERATOR.standard_normal(channels), GENERATOR.standard_normal(channels)] if affine else []
    against_torch_to_second_order(
        lambda x, *affine: nn.instance_norm(
            x, ops.constant(mean), ops.constant(var), *affine, use_input_stats=own, eps=1e-3
        ),
        lambda x, *affine: torch.nn.functional.instance_norm(
            x, torch.tensor(mean), torch.tensor(var), *affine, use_input_stats=own, eps=1e-3
        ),
        GENERATOR.standard_normal(shape) * 2 + 1,
        *rest,
        shapes=[declared, *[(channels,) for _ in rest]],
    )


@pytest.mark.parametrize("shape", [(3, 2, 5), (4, 2, 3, 2)])
def test_running_statistics_of_instance_norm_are_torchs(shape, torch):
    layer = nn.InstanceNorm(2, affine=True, track_running_stats=True, momentum=0.3, dtype="float64")
    x = ops.input("x", ("N", *shape[1:]), "float64")
    y = layer(x, training=True)
    updates = nn.state_updates(y.sum())
    assert list(map(id, updates)) == [id(layer.running_mean), id(layer.running_var)]
    step = gc.compile(y, [x], updates=updates)
    evaluate = gc.compile(layer(x), [x], params=step.params)
    kind = torch.nn.InstanceNorm1d if len(shape) == 3 else torch.nn.InstanceNorm2d
    theirs = kind(2, affine=True, track_running_stats=True, momentum=0.3, dtype=torch.float64)
    for _ in range(4):
        batch = GENERATOR.standard_normal(shape) * 3 - 1
        np.testing.assert_allclose(step(batch), theirs(torch.tensor(batch)).detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(step.params["instancenorm/running_mean"], theirs.running_mean, rtol=1e-12)
    np.testing.assert_allclose(step.params["instancenorm/running_var"], theirs.running_var, rtol=1e-12)
    theirs.eval()
    np.testing.assert_allclose(evaluate(batch), theirs(torch.tensor(batch)).detach().numpy(), rtol=1e-9)


def test_no_running_statistics_by_default():
    layer = nn.InstanceNorm(3)
    x = ops.input("x", ("N", 3, 4))
    assert layer.parameters(None) == [] and nn.state_updates(layer(x, training=True)) == {}
    a, b = gc.interpret([layer(x), layer(x, training=True)], {x: GENERATOR.random((2, 3, 4), np.float32)})
    np.testing.assert_array_equal(a, b)


def test_parameters_and_dtypes():
    x = ops.input("x", ("N", 6, 4, 4))
    layers = (nn.GroupNorm(3, 6), nn.InstanceNorm(6, True, True), nn.GroupNorm(3, 6, affine=False))
    names = [[p.name for p in layer.parameters(None)] for layer in layers]
    assert names == [
        ["groupnorm/weight", "groupnorm/bias"],
        [f"instancenorm/{n}" for n in ("weight", "bias", "running_mean", "running_var")],
        [],
    ]
    for layer in layers:
        for training in (False, True):
            assert layer(x, training=training).dtype == np.float32
    wide = layers[1](ops.input("w", ("N", 6, "H", "W")), training=True)
    assert [new.dtype for new in nn.state_updates(wide).values()] == [np.float32, np.float32]


def test_empty_batch_and_nan_stay_in_their_example():
    x = ops.input("x", ("N", 4, 3), "float64")
    run = gc.compile([nn.group_norm(x, 2), nn.instance_norm(x)], [x])
    assert all(y.shape == (0, 4, 3) for y in run(np.zeros((0, 4, 3))))
    at = GENERATOR.standard_normal((2, 4, 3))
    at[0, 0, 0] = np.nan
    group, instance = run(at)
    assert np.isnan(group).sum() == 6 and np.isnan(group[0, :2]).all()
    assert np.isnan(instance).sum() == 3 and np.isnan(instance[0, 0]).all()


def test_a_constant_group_is_its_bias():
    x = ops.input("x", ("N", 4, 3))
    y, slope = gc.interpret(
        [nn.group_norm(x, 2), gc.grad(nn.group_norm(x, 2).sum(), x)], {x: np.full((2, 4, 3), 7, np.float32)}
    )
    assert not y.any() and np.isfinite(slope).all()


def test_errors():
    x = ops.input("x", ("N", 6, 4))
    with pytest.raises(ShapeError, match=r"the 6 channels of \(N, 6, 4\) do not divide into 4 groups") as e:
        nn.group_norm(x, 4)
    assert "test_group_and_instance_norm.py" in str(e.value) and "remedy" in str(e.value)
    with pytest.raises(ShapeError, match="into 0 groups"):
        nn.group_norm(x, 0)
    with pytest.raises(GraphError, match="6 channels do not divide into 4 groups"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ShapeError, match=r"weight has shape \(4,\), where \(6,\)"):
        nn.group_norm(x, 2, np.ones(4))
    with pytest.raises(ShapeError, match=r"x has shape \(5,\), where \(N, C\)"):
        nn.group_norm(ops.input("v", (5,)), 1)
    with pytest.raises(DTypeError, match="group_norm: x has dtype int64"):
        nn.group_norm(ops.input("i", (2, 6), "int64"), 2)
    with pytest.raises(ShapeError, match=r"axis 1 of size 5"):
        nn.GroupNorm(1, 5)(x)
    with pytest.raises(ShapeError, match=r"x has shape \(N, 6\), where \(N, C, L\)"):
        nn.instance_norm(ops.input("m", ("N", 6)))
    with pytest.raises(ShapeError, match="which has no variance"):
        nn.instance_norm(ops.input("p", ("N", 6, 1, 1)))
    with pytest.raises(GraphError, match="there are no running statistics"):
        nn.instance_norm(x, use_input_stats=False)
    with pytest.raises(ShapeError, match=r"running_var has shape \(5,\), where \(6,\)"):
        nn.instance_norm(x, np.ones(6), np.ones(5))
