"""Residual units and ConvNet: structure, counts, values against the same network written out, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

F64 = "float64"


def _count(net: gc.nn.Layer, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in net.layers())


# -- residual units --------------------------------------------------------------------------------
def test_a_residual_unit_adds_its_input() -> None:
    unit = gc.nn.Residual(gc.nn.Dense(3, 3, init=0.5), activation="relu", name="unit")
    x = gc.input("x", ("N", 3))
    value = np.array([[1.0, -2.0, 0.5]], np.float32)
    expected = np.maximum(value + value.sum() * 0.5, 0)
    np.testing.assert_allclose(gc.compile(unit(x), [x])(value), expected, rtol=1e-6)


def test_a_function_may_be_the_inner_part_and_the_shortcut() -> None:
    x = gc.input("x", (4,), F64)
    y = gc.nn.Residual(gc.sin, shortcut=lambda v: 2 * v)(x)
    value = np.linspace(-1, 1, 4)
    np.testing.assert_allclose(gc.compile(y, [x])(value), 2 * value + np.sin(value))


def test_shapes_that_differ_need_a_shortcut() -> None:
    x = gc.input("x", ("N", 3, 8, 8))
    with pytest.raises(gc.ShapeError, match=r"the inner part \(N, 4, 6, 6\)") as caught:
        gc.nn.Residual(gc.nn.Conv2d(3, 4, 3))(x)
    assert "shortcut" in caught.value.remedy


@pytest.mark.parametrize(("channels", "stride"), [((4, 4), 1), ((4, 8), 2), ((4, 6), 1)])
def test_a_residual_block_is_that_of_he_et_al(channels: tuple[int, int], stride: int) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = gc.input("x", ("N", channels[0], 6, 6))
    block = gc.nn.ResidualBlock(*channels, stride=stride, name="block")
    f = gc.compile([block(x, training=True)], [x])
    value = np.random.default_rng(0).standard_normal((3, channels[0], 6, 6)).astype(np.float32)
    given = torch.tensor(value, dtype=torch.float64)
    p = {n: torch.tensor(v.astype(np.float64)) for n, v in f.params.items()}

    def convolved(y: Any, part: str, conv: str, step: int, padding: int) -> Any:
        y = functional.conv2d(y, p[f"block/{part}/{conv}/weight"], stride=step, padding=padding)
        return functional.batch_norm(y, None, None, training=True)

    inner = convolved(given, "inner", "conv1", stride, 1).relu()
    inner = convolved(inner, "inner", "conv2", 1, 1)
    same = stride == 1 and channels[0] == channels[1]
    kept = given if same else convolved(given, "shortcut", "conv", stride, 0)
    np.testing.assert_allclose(f(value)[0], (kept + inner).relu().numpy(), rtol=1e-4, atol=1e-5)
    assert any("shortcut" in n for n in f.params) is not same
    assert not any(n.endswith("conv1/bias") for n in f.params), "the normalisation's shift is the bias"


# -- ConvNet ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("blocks", [0, 1, 3])
@pytest.mark.parametrize("convs", [0, 1, 2])
@pytest.mark.parametrize("pool", [0, 1])
@pytest.mark.parametrize("dense", [0, 1, 2])
def test_counts_are_those_asked_for(blocks: int, convs: int, pool: int, dense: int) -> None:
    net = gc.nn.ConvNet(2, 5, blocks, convs, pool, dense, channels=4, hidden=7)
    assert _count(net, gc.nn.Conv2d) == blocks * convs + (dense == 0)
    assert _count(net, gc.nn.MaxPool2d) == blocks * pool
    assert _count(net, gc.nn.Dense) == dense
    assert net(gc.input("x", ("N", 2, 8, 16))).shape[1:] == (5,)


def test_the_network_is_the_one_written_out() -> None:
    net = gc.nn.ConvNet(
        1, 3, blocks=2, convs=1, dense=2, channels=4, hidden=6, image_size=(8, 12), name="net"
    )
    x = gc.input("x", ("N", 1, 8, 12))
    f = gc.compile(net(x), [x])
    p = {n.removeprefix("net/"): gc.constant(v) for n, v in f.params.items()}
    y: Any = x
    for block in ("block1", "block2"):
        y = gc.nn.conv2d(y, p[f"{block}/conv1/weight"], p[f"{block}/conv1/bias"], padding=1)
        y = gc.nn.max_pool2d(gc.relu(y), 2)
    y = gc.relu(y.reshape(-1, 8 * 2 * 3) @ p["dense1/weight"] + p["dense1/bias"])
    y = y @ p["dense2/weight"] + p["dense2/bias"]
    value = np.random.default_rng(1).standard_normal((4, 1, 8, 12)).astype(np.float32)
    np.testing.assert_allclose(f(value), gc.compile(y, [x])(value), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dense", [0, 1, 2])
def test_without_an_image_size_any_image_is_taken(dense: int) -> None:
    x = gc.input("x", ("N", 1, "H", "W"))
    net = gc.nn.ConvNet(1, 3, blocks=2, convs=1, dense=dense, channels=4, pooling="avg", norm="group")
    f = gc.compile(net(x), [x])
    rng = np.random.default_rng(2)
    for size in ((8, 8), (9, 13), (32, 5)):
        image = rng.standard_normal((2, 1, *size)).astype(np.float32)
        result = f(image)
        assert result.shape == (2, 3) and np.isfinite(result).all()
        np.testing.assert_allclose(f(image[:1]), result[:1], rtol=1e-5, atol=1e-6)


def test_widths_double_where_it_pools() -> None:
    net = gc.nn.ConvNet(1, 10, blocks=6, convs=1, pool=[0, 1, 1, 0, 1, 1], channels=4)
    widths = [layer.out_channels for layer in net.layers() if isinstance(layer, gc.nn.Conv2d)]
    assert widths == [4, 4, 8, 16, 16, 32]
    given = gc.nn.ConvNet(1, 10, blocks=3, convs=[1, 0, 2], channels=[5, 9, 7])
    widths = [layer.out_channels for layer in given.layers() if isinstance(layer, gc.nn.Conv2d)]
    assert widths == [5, 7, 7]


def test_residual_blocks_have_a_shortcut_where_channels_change() -> None:
    net = gc.nn.ConvNet(4, 2, blocks=3, convs=2, pool=[1, 0, 0], channels=4, residual=True, norm="batch")
    x = gc.input("x", ("N", 4, 8, 8))
    loss = (net(x, training=True) ** 2).sum()
    shortcuts = [p.name for p in gc.parameters(loss) if "shortcut" in (p.name or "")]
    assert len(shortcuts) == 1 and "block2" in shortcuts[0]
    assert _count(net, gc.nn.Residual) == 3
    assert len(gc.nn.state_updates(loss)) == 2 * 6


def test_a_function_gives_the_normalisation() -> None:
    net = gc.nn.ConvNet(1, 2, blocks=1, norm=lambda channels: gc.nn.InstanceNorm(channels, affine=True))
    assert _count(net, gc.nn.InstanceNorm) == 1


def test_residual_blocks_with_poolings_between_train() -> None:
    pool = [1 if number in (2, 6) else 0 for number in range(10)]
    net = gc.nn.ConvNet(1, 10, blocks=10, convs=2, pool=pool, channels=2, residual=True)
    x, label = gc.input("x", ("N", 1, 8, 8)), gc.input("label", ("N",), "int64")
    loss = gc.nn.cross_entropy(net(x), label, ignore_index=None)
    step = gc.compile(loss, [x, label], updates=gc.optim.SGD(1e-6).updates(loss, gc.parameters(loss)))
    image = np.random.default_rng(3).standard_normal((2, 1, 8, 8)).astype(np.float32)
    assert np.isfinite(step(image * 1e-3, np.array([1, 2])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 5, "image_size": 28}, "5 poolings use up an image of 28 × 28"),
        ({"pooling": "sum"}, "pooling = 'sum'"),
        ({"norm": "layer"}, "norm = 'layer'"),
        ({"blocks": 2, "convs": [1, 2, 3]}, "for 2 blocks"),
        ({"pool": -1}, "pool = -1"),
        ({"dense": -1}, "-1 dense layers"),
    ],
)
def test_mistakes_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(gc.GraphError, match=message) as caught:
        gc.nn.ConvNet(1, 10, **options)
    assert caught.value.remedy
