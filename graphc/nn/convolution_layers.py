"""Convolutions as layers: each holds its filters, bias and arguments, and maps images to images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphc.errors import ShapeError
from graphc.init import Initializer
from graphc.ir.dimension import format_shape, same
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn import convolution
from graphc.nn.layer import Layer
from graphc.nn.layers import GLOROT, ActivationLike, activation_function
from graphc.nn.spatial import Ints, Padding, channels_last
from graphc.ops.arguments import integer, shape_error
from graphc.ops.windows import each_axis


class _Convolution(Layer):
    """What all convolution layers share: filters (O, C/groups, …), a bias (O,), an activation."""

    rank: ClassVar[int]
    function: ClassVar[Callable[..., Tensor]]
    weight: Tensor
    bias: Tensor | None
    arguments: dict[str, Any]
    activation: Callable[[Tensor], Tensor] | None

    def _declare(
        self, in_channels: int, out_channels: int, kernel_size: object, groups: int, bias: bool,
        init: Initializer | float, bias_init: Initializer | float, transposed: bool = False,
    ) -> None:  # fmt: skip
        op = type(self).__name__
        for number, what in (
            (in_channels, "in_channels"),
            (out_channels, "out_channels"),
            (groups, "groups"),
        ):
            if integer(number, what, op) < 1:
                raise shape_error(op, f"{what} = {number}", "give at least 1")
        if in_channels % groups or out_channels % groups:
            raise shape_error(
                op,
                f"{in_channels} channels in and {out_channels} out do not divide into {groups} groups",
                "choose groups that divide both",
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = each_axis(kernel_size, self.rank, "kernel_size", op)
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.declare("weight", (first, second // groups, *self.kernel_size), init)
        if bias:
            self.declare("bias", (out_channels,), bias_init)
        else:
            self.bias = None

    def _check(self, x: Tensor, layout: str | None) -> None:
        axis = -1 if channels_last(layout, self.rank, repr(self)) else -1 - self.rank
        if x.ndim < self.rank + 1 or not same(x.shape[axis], self.in_channels):
            raise ShapeError(
                f"x has shape {format_shape(x.shape)}, its axis {axis} must be {self.in_channels}",
                op=repr(self), location=user_location(),
                remedy="make the layer for the channels that x has, or transpose x",
            )  # fmt: skip

    def forward(self, x: Tensor, training: bool) -> Tensor:
        self._check(x, self.arguments["layout"])
        y = self.function(x, self.weight, self.bias, **self.arguments)
        return y if self.activation is None else self.activation(y)


class _Forward(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Padding = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        activation: ActivationLike = None,
        layout: str | None = None,
        init: Initializer | float = GLOROT,
        bias_init: Initializer | float = 0.0,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self._declare(in_channels, out_channels, kernel_size, groups, bias, init, bias_init)
        self.arguments = {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
            "padding_mode": padding_mode, "layout": layout,
        }  # fmt: skip
        self.activation = activation_function(activation)


class _Transposed(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        *,
        activation: ActivationLike = None,
        layout: str | None = None,
        init: Initializer | float = GLOROT,
        bias_init: Initializer | float = 0.0,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self._declare(in_channels, out_channels, kernel_size, groups, bias, init, bias_init, transposed=True)
        self.arguments = {
            "stride": stride, "padding": padding, "output_padding": output_padding, "groups": groups,
            "dilation": dilation, "layout": layout,
        }  # fmt: skip
        self.activation = activation_function(activation)


class Conv1d(_Forward):
    """Filters slid along one axis: (N, C, L) to (N, O, L'). See `gc.nn.conv1d`.

    >>> import graphc as gc
    >>> gc.nn.Conv1d(2, 8, 3, padding="same")(gc.input("x", ("N", 2, "T"))).shape
    (N, 8, T)
    """

    rank, default_name = 1, "conv1d"
    function = staticmethod(convolution.conv1d)


class Conv2d(_Forward):
    """activation(filters slid over images + bias): (N, C, H, W) to (N, O, H', W').

    ``weight`` is (out_channels, in_channels / groups, K, L), drawn by ``init`` (Glorot and Bengio 2010),
    ``bias`` (out_channels,) or None. The other arguments are those of `gc.nn.conv2d`.

    Raises ShapeError where channels and groups do not fit.

    >>> import graphc as gc
    >>> layer = gc.nn.Conv2d(3, 16, 5, stride=2, padding=2, activation="relu")
    >>> layer(gc.input("x", ("N", 3, 32, 32))), layer.weight
    (<relu: float32(N, 16, 16, 16)>, <parameter 'conv2d/weight': float32(16, 3, 5, 5)>)
    """

    rank, default_name = 2, "conv2d"
    function = staticmethod(convolution.conv2d)


class Conv3d(_Forward):
    """Filters slid through volumes: (N, C, D, H, W) to (N, O, D', H', W'). See `gc.nn.conv3d`.

    >>> import graphc as gc
    >>> gc.nn.Conv3d(1, 4, 3)(gc.input("x", ("N", 1, 8, 8, 8))).shape
    (N, 4, 6, 6, 6)
    """

    rank, default_name = 3, "conv3d"
    function = staticmethod(convolution.conv3d)


class ConvTranspose1d(_Transposed):
    """The transpose of a convolution along one axis: (N, C, L) to (N, O, L'). See `gc.nn.conv_transpose1d`.

    >>> import graphc as gc
    >>> gc.nn.ConvTranspose1d(4, 2, 4, stride=2)(gc.input("x", ("N", 4, 5))).shape
    (N, 2, 12)
    """

    rank, default_name = 1, "conv_transpose1d"
    function = staticmethod(convolution.conv_transpose1d)


class ConvTranspose2d(_Transposed):
    """The transpose of a convolution of images, from few places to many: (N, C, H, W) to (N, O, H', W').

    ``weight`` is (in_channels, out_channels / groups, K, L). See `gc.nn.conv_transpose2d`.

    >>> import graphc as gc
    >>> gc.nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)(gc.input("x", ("N", 16, 7, 7))).shape
    (N, 8, 14, 14)
    """

    rank, default_name = 2, "conv_transpose2d"
    function = staticmethod(convolution.conv_transpose2d)


class ConvTranspose3d(_Transposed):
    """The transpose of a convolution of volumes. See `gc.nn.conv_transpose3d`.

    >>> import graphc as gc
    >>> gc.nn.ConvTranspose3d(4, 1, 2, stride=2)(gc.input("x", ("N", 4, 3, 3, 3))).shape
    (N, 1, 6, 6, 6)
    """

    rank, default_name = 3, "conv_transpose3d"
    function = staticmethod(convolution.conv_transpose3d)
