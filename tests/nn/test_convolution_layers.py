"""Convolution and pooling layers: each equals its function, and PyTorch's layer of the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

F64 = "float64"
# name, positional arguments, options, shape of x: the same in graphc and in PyTorch
CONVOLUTIONS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Conv1d", (2, 4, 3), {}, (2, 2, 9)),
    ("Conv1d", (4, 6, 2), {"stride": 2, "padding": 1, "groups": 2, "bias": False}, (3, 4, 7)),
    ("Conv2d", (3, 4, (3, 2)), {"padding": (1, 0), "dilation": 2}, (2, 3, 8, 7)),
    ("Conv2d", (2, 4, 3), {"padding": 2, "padding_mode": "reflect"}, (1, 2, 6, 6)),
    ("Conv2d", (2, 2, 3), {"padding": "same"}, (1, 2, 5, 6)),
    ("Conv3d", (1, 2, 2), {"stride": (1, 2, 1)}, (2, 1, 3, 4, 4)),
    ("ConvTranspose1d", (3, 2, 4), {"stride": 2, "padding": 1}, (2, 3, 5)),
    ("ConvTranspose2d", (4, 4, 3), {"stride": 2, "output_padding": 1, "groups": 2}, (2, 4, 4, 3)),
    ("ConvTranspose3d", (2, 1, 2), {"stride": 2, "bias": False}, (1, 2, 2, 3, 2)),
]
POOLS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("MaxPool1d", (3,), {"stride": 2}, (2, 3, 9)),
    ("MaxPool2d", ((2, 3),), {"padding": 1, "dilation": (2, 1)}, (2, 3, 8, 9)),
    ("MaxPool3d", (2,), {"ceil_mode": True}, (1, 2, 3, 4, 5)),
    ("AvgPool1d", (4,), {"stride": 3, "padding": 2}, (2, 3, 9)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, (2, 3, 8, 9)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, (1, 2, 4, 4, 5)),
    ("LPPool1d", (2, 3), {"stride": 2}, (2, 3, 9)),
    ("LPPool2d", (3, 2), {}, (2, 3, 6, 6)),
    ("LPPool3d", (2, 2), {}, (1, 2, 4, 4, 4)),
]


def _ids(cases: list[Any]) -> list[str]:
    return [f"{name} {options}" for name, _, options, _ in cases]


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), CONVOLUTIONS, ids=_ids(CONVOLUTIONS))
def test_convolutions_equal_torch_with_its_weights(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*arguments, **options, dtype=torch.float64)
    ours = getattr(gc.nn, name)(*arguments, **options, name="layer", dtype=F64)
    x = gc.input("x", ("N", *shape[1:]), F64)
    y = ours(x)
    f = gc.compile([y, *gc.grad((y**2).sum(), [x, *ours.parameters()])], [x])
    assert f.params["layer/weight"].shape == tuple(theirs.weight.shape)
    f.params["layer/weight"][...] = theirs.weight.detach().numpy()
    if theirs.bias is not None:
        f.params["layer/bias"][...] = theirs.bias.detach().numpy()
    value = np.random.default_rng(0).standard_normal(shape)
    given = torch.tensor(value, requires_grad=True)
    expected = theirs(given)
    slopes = torch.autograd.grad((expected**2).sum(), [given, *theirs.parameters()])
    for mine, other in zip(f(value), [expected, *slopes], strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), POOLS, ids=_ids(POOLS))
def test_pools_equal_torch(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    torch = pytest.importorskip("torch")
    x = gc.input("x", ("N", *shape[1:]), F64)
    layer = getattr(gc.nn, name)(*arguments, **options)
    assert layer.parameters() == []
    value = np.random.default_rng(1).uniform(0.1, 2.0, shape)
    expected = getattr(torch.nn, name)(*arguments, **options)(torch.tensor(value)).numpy()
    np.testing.assert_allclose(gc.compile(layer(x), [x])(value), expected, rtol=1e-12)


def test_layers_are_named_by_their_kind_and_share_their_parameters() -> None:
    layer = gc.nn.Conv2d(1, 2, 3, activation="tanh")
    x = gc.input("x", (1, 1, 8, 8))
    first, second = layer(x), layer(x * 2)
    assert [p.name for p in gc.parameters(first, second)] == ["conv2d/weight", "conv2d/bias"]
    assert first.op.name == "tanh" and first.scope == ("conv2d",)
    assert gc.nn.ConvTranspose2d(1, 2, 3).name == "conv_transpose2d"
    assert gc.nn.MaxPool2d(2, name="pool").name == "pool"


def test_channels_last() -> None:
    layer = gc.nn.Sequential(
        gc.nn.Conv2d(3, 4, 3, layout="NHWC", name="conv"), gc.nn.MaxPool2d(2, layout="NHWC")
    )
    x = gc.input("x", ("N", 8, 8, 3))
    first = gc.nn.Sequential(gc.nn.Conv2d(3, 4, 3, name="conv"), gc.nn.MaxPool2d(2))
    y = gc.input("y", ("N", 3, 8, 8))
    f = gc.compile(layer(x), [x])
    g = gc.compile(first(y), [y], params=f.params)
    value = np.random.default_rng(2).standard_normal((2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(
        f(value).transpose(0, 3, 1, 2), g(value.transpose(0, 3, 1, 2).copy()), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gc.nn.Conv2d(4, 8, 3)(x), r"axis -3 must be 4"),
        (lambda x: gc.nn.Conv2d(4, 8, 3, layout="NHWC")(x), r"axis -1 must be 4"),
        (lambda x: gc.nn.Conv2d(4, 6, 3, groups=4), r"do not divide into 4 groups"),
        (lambda x: gc.nn.Conv2d(0, 6, 3), r"in_channels = 0"),
        (lambda x: gc.nn.Conv2d(3, 6, (3, 3, 3)), r"names 3 axes, where there are 2"),
        (lambda x: gc.nn.Conv2d(3, 6, 9)(x), r"the filter spans 9"),
        (lambda x: gc.nn.MaxPool2d(9)(x), r"a window of 9 does not fit"),
    ],
)
def test_mistakes_name_the_line_and_a_remedy(call: Any, message: str) -> None:
    with pytest.raises(gc.ShapeError, match=message) as caught:
        call(gc.input("x", ("N", 3, 8, 8)))
    assert caught.value.remedy and "test_convolution_layers.py" in str(caught.value.location)
