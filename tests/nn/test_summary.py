"""Summaries against published sizes of published networks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import graphc as gc
from graphc import nn


def lenet() -> nn.Layer:
    """LeNet-5 as it is built today (LeCun et al. 1998; Zhang et al., *Dive into Deep Learning*, 7.6)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, activation="sigmoid"), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, activation="sigmoid"), nn.AvgPool2d(2), nn.Flatten(),
        nn.Dense(400, 120, activation="sigmoid"), nn.Dense(120, 84, activation="sigmoid"), nn.Dense(84, 10),
        name="lenet",
    )  # fmt: skip


def alexnet() -> nn.Layer:
    """A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2, activation="relu"), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2, activation="relu"), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1, activation="relu"),
        nn.Conv2d(384, 256, 3, padding=1, activation="relu"),
        nn.Conv2d(256, 256, 3, padding=1, activation="relu"), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Dropout(), nn.Dense(256 * 6 * 6, 4096, activation="relu"),
        nn.Dropout(), nn.Dense(4096, 4096, activation="relu"), nn.Dense(4096, 1000),
    )  # fmt: skip


def vgg16() -> nn.Layer:
    """K. Simonyan, A. Zisserman, "Very deep convolutional networks", 2014, configuration D."""
    steps: list[Any] = []
    channels = 3
    for width, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(layers):
            steps.append(nn.Conv2d(channels, width, 3, padding=1, activation="relu"))
            channels = width
        steps.append(nn.MaxPool2d(2))
    widths = (512 * 7 * 7, 4096, 4096, 1000)
    dense = [nn.Dense(a, b, activation="relu") for a, b in pairwise(widths)]
    return nn.Sequential(*steps, nn.Flatten(), *dense)


def resnet18() -> nn.Layer:
    """K. He et al., "Deep residual learning for image recognition", 2016, table 1."""
    blocks: list[Any] = []
    channels = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for step in (stride, 1):
            blocks.append(nn.ResidualBlock(channels, width, stride=step))
            channels = width
    stem = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
    return nn.Sequential(
        stem, nn.BatchNorm(64), nn.relu, nn.MaxPool2d(3, 2, padding=1), *blocks, nn.GlobalAvgPool(),
        nn.Flatten(), nn.Dense(512, 1000),
    )  # fmt: skip


# Parameters and 10⁹ multiply-adds as torchvision documents them (num_params, GFLOPS), but for LeNet's.
@pytest.mark.parametrize(
    ("model", "size", "parameters", "giga"),
    [
        (lenet, (1, 28, 28), 61_706, None),
        (alexnet, (3, 224, 224), 61_100_840, 0.71),
        (vgg16, (3, 224, 224), 138_357_544, 15.47),
        (resnet18, (3, 224, 224), 11_689_512, 1.81),
    ],
)
def test_published_networks(model: Any, size: tuple[int, ...], parameters: int, giga: float | None) -> None:
    found = gc.summary(model(), (1, *size))
    assert found.trainable == parameters
    if giga is not None:
        assert round(found.operations / 1e9, 2) == giga
    by_tensor = gc.summary(model()(gc.input("x", (1, *size))))
    assert (by_tensor.trainable, by_tensor.operations) == (found.trainable, found.operations)


def test_the_table_of_lenet() -> None:
    assert gc.summary(lenet(), ("N", 1, 28, 28)).table().splitlines() == [
        "layer  kind        output           parameters  multiply-adds per N",
        "───────────────────────────────────────────────────────────────────",
        "x      input       (N, 1, 28, 28)",
        "lenet  Sequential  (N, 10)",
        "  0    Conv2d      (N, 6, 28, 28)          156              117,600",
        "  1    AvgPool2d   (N, 6, 14, 14)",
        "  2    Conv2d      (N, 16, 10, 10)       2,416              240,000",
        "  3    AvgPool2d   (N, 16, 5, 5)",
        "  4    Flatten     (N, 400)",
        "  5    Dense       (N, 120)             48,120               48,000",
        "  6    Dense       (N, 84)              10,164               10,080",
        "  7    Dense       (N, 10)                 850                  840",
        "───────────────────────────────────────────────────────────────────",
        "total                                   61,706              416,520",
    ]


def test_a_convolution_needs_far_fewer_parameters_than_a_dense_layer() -> None:
    """Qiu, *Neural Networks and Deep Learning*, 5.2: weights are local and shared."""
    image = ("N", 3, 32, 32)
    conv = gc.summary(nn.Conv2d(3, 8, 5, padding=2), image)
    dense = gc.summary(nn.Sequential(nn.Flatten(), nn.Dense(3 * 32 * 32, 8 * 32 * 32)), image)
    assert conv.parameters == 8 * 3 * 5 * 5 + 8
    assert dense.parameters == 3 * 32 * 32 * 8 * 32 * 32 + 8 * 32 * 32
    n = gc.input("n", ("N",)).shape[0]
    assert conv.operations == n * 32 * 32 * 8 * 3 * 5 * 5
    assert dense.operations == n * 3 * 32 * 32 * 8 * 32 * 32


def test_statistics_are_counted_apart_and_layers_nest() -> None:
    found = gc.summary(nn.ResidualBlock(4, 8, stride=2, name="block"), ("N", 4, 8, 8))
    names = [layer.name for layer in found.layers]
    assert names[:3] == ["x", "block", "block/shortcut"]
    assert names.index("block/inner/conv1") < names.index("block/inner/conv2")
    # Three BatchNorms of 8 channels, filters 3×3 of 4 → 8 and 8 → 8, pointwise 4 → 8.
    assert (found.trainable, found.fixed) == (8 * 4 * 9 + 8 * 8 * 9 + 8 * 4 + 3 * 16, 3 * 16)
    table = str(found).splitlines()
    assert "not trained" in table[0]
    assert any(line.startswith("    conv1") for line in table)


def test_layers_that_compute_nothing_keep_their_place() -> None:
    net = nn.Sequential(nn.Dense(3, 4), nn.relu, nn.Dropout(), nn.Dense(4, 2), nn.Identity())
    found = gc.summary(net, ("N", 3))
    kinds = ["input", "Dense", "relu", "Dropout", "Dense", "Identity"]
    assert [layer.kind for layer in found.layers] == kinds
    assert [layer.shape is None for layer in found.layers] == [False, False, False, True, False, True]


def test_shared_layers_count_once_but_cost_twice() -> None:
    layer = nn.Dense(5, 5)
    x = gc.input("x", (2, 5))
    found = gc.summary(layer(layer(x)))
    assert (found.parameters, found.operations) == (30, 2 * 2 * 5 * 5)


def test_a_layer_called_in_another_scope_keeps_its_parameters() -> None:
    layer = nn.Dense(5, 3)
    with gc.scope("head"):
        y = layer(gc.input("x", (2, 5)))
    assert [(r.name, r.trainable) for r in gc.summary(y).layers] == [
        ("x", 0),
        ("head", 0),
        ("head/dense", 18),
    ]


def test_plain_functions_have_a_row_for_each_product_and_pooling() -> None:
    x = gc.input("x", ("N", 1, 28, 28))
    h = nn.relu(nn.conv2d(x, gc.parameter("w", (4, 1, 3, 3)), gc.parameter("b", (4,))))
    h = nn.max_pool2d(h, 2)
    y = nn.softmax(h.reshape("N", -1) @ gc.parameter("v", (676, 10)))
    found = gc.summary({"y": y, "h": h})
    kinds = ["input", "convolution", "max_pool", "reshape", "matmul"]
    assert [layer.kind for layer in found.layers] == kinds
    assert [layer.trainable for layer in found.layers] == [0, 40, 0, 0, 6760]


def test_gradients_and_unused_parameters() -> None:
    x = gc.input("x", (2, 5))
    net = nn.Sequential(nn.Dense(5, 5), nn.Dense(5, 1))
    loss = net(x).sum()
    w = net.parameters()[0]
    assert gc.summary([loss, gc.grad(loss, w)]).operations == gc.summary(loss).operations == 2 * 30

    class Half(nn.Layer):
        def __init__(self) -> None:
            super().__init__("half")
            self.used, self.unused = nn.Dense(5, 2), nn.Dense(5, 3)

        def forward(self, x: gc.Tensor, training: bool) -> gc.Tensor:
            return self.used(x)

    assert gc.summary(Half(), x).parameters == 12 + 18


def test_counts_that_are_not_proportional_to_the_batch_stay_symbolic() -> None:
    x = gc.input("x", ("N", 5))
    found = gc.summary(x @ x.T)
    n = x.shape[0]
    assert found.per is None
    assert found.operations == 5 * n**2
    assert str(found).splitlines()[0].endswith("multiply-adds")
    assert found.to_dict()["operations"] == "5*N**2"
    by_image = gc.summary(nn.Conv2d(1, 2, 3, padding=1), ("N", 1, "H", "W"))
    assert by_image.per is n
    assert "18*H*W" in str(by_image)


def test_plain_data() -> None:
    data = gc.summary(nn.Dense(3, 2), ("N", 3)).to_dict()
    assert data["layers"][1] == {
        "name": "dense", "kind": "Dense", "shape": ["N", 2], "trainable": 8, "fixed": 0, "operations": "6*N",
    }  # fmt: skip
    assert (data["trainable"], data["fixed"], data["operations"]) == (8, 0, "6*N")
    assert repr(gc.summary(nn.Dense(3, 2), ("N", 3))) == "<summary of 2 layers: 8 parameters>"


def test_errors_tell_what_to_do() -> None:
    with pytest.raises(gc.GraphError, match=r"a model needs its inputs(.|\n)*gc\.summary\(net"):
        gc.summary(nn.Dense(3, 2))
    with pytest.raises(gc.GraphError, match="an input is a tensor or a shape, but 3 was given"):
        gc.summary(nn.Dense(3, 2), 3)
    with pytest.raises(gc.GraphError, match="tensors have their inputs"):
        gc.summary(gc.input("x", (3,)), (3,))
    with pytest.raises(gc.GraphError, match="but int was given"):
        gc.summary(5)
