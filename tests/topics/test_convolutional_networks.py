"""TOPICS rows 16 and 19: blocks of convolutions and poolings before dense layers, and residual units."""

from collections import Counter

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import graphc as gc

F64 = "float64"
EPOCHS = 25


def _kinds(output: gc.Tensor) -> Counter[str]:
    return Counter(node.op.name for node in gc.to_networkx(output).nodes)


# -- row 16: a convolutional network ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("blocks", "convs", "pool", "dense"),
    [(1, 2, 0, 1), (2, 3, 1, 2), (3, 2, 1, 0), (4, 5, 0, 2), (0, 2, 1, 1)],
)
def test_the_builder_stacks_n_blocks_of_m_and_b_before_k(
    blocks: int, convs: int, pool: int, dense: int
) -> None:
    net = gc.nn.ConvNet(1, 10, blocks, convs, pool, dense, channels=4, hidden=16, image_size=16)
    y = net(gc.input("x", ("N", 1, 16, 16)))
    kinds = _kinds(y)
    assert y.shape[1:] == (10,)
    assert kinds["convolution"] == blocks * convs + (dense == 0)
    assert kinds["max_pool"] == blocks * pool
    assert kinds["matmul"] == dense
    # By hand: 3×3 filters and biases, channels doubled behind each pooling; the dense layers after.
    expected, width, side = 0, 1, 16
    for block in range(blocks):
        out = 4 * min(2 ** (pool * block), 8)
        expected += out * width * 9 + out + (convs - 1) * (out * out * 9 + out)
        width, side = out, side // 2**pool
    features = width * side**2
    head = {0: width * 10 + 10, 1: features * 10 + 10, 2: features * 16 + 16 + 16 * 10 + 10}
    assert sum(int(np.prod(p.shape)) for p in gc.parameters(y)) == expected + head[dense]


