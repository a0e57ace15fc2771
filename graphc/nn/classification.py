"""Losses over classes: scores or log-probabilities and targets enter, a loss leaves.

Names, arguments and meaning are those of ``torch.nn.functional``, save that the class axis may be
chosen with ``axis``. Targets are class numbers, or probabilities (one-hot included).
"""

from __future__ import annotations

from graphc import ops
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import Dim, format_shape, same, same_shape
from graphc.ir.dtype import is_float, is_integer
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import reduced, same_shapes, unknown_reduction
from graphc.ops.arguments import one_axis
from graphc.ops.elementwise import unguarded_where
from graphc.ops.sources import as_tensor


def cross_entropy(
    input: object,
    target: object,
    weight: object = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    axis: int = 1,
) -> Tensor:
    """−Σ_c t_c log softmax(input)_c from logits; free of overflow.

    ``input`` is float, (N, C, …), or (C,) alone; ``axis`` is its class axis. ``target`` holds

    - class numbers (integers) in the shape of ``input`` without the class axis: those equal to
      ``ignore_index`` count for nothing (None: every one counts), any other outside [0, C) raises
      IndexError at the call; or
    - probabilities (or a one-hot code of any dtype) in the shape of ``input``.

    ``weight``, (C,), scales each class. ``label_smoothing`` ε mixes the target with the uniform
    distribution: (1 − ε)t + ε/C (Szegedy et al. 2016). "mean" divides by the total weight of the
    targets for class numbers, by their count for probabilities, as PyTorch does.

    Raises ShapeError or DTypeError for a target or weight of another shape or dtype, GraphError for
    ε outside [0, 1].

    >>> import graphc as gc
    >>> logits, label = gc.input("logits", ("N", 10)), gc.input("label", ("N",), "int64")
    >>> gc.nn.cross_entropy(logits, label, label_smoothing=0.1)
    <add: float32()>
    """
    op = "cross_entropy"
    input, target = as_tensor(input), as_tensor(target)
    axis = _class_axis(input, axis, op)
    weight = _class_weight(weight, input, axis, op)
    if not 0.0 <= label_smoothing <= 1.0:
        raise GraphError(
            f"label_smoothing = {label_smoothing} is outside [0, 1]",
            op=op, location=user_location(), remedy="give a number from 0 to 1, often 0.1",
        )  # fmt: skip
    log_probabilities = ops.log_softmax(input, axis=axis)
    if same_shape(target.shape, input.shape):
        return _soft_cross_entropy(log_probabilities, target, weight, reduction, label_smoothing, axis)
    return _hard_cross_entropy(
        log_probabilities, target, weight, ignore_index, reduction, label_smoothing, axis, op
    )


def nll_loss(
    input: object,
    target: object,
    weight: object = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    axis: int = 1,
) -> Tensor:
    """−input[target] along the class axis, for log-probabilities and class numbers.

    As `cross_entropy` with class numbers, whose ``input`` is not yet normalised.

    >>> import graphc as gc
    >>> y, label = gc.input("y", ("N", 10)), gc.input("label", ("N",), "int64")
    >>> gc.nn.nll_loss(gc.nn.log_softmax(y, axis=1), label, reduction="none").shape
    (N,)
    """
    input, target = as_tensor(input), as_tensor(target)
    axis = _class_axis(input, axis, "nll_loss")
    weight = _class_weight(weight, input, axis, "nll_loss")
    return _hard_cross_entropy(input, target, weight, ignore_index, reduction, 0.0, axis, "nll_loss")


