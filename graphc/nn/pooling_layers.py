"""Pooling as layers, for `Sequential`: each holds the arguments of its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphc.ir.tensor import Tensor
from graphc.nn import average_pooling, max_pooling
from graphc.nn.layer import Layer
from graphc.nn.spatial import Ints, Padding


class _Pooling(Layer):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, name: str | None, **arguments: Any) -> None:
        super().__init__(name)
        self.arguments = arguments

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return self.function(x, **self.arguments)


class _MaxPool(_Pooling):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Padding = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
        *,
        layout: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation,
            ceil_mode=ceil_mode, layout=layout,
        )  # fmt: skip


class _AvgPool(_Pooling):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
        *,
        layout: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad, divisor_override=divisor_override, layout=layout,
        )  # fmt: skip


class _LPPool(_Pooling):
    def __init__(
        self,
        norm_type: float,
        kernel_size: Ints,
        stride: Ints | None = None,
        ceil_mode: bool = False,
        *,
        layout: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name, norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode,
            layout=layout,
        )  # fmt: skip


class MaxPool1d(_MaxPool):
    """The largest element of each window. See `gc.nn.max_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.MaxPool1d(2)(gc.input("x", ("N", 4, 8))).shape
    (N, 4, 4)
    """

    default_name = "max_pool1d"
    function = staticmethod(max_pooling.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window. See `gc.nn.max_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.MaxPool2d(2)(gc.input("x", ("N", 4, 8, 8))).shape
    (N, 4, 4, 4)
    """

    default_name = "max_pool2d"
    function = staticmethod(max_pooling.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window. See `gc.nn.max_pool3d`.

    >>> import graphc as gc
    >>> gc.nn.MaxPool3d(2)(gc.input("x", ("N", 4, 8, 8, 8))).shape
    (N, 4, 4, 4, 4)
    """

    default_name = "max_pool3d"
    function = staticmethod(max_pooling.max_pool3d)


class AvgPool1d(_AvgPool):
    """The mean of each window. See `gc.nn.avg_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.AvgPool1d(2)(gc.input("x", ("N", 4, 8))).shape
    (N, 4, 4)
    """

    default_name = "avg_pool1d"
    function = staticmethod(average_pooling.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The mean of each window. See `gc.nn.avg_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.AvgPool2d(2)(gc.input("x", ("N", 4, 8, 8))).shape
    (N, 4, 4, 4)
    """

    default_name = "avg_pool2d"
    function = staticmethod(average_pooling.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window. See `gc.nn.avg_pool3d`.

    >>> import graphc as gc
    >>> gc.nn.AvgPool3d(2)(gc.input("x", ("N", 4, 8, 8, 8))).shape
    (N, 4, 4, 4, 4)
    """

    default_name = "avg_pool3d"
    function = staticmethod(average_pooling.avg_pool3d)


class LPPool1d(_LPPool):
    """(Σ x^p)^(1/p) over each window. See `gc.nn.lp_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.LPPool1d(2, 2)(gc.input("x", ("N", 4, 8))).shape
    (N, 4, 4)
    """

    default_name = "lp_pool1d"
    function = staticmethod(average_pooling.lp_pool1d)


class LPPool2d(_LPPool):
    """(Σ x^p)^(1/p) over each window. See `gc.nn.lp_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.LPPool2d(2, 2)(gc.input("x", ("N", 4, 8, 8))).shape
    (N, 4, 4, 4)
    """

    default_name = "lp_pool2d"
    function = staticmethod(average_pooling.lp_pool2d)


class LPPool3d(_LPPool):
    """(Σ x^p)^(1/p) over each window. See `gc.nn.lp_pool3d`.

    >>> import graphc as gc
    >>> gc.nn.LPPool3d(2, 2)(gc.input("x", ("N", 4, 8, 8, 8))).shape
    (N, 4, 4, 4, 4)
    """

    default_name = "lp_pool3d"
    function = staticmethod(average_pooling.lp_pool3d)