def test_a_fully_convolutional_network_takes_any_image_size() -> None:
    """One declaration, one compiled function; the result is the mean of a map of classes."""
    net = gc.nn.ConvNet(3, 5, blocks=2, convs=2, dense=0, channels=8)
    x = gc.input("x", ("N", 3, "H", "W"))
    f = gc.compile(net(x), [x])
    head = net[-2]
    assert isinstance(head, gc.nn.Conv2d) and head.kernel_size == (1, 1)
    classes = gc.compile(net[:-1](x), [x], params=f.params)
    picture = gc.datasets.photographs()["flower"].transpose(2, 0, 1)[None] / np.float32(255)
    for height, width in ((4, 4), (32, 32), (33, 47), (213, 320), (7, 100)):
        image = picture[:, :, :height, :width]
        sized = gc.input("x", image.shape)
        fixed = gc.compile(net(sized), [sized], params=f.params)
        maps = classes(image)
        assert maps.shape == (1, 5, height // 4, width // 4)
        np.testing.assert_allclose(f(image), maps.mean(axis=(2, 3)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(f(image), fixed(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("blocks", "residual"), [(12, False), (100, True)])
def test_many_blocks_build_differentiate_and_compile(blocks: int, residual: bool) -> None:
    net = gc.nn.ConvNet(
        1, 10, blocks=blocks, convs=2, pool=[1, *[0] * (blocks - 2), 1], dense=1, channels=4, norm="batch",
        residual=residual, image_size=8,
    )  # fmt: skip
    x, label = gc.input("x", ("N", 1, 8, 8)), gc.input("label", ("N",), "int64")
    y = net(x, training=True)
    assert _kinds(y)["convolution"] == 2 * (blocks + residual), "a shortcut where channels change"
    loss = gc.nn.cross_entropy(y, label)
    weights = gc.parameters(loss)
    updates = gc.optim.SGD(1e-3).updates(loss, weights) | gc.nn.state_updates(y)
    step = gc.compile(loss, [x, label], updates=updates)
    train, _ = gc.datasets.digits()
    batch = train.images[:16, None], train.labels[:16]
    before = {p.name: step.params[p.name].copy() for p in weights}
    assert np.isfinite(float(step(*batch)))
    assert np.isfinite(float(step(*batch)))
    assert all(np.isfinite(array).all() for array in step.params.values())
    assert (before["convnet/dense1/bias"] != step.params["convnet/dense1/bias"]).any()


def _shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the digits moved by up to one pixel each way: what is written does not change."""
    moves = np.where(rng.random((len(images), 1)) < 0.5, 0, rng.integers(-1, 2, (len(images), 2)))
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack([p[:, 1 + a : 9 + a, 1 + b : 9 + b] for p, (a, b) in zip(padded, moves, strict=True)])


def test_it_reads_real_digits() -> None:
    train, held_out = gc.datasets.digits()
    x, label = gc.input("x", ("N", 1, 8, 8)), gc.input("label", ("N",), "int64")
    net = gc.nn.ConvNet(
        1, 10, blocks=2, convs=2, dense=2, channels=32, norm="batch", dropout=0.3, residual=True, image_size=8
    )
    y, epochs, size = net(x, training=True), EPOCHS, 64
    loss = gc.nn.cross_entropy(y, label)
    rate = gc.optim.schedules.cosine_decay(3e-3, epochs * -(-len(train.labels) // size))
    updates = gc.optim.Adam(rate).updates(loss, gc.parameters(loss)) | gc.nn.state_updates(y)
    step = gc.compile(loss, [x, label], updates=updates)
    right = gc.equal(gc.argmax(net(x), axis=1), label).astype("float32").mean()
    measures = {"loss": gc.nn.cross_entropy(net(x), label), "accuracy": right}
    evaluate = gc.compile(measures, [x, label], params=step.params)

    def shifted(epoch: int):
        images = _shifted(train.images[:, None], np.random.default_rng(epoch))
        return gc.datasets.batches((images, train.labels), size, shuffle=True, epoch=epoch)

    with threadpool_limits(1):  # products this small lose by waiting for a second thread
        history = gc.fit(
            step, shifted, epochs=epochs, progress=False,
            validation=(held_out.images[:, None], held_out.labels), evaluate=evaluate,
        )  # fmt: skip
    assert history.last["loss"] < 0.1 < history.epochs["loss"][0]
    assert history.last["validation_accuracy"] >= 0.99


# -- row 19: the residual unit ------------------------------------------------------------------------------
def test_the_gradient_of_a_residual_unit_has_the_identity_as_a_path() -> None:
    """y = x + f(x): ∂L/∂x = ∂L/∂y + f'(x)ᵀ ∂L/∂y, and the graph says so."""
    x, cotangent = gc.input("x", ("N", 8), F64), gc.input("cotangent", ("N", 8), F64)
    unit = gc.nn.Residual(gc.nn.Dense(8, 8, activation="tanh", dtype=F64))
    y = unit(x)
    assert y.op.name == "add" and y.inputs[0] is x
    by_x = gc.vjp(y, x, cotangent)
    assert by_x.op.name == "add"
    assert any(part is cotangent for part in by_x.inputs), "the cotangent itself, through no other node"
    (other,) = (part for part in by_x.inputs if part is not cotangent)
    inner = gc.vjp(unit.inner(x), x, cotangent)
    f = gc.compile((by_x, other, inner), [x, cotangent])
    rng = np.random.default_rng(0)
    c = rng.standard_normal((4, 8))
    whole, through, expected = f(rng.standard_normal((4, 8)), c)
    np.testing.assert_allclose(through, expected, rtol=1e-12)
    np.testing.assert_allclose(whole, c + through, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 100])
def test_with_inner_weights_of_zero_the_gradient_passes_unchanged(depth: int) -> None:
    x, cotangent = gc.input("x", ("N", 3, 5, 5)), gc.input("cotangent", ("N", 3, 5, 5))
    units = [gc.nn.Residual(gc.nn.Conv2d(3, 3, 3, padding=1, init=0.0)) for _ in range(depth)]
    y = gc.nn.Sequential(*units)(x)
    f = gc.compile((y, gc.vjp(y, x, cotangent)), [x, cotangent])
    rng = np.random.default_rng(1)
    image, c = (rng.standard_normal((2, 3, 5, 5)).astype(np.float32) for _ in range(2))
    value, gradient = f(image, c)
    np.testing.assert_array_equal(value, image)
    np.testing.assert_array_equal(gradient, c)


def _gradient_norms(residual: bool, depth: int = 100, channels: int = 8) -> np.ndarray:
    """‖∂L/∂h_k‖ for what enters the first of 100 blocks of two convolutions, and what leaves each.

    The residual ones begin as Goyal et al. (2017) begin theirs; the plain ones with Glorot's values. The data
    are real digits.
    """
    train, _ = gc.datasets.digits()
    x, label = gc.input("x", ("N", 1, 8, 8)), gc.input("label", ("N",), "int64")
    h = gc.nn.Conv2d(1, channels, 3, padding=1, name="stem")(x)
    outputs = [h]
    for number in range(depth):
        name = f"block{number}"
        block: gc.nn.Layer
        if residual:
            block = gc.nn.ResidualBlock(channels, channels, zero_init=True, name=name)
        else:
            convs = [gc.nn.Conv2d(channels, channels, 3, padding=1, activation="relu") for _ in range(2)]
            block = gc.nn.Sequential(*convs, name=name)
        h = block(h, training=True)
        outputs.append(h)
    logits = gc.nn.Dense(channels, 10, name="classes")(gc.nn.GlobalAvgPool()(h))
    loss = gc.nn.cross_entropy(logits, label)
    norms = [gc.sqrt((g.astype(F64) ** 2).sum()) for g in gc.grad(loss, outputs)]
    measure = gc.compile(norms, [x, label], optimize="none")  # for one call
    return np.array(measure(train.images[:64, None], train.labels[:64]))


def test_a_hundred_residual_blocks_keep_the_gradient_norm_where_plain_ones_lose_it() -> None:
    kept = _gradient_norms(residual=True)
    assert kept.max() <= 10 * kept.min()
    lost = _gradient_norms(residual=False)
    assert lost[0] < 1e-20 * lost[-1]