def kl_div(input: object, target: object, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback–Leibler divergence, elementwise t (log t − input), for log-probabilities ``input``.

    ``target`` holds probabilities, or log-probabilities if ``log_target``. "batchmean" divides the
    sum by the first axis, which is the divergence averaged over a batch; "mean" divides by all
    elements. 0 log 0 is 0. Raises ShapeError where the shapes differ.

    >>> import graphc as gc
    >>> p, q = gc.input("p", ("N", 10)), gc.input("q", ("N", 10))
    >>> gc.nn.kl_div(gc.nn.log_softmax(p, axis=1), gc.nn.softmax(q, axis=1), reduction="batchmean")
    <divide: float32()>
    """
    input, target = same_shapes(input, target, "kl_div")
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        own = ops.where(positive, target * ops.log(ops.where(positive, target, 1.0)), 0.0)
        loss = own - target * input
    if reduction == "batchmean":
        if loss.ndim == 0:
            raise ShapeError(
                "there is no batch axis in shape ()", op="kl_div", location=user_location(),
                remedy='use reduction="sum"',
            )  # fmt: skip
        return ops.sum(loss) / loss.shape[0]
    return reduced(loss, reduction, "kl_div")


# -- targets as probabilities ------------------------------------------------------------------------
def _soft_cross_entropy(
    log_probabilities: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    smoothing: float,
    axis: int,
) -> Tensor:
    classes = log_probabilities.shape[axis]
    target = target.astype(log_probabilities.dtype)
    if smoothing:
        target = target * (1.0 - smoothing) + ops.divide(as_tensor(smoothing).astype(target.dtype), classes)
    terms = target * log_probabilities
    if weight is not None:
        terms = terms * weight
    return reduced(-ops.sum(terms, axis=axis), reduction, "cross_entropy")


# -- targets as class numbers ------------------------------------------------------------------------
def _hard_cross_entropy(
    log_probabilities: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int | None,
    reduction: str,
    smoothing: float,
    axis: int,
    op: str,
) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise unknown_reduction(reduction, op)
    classes = log_probabilities.shape[axis]
    _check_class_numbers(target, log_probabilities, axis, op)
    target = target.astype("int64")
    counted = None if ignore_index is None else target != ignore_index
    # A negative class number is an error here, not NumPy's counting from the end: send it out of range.
    index = ops.where(target < 0, classes, target)
    if counted is not None:
        index = ops.where(counted, index, 0)
    chosen = ops.take_along_axis(log_probabilities, ops.expand_dims(index, axis), axis=axis)
    loss = -ops.squeeze(chosen, axis=axis)
    share = None
    if weight is not None:
        share = ops.take(ops.reshape(weight, (classes,)), index, axis=0)
        loss = loss * share
    loss = _only(counted, loss)
    # How much each target counts in the mean: its class's weight, or 1; 0 if ignored.
    if share is not None:
        share = _only(counted, share)
    elif counted is not None:
        share = counted.astype(loss.dtype)
    result = _divided(loss, share, reduction, op)
    if not smoothing:
        return result
    terms = log_probabilities if weight is None else log_probabilities * weight
    uniform = _divided(_only(counted, -ops.sum(terms, axis=axis)), share, reduction, op)
    return result * (1.0 - smoothing) + uniform * smoothing / classes


def _only(counted: Tensor | None, loss: Tensor) -> Tensor:
    return loss if counted is None else unguarded_where(counted, loss, 0.0)


def _divided(loss: Tensor, share: Tensor | None, reduction: str, op: str) -> Tensor:
    """The loss reduced; a mean is weighted by each target's share."""
    if reduction == "mean" and share is not None:
        return ops.sum(loss) / ops.sum(share)
    return reduced(loss, reduction, op)


# -- checks ------------------------------------------------------------------------------------------
def _class_axis(input: Tensor, axis: int, op: str) -> int:
    if not is_float(input.dtype):
        raise DTypeError(
            f"the input has dtype {input.dtype}, where scores are floats",
            op=op, location=user_location(), remedy='convert it with astype("float32")',
        )  # fmt: skip
    if input.ndim == 0:
        raise ShapeError(
            "the input has shape (), and no class axis",
            op=op, location=user_location(), remedy="give scores of shape (N, C)",
        )  # fmt: skip
    if input.ndim == 1 and axis == 1:  # PyTorch's unbatched case
        return 0
    return one_axis(axis, input.ndim, op)


def _class_weight(weight: object, input: Tensor, axis: int, op: str) -> Tensor | None:
    """The weights in a shape that broadcasts against the input."""
    if weight is None:
        return None
    weight = as_tensor(weight).astype(input.dtype)
    if weight.ndim != 1 or not same(weight.shape[0], input.shape[axis]):
        raise ShapeError(
            f"the class weights have shape {format_shape(weight.shape)}, not ({input.shape[axis]},)",
            op=op, location=user_location(), remedy="give one weight for each class",
        )  # fmt: skip
    return ops.reshape(weight, (weight.shape[0], *[1] * (input.ndim - axis - 1)))


def _check_class_numbers(target: Tensor, input: Tensor, axis: int, op: str) -> None:
    wanted: tuple[Dim, ...] = (*input.shape[:axis], *input.shape[axis + 1 :])
    if not same_shape(target.shape, wanted):
        both = (
            "probabilities need the input's shape, class numbers"
            if op == "cross_entropy"
            else "class numbers need"
        )
        raise ShapeError(
            f"the input has shape {format_shape(input.shape)} with classes on axis {axis}, "
            f"the target {format_shape(target.shape)}",
            op=op, location=user_location(), remedy=f"{both} {format_shape(wanted)}",
        )  # fmt: skip
    if not is_integer(target.dtype):
        raise DTypeError(
            f"class numbers are integers, but the target has dtype {target.dtype}",
            op=op, location=user_location(), remedy='declare it as gc.input(…, dtype="int64")',
        )  # fmt: skip
