"""Normalisation to mean 0 and variance 1: a tensor enters, a tensor of the same shape leaves.

Names, arguments and meaning are those of ``torch.nn.functional``. What divides by a magnitude without
subtracting a mean is in ``magnitude_normalization``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Dim, element_count, format_shape, same, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor, last_axes, of_shape
from graphc.nn.state import announce
from graphc.ops.arguments import integer
from graphc.ops.shape import quotient
from graphc.ops.sources import PARAMETER


def batch_norm(
    x: object,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: object = None,
    bias: object = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, for each channel (axis 1). Ioffe and Szegedy 2015.

    ``x`` is float, (N, C) or (N, C, …); the rest are (C,). In training the statistics are those of
    the batch, and the running ones, if given as parameters, are to become (1 − momentum) · running +
    momentum · batch, with the unbiased variance: `gc.nn.state_updates` collects these new values.
    Otherwise the statistics are the running ones.

    Raises ShapeError where an argument is not (C,), GraphError where not training without running
    statistics.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3, 8, 8))
    >>> gc.nn.batch_norm(x, None, None, training=True).shape
    (N, 3, 8, 8)
    """
    x = float_tensor(x, "batch_norm")
    _with_channels(x, 2, "batch_norm")
    # The arguments are checked before anything is announced.
    scale, shift, mean_column, variance_column = _per_channel(
        x, "batch_norm", weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    if not training:
        if mean_column is None or variance_column is None:
            raise _no_statistics("batch_norm", "training=True to use the batch's own")
        inverse = ops.reciprocal(ops.sqrt(variance_column + eps))
        return _affine((x - mean_column) * inverse, scale, shift)
    axes = (0, *range(2, x.ndim))
    normalized, mean, variance, inverse = _standardized(x, axes, eps)
    count = element_count([x.shape[a] for a in axes])
    now = [ops.reshape(statistic, (x.shape[1],)) for statistic in (mean, variance)]
    _announce_running(inverse, (running_mean, now[0]), (running_var, now[1]), count, momentum)
    return _affine(normalized, scale, shift)


def layer_norm(
    x: object,
    normalized_shape: int | str | Sequence[int | str | Dim],
    weight: object = None,
    bias: object = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, over the last axes of each example. Ba et al. 2016.

    ``x`` is float; its last axes are ``normalized_shape``, which is also the shape of weight and
    bias. Raises ShapeError where they differ.

    >>> import graphc as gc
    >>> gc.nn.layer_norm(gc.input("x", ("N", 6, 4)), (6, 4)).shape
    (N, 6, 4)
    """
    x = float_tensor(x, "layer_norm")
    axes, wanted = last_axes(x, normalized_shape, "layer_norm")
    scale = None if weight is None else of_shape(weight, wanted, "weight", "layer_norm")
    shift = None if bias is None else of_shape(bias, wanted, "bias", "layer_norm")
    return _affine(_standardized(x, axes, eps)[0], scale, shift)


def group_norm(
    x: object, num_groups: int, weight: object = None, bias: object = None, eps: float = 1e-5
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, over groups of channels of each example.

    ``x`` is float, (N, C) or (N, C, …); the C channels (axis 1) form ``num_groups`` equal groups, and
    the statistics are those of one group of one example. One group is layer normalisation over (C,
    …), C groups are instance normalisation. Weight and bias are (C,). Raises ShapeError where C does
    not divide, or they are not (C,). Wu and He 2018.

    >>> import graphc as gc
    >>> gc.nn.group_norm(gc.input("x", ("N", 6, 8, 8)), 3).shape
    (N, 6, 8, 8)
    """
    x = float_tensor(x, "group_norm")
    groups = integer(num_groups, "num_groups", "group_norm")
    _with_channels(x, 2, "group_norm")
    channels = quotient(x.shape[1], groups) if groups > 0 else None
    if channels is None:
        raise ShapeError(
            f"the {x.shape[1]} channels of {format_shape(x.shape)} do not divide into {groups} groups",
            op="group_norm", location=user_location(),
            remedy="num_groups must divide the size of axis 1",
        )  # fmt: skip
    scale, shift = _per_channel(x, "group_norm", weight=weight, bias=bias)
    grouped = ops.reshape(x, (x.shape[0], groups, channels, *x.shape[2:]))
    normalized = _standardized(grouped, tuple(range(2, grouped.ndim)), eps)[0]
    return _affine(ops.reshape(normalized, x.shape), scale, shift)


def instance_norm(
    x: object,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: object = None,
    bias: object = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, over each channel of each example.

    ``x`` is float, (N, C, …) with one axis or more after the channels; the rest are (C,). With
    ``use_input_stats`` the running statistics, if given as parameters, are to become (1 − momentum) ·
    running + momentum · the mean over the examples, with unbiased variances: `gc.nn.state_updates`
    collects these new values. Otherwise the statistics are the running ones.

    Raises ShapeError where an argument is not (C,), or a channel has a single element and so no
    variance; GraphError where there are no statistics to use. Ulyanov et al. 2016.

    >>> import graphc as gc
    >>> gc.nn.instance_norm(gc.input("x", ("N", 3, "H", "W"))).shape
    (N, 3, H, W)
    """
    x = float_tensor(x, "instance_norm")
    _with_channels(x, 3, "instance_norm")
    scale, shift, mean_column, variance_column = _per_channel(
        x, "instance_norm", weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    if not use_input_stats:
        if mean_column is None or variance_column is None:
            raise _no_statistics("instance_norm", "use_input_stats=True to use each example's own")
        inverse = ops.reciprocal(ops.sqrt(variance_column + eps))
        return _affine((x - mean_column) * inverse, scale, shift)
    axes = tuple(range(2, x.ndim))
    count = simplified(element_count([x.shape[a] for a in axes]))
    if same(count, 1):
        raise ShapeError(
            f"each channel of each example of {format_shape(x.shape)} is one element, which has no variance",
            op="instance_norm", location=user_location(),
            remedy="normalise over more: gc.nn.layer_norm, gc.nn.group_norm or gc.nn.batch_norm",
        )  # fmt: skip
    normalized, mean, variance, inverse = _standardized(x, axes, eps)
    now = [ops.mean(statistic, axis=(0, *axes)) for statistic in (mean, variance)]
    _announce_running(inverse, (running_mean, now[0]), (running_var, now[1]), count, momentum)
    return _affine(normalized, scale, shift)


def _standardized(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(x − mean) / √(variance + eps) over axes; the mean, the variance and 1 / √(variance + eps)."""
    mean = ops.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
    inverse = ops.reciprocal(ops.sqrt(variance + eps))
    return centred * inverse, mean, variance, inverse


def _announce_running(
    anchor: Tensor,
    mean: tuple[Tensor | None, Tensor],
    variance: tuple[Tensor | None, Tensor],
    count: Dim,
    momentum: float,
) -> None:
    """Move the running statistics that are parameters towards those of this batch, of ``count`` elements."""
    for running, now in (mean, (variance[0], variance[1] * count / (count - 1))):
        if running is not None and running.op is PARAMETER:
            announce(anchor, running, _towards(now, momentum))


def _with_channels(x: Tensor, rank: int, op: str) -> None:
    if x.ndim < rank:
        wanted = "(N, C) or (N, C, …)" if rank == 2 else "(N, C, L) or (N, C, …)"
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where {wanted} is needed",
            op=op, location=user_location(), remedy="add a batch axis in front",
        )  # fmt: skip


def _per_channel(x: Tensor, op: str, **values: object) -> list[Tensor | None]:
    """The arguments, each (C,), in a shape that broadcasts with x; None stays None."""
    channel = x.shape[1]
    column = (channel, *[1] * (x.ndim - 2))
    return [
        None if value is None else ops.reshape(of_shape(value, (channel,), name, op), column)
        for name, value in values.items()
    ]


def _no_statistics(op: str, other: str) -> GraphError:
    return GraphError(
        "there are no running statistics to normalise with", op=op, location=user_location(),
        remedy=f"pass running_mean and running_var, or {other}",
    )  # fmt: skip


def _towards(value: Tensor, momentum: float) -> Callable[[Tensor], Tensor]:
    return lambda running: running * (1 - momentum) + value * momentum


def _affine(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    if scale is not None:
        x = x * scale
    if shift is not None:
        x = x + shift
    return x
