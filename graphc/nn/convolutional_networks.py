"""Convolutional networks: residual units, and the builder of blocks of convolutions before dense layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphc import init
from graphc.errors import GraphError, ShapeError
from graphc.init import Initializer
from graphc.ir.dimension import format_shape, same_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.containers import Sequential
from graphc.nn.convolution_layers import Conv2d
from graphc.nn.dropout_layers import Dropout
from graphc.nn.layer import Layer
from graphc.nn.layers import ActivationLike, Dense, Flatten, activation_function
from graphc.nn.normalization_layers import BatchNorm, GroupNorm
from graphc.nn.pooling_layers import AvgPool2d, MaxPool2d
from graphc.nn.resampling_layers import GlobalAvgPool

Step: TypeAlias = "Layer | Callable[[Tensor], Tensor]"
NormLike: TypeAlias = "str | Callable[[int], Layer] | None"
HE = init.he_normal()


class Residual(Layer):
    """activation(shortcut(x) + inner(x)): the inner part learns only what is to be added to x.

    ``shortcut`` is the identity if left out; give a layer where shapes differ, e.g. a pointwise
    convolution. In the derivative the identity stays as a path of its own, ``∂L/∂x = ∂L/∂y + …``, so that
    gradients pass any number of units. He et al. 2016; Qiu, *Neural Networks and Deep Learning*, 5.4.4.

    Raises ShapeError where the two parts give different shapes.

    >>> import graphc as gc
    >>> unit = gc.nn.Residual(gc.nn.Dense(8, 8, activation="relu"))
    >>> unit(gc.input("x", ("N", 8)))
    <add: float32(N, 8)>
    >>> [p.name for p in unit.parameters()]
    ['residual/inner/weight', 'residual/inner/bias']
    """

    default_name = "residual"

    def __init__(
        self,
        inner: Step,
        shortcut: Step | None = None,
        activation: ActivationLike = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.inner, self.shortcut = inner, shortcut
        self.activation = activation_function(activation)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        added = _applied(self.inner, x, training)
        kept = x if self.shortcut is None else _applied(self.shortcut, x, training)
        if not same_shape(kept.shape, added.shape):
            raise ShapeError(
                f"the shortcut has shape {format_shape(kept.shape)}, "
                f"the inner part {format_shape(added.shape)}",
                op=repr(self), location=user_location(),
                remedy="give shortcut=… a layer that brings x to the shape of the inner part, "
                "e.g. gc.nn.Conv2d(in_channels, out_channels, 1, stride=…)",
            )  # fmt: skip
        y = kept + added
        return y if self.activation is None else self.activation(y)


def _applied(part: Step, x: Tensor, training: bool) -> Tensor:
    return part(x, training=training) if isinstance(part, Layer) else part(x)


def normalization(norm: NormLike, channels: int, name: str, scale: float = 1.0) -> Layer | None:
    """The normalisation of this many channels that "batch", "group", a function or None names.

    ``scale`` is what its scale begins with; a function decides that itself.
    """
    if norm is None:
        return None
    if callable(norm):
        return norm(channels)
    if norm == "batch":
        return BatchNorm(channels, init=scale, name=name)
    if norm == "group":
        groups = next(g for g in (32, 16, 8, 4, 2, 1) if channels % g == 0)
        return GroupNorm(groups, channels, init=scale, name=name)
    raise GraphError(
        f"norm = {norm!r} is unknown", op="ConvNet", location=user_location(),
        remedy='use "batch", "group", None, or a function that makes a layer for a number of channels',
    )  # fmt: skip


class ResidualBlock(Residual):
    """Two 3×3 convolutions with normalisation beside a shortcut: the block of ResNet-18 and -34.

    ``relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))``; the first convolution has the stride. The
    shortcut is the identity, or a pointwise convolution and normalisation where the shape changes.
    He et al. 2016, section 3.3, option B.

    With ``zero_init`` what is added begins as zero (the last scale, or the last filters where there is no
    normalisation): the block begins as its shortcut, and any number of them passes gradients unchanged.
    Goyal et al. 2017, section 5.1.

    >>> import graphc as gc
    >>> gc.nn.ResidualBlock(16, 32, stride=2)(gc.input("x", ("N", 16, 8, 8)), training=True).shape
    (N, 32, 4, 4)
    """

    default_name = "residual_block"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        norm: NormLike = "batch",
        activation: ActivationLike = "relu",
        zero_init: bool = False,
        *,
        init: Initializer | float = HE,
        name: str | None = None,
    ) -> None:
        between = activation_function(activation)

        def convolved(channels: int, size: int, step: int, place: str, scale: float = 1.0) -> list[Step]:
            conv = Conv2d(
                channels, out_channels, size, step, size // 2,
                bias=norm is None,  # a normalisation's shift is one
                init=init if norm is not None or scale else 0.0, name="conv" + place,
            )  # fmt: skip
            after = normalization(norm, out_channels, "norm" + place, scale)
            return [conv] if after is None else [conv, after]

        steps = convolved(in_channels, 3, stride, "1")
        steps += [] if between is None else [between]
        steps += convolved(out_channels, 3, 1, "2", 0.0 if zero_init else 1.0)
        changes = stride != 1 or in_channels != out_channels
        shortcut = Sequential(*convolved(in_channels, 1, stride, "")) if changes else None
        super().__init__(Sequential(*steps), shortcut, activation, name=name)


class ConvNet(Sequential):
    """Blocks × (``convs`` convolutions, ``pool`` poolings), then ``dense`` layers.

    Each convolution is 3×3 (``kernel_size``) and keeps the image's size, with normalisation (``norm``:
    None, "batch", "group" or a function of the number of channels) and ``activation`` behind it; each
    pooling halves it. ``convs`` and ``pool`` are one number, or one a block, so that a deep network need
    not pool everywhere. ``channels`` are those of the first block, doubled after each pooling up to 8
    times, or one number a block. ``residual`` puts a shortcut beside each block's convolutions.

    The dense layers, of ``hidden`` units but for the last with ``classes``, read the image of the given
    ``image_size``, or its mean over all places where none is given: such a network takes images of any
    size. With ``dense=0`` there is no dense layer at all: a pointwise convolution gives a map of classes,
    and its mean is the result (fully convolutional).

    x is (N, in_channels, H, W), the result (N, classes): logits. Qiu, *Neural Networks and Deep Learning*,
    section 5.3, where 1 ≤ convs ≤ 5, pool is 0 or 1, and 1 ≤ blocks ≤ 100 or more.

    Raises GraphError for arguments that do not fit, ShapeError where poolings use up the image.

    >>> import graphc as gc
    >>> net = gc.nn.ConvNet(1, 10, blocks=2, convs=2, pool=1, dense=2, channels=16)
    >>> net(gc.input("x", ("N", 1, 28, 28))).shape
    (N, 10)
    >>> gc.nn.ConvNet(3, 5, blocks=1, dense=0)(gc.input("x", ("N", 3, "H", "W"))).shape
    (N, 5)
    """

    default_name = "convnet"

    def __init__(
        self,
        in_channels: int,
        classes: int,
        blocks: int = 2,
        convs: int | Sequence[int] = 1,
        pool: int | Sequence[int] = 1,
        dense: int = 1,
        *,
        channels: int | Sequence[int] = 32,
        hidden: int = 128,
        kernel_size: int = 3,
        image_size: int | tuple[int, int] | None = None,
        activation: ActivationLike = "relu",
        norm: NormLike = None,
        pooling: str = "max",
        residual: bool = False,
        dropout: float = 0.0,
        init: Initializer | float = HE,
        name: str | None = None,
    ) -> None:
        if pooling not in ("max", "avg"):
            raise _refused(f"pooling = {pooling!r} is unknown", 'use "max" or "avg"')
        if dense < 0 or blocks < 0:
            raise _refused(f"{blocks} blocks and {dense} dense layers", "give numbers of at least 0")
        each_convs, each_pool = _each(convs, blocks, "convs"), _each(pool, blocks, "pool")
        widths = _widths(channels, each_pool, blocks)
        between = activation_function(activation)

        def convolved(width: int, out: int, place: int) -> list[Step]:
            conv = Conv2d(
                width, out, kernel_size, padding="same", bias=norm is None, init=init, name=f"conv{place + 1}"
            )
            after = normalization(norm, out, f"norm{place + 1}")
            return [conv, *([] if after is None else [after]), *([] if between is None else [between])]

        steps: list[Step] = []
        width = in_channels
        for number in range(blocks):
            out = widths[number]
            body: list[Step] = []
            for place in range(each_convs[number]):
                body += convolved(width if place == 0 else out, out, place)
            if residual and body:
                shortcut = None if width == out else Conv2d(width, out, 1, bias=False, init=init)
                body = [Residual(Sequential(*body), shortcut, name="residual")]
            width = out if each_convs[number] else width
            for place in range(each_pool[number]):
                kind = MaxPool2d if pooling == "max" else AvgPool2d
                body.append(kind(2, name=f"pool{place + 1}"))
            steps.append(Sequential(*body, name=f"block{number + 1}"))
        steps += _head(
            width, classes, dense, hidden, _reduced(image_size, sum(each_pool)), between, dropout, init
        )
        super().__init__(*steps, name=name)


def _head(
    width: int, classes: int, dense: int, hidden: int, size: tuple[int, int] | None,
    between: Callable[[Tensor], Tensor] | None, dropout: float, init: Initializer | float,
) -> list[Step]:  # fmt: skip
    """From the last images to logits."""
    if dense == 0:
        return [Conv2d(width, classes, 1, name="classes"), GlobalAvgPool(name="mean")]
    steps: list[Step] = [GlobalAvgPool(name="mean") if size is None else Flatten(name="flatten")]
    features = width if size is None else width * size[0] * size[1]
    for number in range(dense):
        last = number == dense - 1
        if dropout:
            steps.append(Dropout(dropout, name=f"dropout{number + 1}"))
        out = classes if last else hidden
        steps.append(Dense(features, out, init=HE if not last else init, name=f"dense{number + 1}"))
        if not last and between is not None:
            steps.append(between)
        features = out
    return steps


def _each(value: int | Sequence[int], blocks: int, what: str) -> list[int]:
    """One number a block."""
    numbers = [value] * blocks if isinstance(value, int) else list(value)
    if len(numbers) != blocks or any(n < 0 for n in numbers):
        raise _refused(
            f"{what} = {value!r} for {blocks} blocks", "give one number of at least 0, or one for each block"
        )
    return numbers


def _widths(channels: int | Sequence[int], pools: list[int], blocks: int) -> list[int]:
    if not isinstance(channels, int):
        return _each(channels, blocks, "channels")
    return [min(channels * 2 ** sum(pools[:number]), 8 * channels) for number in range(blocks)]


def _reduced(image_size: int | tuple[int, int] | None, pools: int) -> tuple[int, int] | None:
    """The size of the image behind all poolings."""
    if image_size is None:
        return None
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    size = height >> pools, width >> pools
    if min(size) < 1:
        raise _refused(
            f"{pools} poolings use up an image of {height} × {width}", "pool less, e.g. pool=[1, 1, 0, …]"
        )
    return size


def _refused(message: str, remedy: str) -> GraphError:
    return GraphError(message, op="ConvNet", location=user_location(), remedy=remedy)
