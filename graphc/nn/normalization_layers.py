"""Normalisation as layers: what has learned scales and shifts, and keeps running statistics."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import GraphError
from graphc.init import Initializer
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import check_features, probability
from graphc.nn.layer import Layer
from graphc.nn.magnitude_normalization import rms_norm
from graphc.nn.normalization import batch_norm, group_norm, instance_norm, layer_norm


class BatchNorm(Layer):
    """Each channel (axis 1) brought to mean 0 and variance 1, then scaled and shifted.

    ``x`` is (N, C) or (N, C, …). In training with the batch's statistics, and `gc.nn.state_updates`
    of the result gives the running ones their new values; else with the running ones. ``affine``:
    with learned ``weight`` and ``bias``, (C,). See `gc.nn.batch_norm`. Ioffe and Szegedy 2015.

    >>> import graphc as gc
    >>> norm = gc.nn.BatchNorm(3)
    >>> norm(gc.input("x", ("N", 3, 8, 8)), training=True).shape
    (N, 3, 8, 8)
    >>> [p.name for p in norm.parameters(trainable=False)]
    ['batchnorm/running_mean', 'batchnorm/running_var']
    """

    default_name = "batchnorm"
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        features: int,
        momentum: float = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        init: Initializer | float = 1.0,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.features, self.momentum, self.eps = features, probability(momentum, "BatchNorm"), eps
        if affine:
            self.declare("weight", (features,), init)
            self.declare("bias", (features,), 0.0)
        else:
            self.weight = self.bias = None
        self.declare("running_mean", (features,), 0.0, trainable=False)
        self.declare("running_var", (features,), 1.0, trainable=False)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        check_features(x, 1, self.features, repr(self))
        return batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, self.momentum, self.eps
        )


class LayerNorm(Layer):
    """The last axes of each example brought to mean 0 and variance 1, then scaled and shifted.

    See `gc.nn.layer_norm`. Ba et al. 2016.

    >>> import graphc as gc
    >>> gc.nn.LayerNorm(16)(gc.input("x", ("N", "T", 16))).shape
    (N, T, 16)
    """

    default_name = "layernorm"
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.eps = eps
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        if affine:
            self.declare("weight", self.normalized_shape, 1.0)
            self.declare("bias", self.normalized_shape, 0.0)
        else:
            self.weight = self.bias = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class GroupNorm(Layer):
    """Each of ``groups`` groups of channels of each example brought to mean 0 and variance 1, then affine.

    ``x`` is (N, channels) or (N, channels, …). ``affine``: with learned ``weight`` and ``bias``,
    (channels,). Raises GraphError where the groups do not divide the channels. See `gc.nn.group_norm`.
    Wu and He 2018.

    >>> import graphc as gc
    >>> gc.nn.GroupNorm(2, 6)(gc.input("x", ("N", 6, 8, 8))).shape
    (N, 6, 8, 8)
    """

    default_name = "groupnorm"
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        init: Initializer | float = 1.0,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        if groups < 1 or channels % groups:
            raise GraphError(
                f"{channels} channels do not divide into {groups} groups",
                op="GroupNorm", location=user_location(), remedy="choose groups that divide the channels",
            )  # fmt: skip
        self.groups, self.channels, self.eps = groups, channels, eps
        if affine:
            self.declare("weight", (channels,), init)
            self.declare("bias", (channels,), 0.0)
        else:
            self.weight = self.bias = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        check_features(x, 1, self.channels, repr(self))
        return group_norm(x, self.groups, self.weight, self.bias, self.eps)


class InstanceNorm(Layer):
    """Each channel of each example brought to mean 0 and variance 1.

    ``x`` is (N, features, …). ``affine``: with learned ``weight`` and ``bias``, (features,).
    ``track_running_stats``: in training `gc.nn.state_updates` of the result gives running statistics
    their new values, and else they are what x is normalised with. See `gc.nn.instance_norm`. Ulyanov
    et al. 2016.

    >>> import graphc as gc
    >>> gc.nn.InstanceNorm(3)(gc.input("x", ("N", 3, "H", "W"))).shape
    (N, 3, H, W)
    """

    default_name = "instancenorm"
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        features: int,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        momentum: float = 0.1,
        eps: float = 1e-5,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.features, self.momentum, self.eps = features, probability(momentum, "InstanceNorm"), eps
        self.track_running_stats = track_running_stats
        if affine:
            self.declare("weight", (features,), 1.0)
            self.declare("bias", (features,), 0.0)
        else:
            self.weight = self.bias = None
        if track_running_stats:
            self.declare("running_mean", (features,), 0.0, trainable=False)
            self.declare("running_var", (features,), 1.0, trainable=False)
        else:
            self.running_mean = self.running_var = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        check_features(x, 1, self.features, repr(self))
        own = training or not self.track_running_stats
        return instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, own, self.momentum, self.eps
        )


class RMSNorm(Layer):
    """The last axes of each example divided by the root of their mean square, then scaled.

    ``affine``: with a learned ``weight`` of that shape. See `gc.nn.rms_norm`. Zhang and Sennrich 2019.

    >>> import graphc as gc
    >>> gc.nn.RMSNorm(16)(gc.input("x", ("N", "T", 16))).shape
    (N, T, 16)
    """

    default_name = "rmsnorm"
    weight: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        affine: bool = True,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.eps = eps
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        if affine:
            self.declare("weight", self.normalized_shape, 1.0)
        else:
            self.weight = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)
