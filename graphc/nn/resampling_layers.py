"""Resampling and pooling to a given size as layers: each holds the arguments of its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.tensor import Tensor
from graphc.nn import adaptive_pooling
from graphc.nn.layer import Layer
from graphc.nn.resampling import ScaleFactor, Size, interpolate
from graphc.nn.shuffling import pixel_shuffle, pixel_unshuffle


class Upsample(Layer):
    """The spatial axes brought to another size. See `gc.nn.interpolate`.

    >>> import graphc as gc
    >>> gc.nn.Upsample(scale_factor=2, mode="bilinear")(gc.input("x", ("N", 3, 8, "W"))).shape
    (N, 3, 16, 2*W)
    """

    default_name = "upsample"

    def __init__(
        self,
        size: Size = None,
        scale_factor: ScaleFactor = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)


class PixelShuffle(Layer):
    """Channels spread over space: (…, C·r², H, W) to (…, C, H·r, W·r). See `gc.nn.pixel_shuffle`.

    >>> import graphc as gc
    >>> gc.nn.PixelShuffle(2)(gc.input("x", ("N", 8, 5, 5))).shape
    (N, 2, 10, 10)
    """

    default_name = "pixel_shuffle"

    def __init__(self, upscale_factor: int, *, name: str | None = None) -> None:
        super().__init__(name)
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Layer):
    """Space gathered into channels: (…, C, H·r, W·r) to (…, C·r², H, W). See `gc.nn.pixel_unshuffle`.

    >>> import graphc as gc
    >>> gc.nn.PixelUnshuffle(2)(gc.input("x", ("N", 2, 10, 10))).shape
    (N, 8, 5, 5)
    """

    default_name = "pixel_unshuffle"

    def __init__(self, downscale_factor: int, *, name: str | None = None) -> None:
        super().__init__(name)
        self.downscale_factor = downscale_factor

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return pixel_unshuffle(x, self.downscale_factor)


class GlobalAvgPool(Layer):
    """The mean of each channel: (N, C, …) to (N, C). See `gc.nn.global_avg_pool`.

    >>> import graphc as gc
    >>> gc.nn.GlobalAvgPool()(gc.input("x", ("N", 64, "H", "W"))).shape
    (N, 64)
    """

    default_name = "global_avg_pool"

    def __init__(self, keepdims: bool = False, *, name: str | None = None) -> None:
        super().__init__(name)
        self.keepdims = keepdims

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return adaptive_pooling.global_avg_pool(x, self.keepdims)


class GlobalMaxPool(Layer):
    """The maximum of each channel: (N, C, …) to (N, C). See `gc.nn.global_max_pool`.

    >>> import graphc as gc
    >>> gc.nn.GlobalMaxPool()(gc.input("x", ("N", 64, "H", "W"))).shape
    (N, 64)
    """

    default_name = "global_max_pool"

    def __init__(self, keepdims: bool = False, *, name: str | None = None) -> None:
        super().__init__(name)
        self.keepdims = keepdims

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return adaptive_pooling.global_max_pool(x, self.keepdims)


class AdaptivePool(Layer):
    """What the adaptive pooling layers share: a function and the output size."""

    function: Callable[..., Any]

    def __init__(self, output_size: adaptive_pooling.OutputSize, *, name: str | None = None) -> None:
        super().__init__(name)
        self.output_size = output_size

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return type(self).function(x, self.output_size)  # type: ignore[no-any-return]


def _adaptive_layer(name: str, function: Callable[..., Any]) -> type[AdaptivePool]:
    """The layer class of one function."""
    doc = (function.__doc__ or "").split("\n\n    >>>")[0]
    return type(
        name, (AdaptivePool,),
        {
            "__doc__": f"`gc.nn.{function.__name__}` as a layer.\n\n{doc}", "__module__": __name__,
            "default_name": function.__name__, "function": staticmethod(function),
        },
    )  # fmt: skip


AdaptiveAvgPool1d = _adaptive_layer("AdaptiveAvgPool1d", adaptive_pooling.adaptive_avg_pool1d)
AdaptiveAvgPool2d = _adaptive_layer("AdaptiveAvgPool2d", adaptive_pooling.adaptive_avg_pool2d)
AdaptiveAvgPool3d = _adaptive_layer("AdaptiveAvgPool3d", adaptive_pooling.adaptive_avg_pool3d)
AdaptiveMaxPool1d = _adaptive_layer("AdaptiveMaxPool1d", adaptive_pooling.adaptive_max_pool1d)
AdaptiveMaxPool2d = _adaptive_layer("AdaptiveMaxPool2d", adaptive_pooling.adaptive_max_pool2d)
AdaptiveMaxPool3d = _adaptive_layer("AdaptiveMaxPool3d", adaptive_pooling.adaptive_max_pool3d)
