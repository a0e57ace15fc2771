"""Losses of regression, margins and two classes: an input and a target of one shape enter, a loss leaves.

Names, arguments and meaning are those of ``torch.nn.functional``. ``reduction`` is "mean" (over all
elements), "sum" or "none" (the elementwise losses). Targets are never broadcast.
"""

from __future__ import annotations

import math

from graphc import ops
from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import reduced, same_shapes

# PyTorch's bound on the logarithms of binary_cross_entropy, so that a probability of 0 or 1 costs 100, not ∞.
LOG_BOUND = -100.0


def mse_loss(input: object, target: object, reduction: str = "mean") -> Tensor:
    """The squared error (input − target)².

    Raises ShapeError where the shapes differ.

    >>> import graphc as gc
    >>> gc.nn.mse_loss(gc.input("y", ("N", 3)), gc.input("t", ("N", 3)))
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "mse_loss")
    return reduced(ops.square(input - target), reduction, "mse_loss")


def l1_loss(input: object, target: object, reduction: str = "mean") -> Tensor:
    """The absolute error |input − target|; the derivative at 0 is 0.

    Raises ShapeError where the shapes differ.

    >>> import graphc as gc
    >>> gc.nn.l1_loss(gc.input("y", ("N", 3)), gc.input("t", ("N", 3)), reduction="sum")
    <sum: float32()>
    """
    input, target = same_shapes(input, target, "l1_loss")
    return reduced(ops.abs(input - target), reduction, "l1_loss")


def huber_loss(input: object, target: object, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """½d² where |d| ≤ δ, else δ(|d| − ½δ), for d = input − target. Huber 1964.

    Raises ShapeError where the shapes differ, GraphError where δ is not positive.

    >>> import graphc as gc
    >>> gc.nn.huber_loss(gc.input("y", ("N", 3)), gc.input("t", ("N", 3)), delta=0.5)
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "huber_loss")
    if not delta > 0:
        raise _not_positive("delta", delta, "huber_loss")
    difference = input - target
    size = ops.abs(difference)
    loss = ops.where(size <= delta, ops.square(difference) * 0.5, (size - 0.5 * delta) * float(delta))
    return reduced(loss, reduction, "huber_loss")


def smooth_l1_loss(input: object, target: object, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """½d²/β where |d| < β, else |d| − ½β, for d = input − target; β = 0 gives `l1_loss`. Girshick 2015.

    Raises ShapeError where the shapes differ, GraphError where β is negative.

    >>> import graphc as gc
    >>> gc.nn.smooth_l1_loss(gc.input("y", ("N", 3)), gc.input("t", ("N", 3)))
    <mean: float32()>
    """
    if beta == 0:
        return l1_loss(input, target, reduction)
    if not beta > 0:
        raise _not_positive("beta", beta, "smooth_l1_loss")
    input, target = same_shapes(input, target, "smooth_l1_loss")
    difference = input - target
    size = ops.abs(difference)
    loss = ops.where(size < beta, ops.square(difference) * (0.5 / beta), size - 0.5 * beta)
    return reduced(loss, reduction, "smooth_l1_loss")


def hinge_loss(
    input: object, target: object, margin: float = 1.0, squared: bool = False, reduction: str = "mean"
) -> Tensor:
    """max(0, margin − target · input) for targets −1 and 1, squared if asked.

    The loss of support vector machines.     ``input`` holds scores, ``target`` −1 or 1 in any
    dtype. Raises ShapeError where the shapes differ. Qiu §3.5; the derivative at the margin is 0.

    >>> import graphc as gc
    >>> gc.nn.hinge_loss(gc.input("y", ("N",)), gc.input("t", ("N",)), squared=True)
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "hinge_loss")
    loss = ops.relu(margin - target.astype(input.dtype) * input)
    return reduced(ops.square(loss) if squared else loss, reduction, "hinge_loss")


def hinge_embedding_loss(
    input: object, target: object, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The distance ``input`` where the target is 1, max(0, margin − input) where it is −1.

    Raises ShapeError where the shapes differ. Hadsell et al. 2006.

    >>> import graphc as gc
    >>> gc.nn.hinge_embedding_loss(gc.input("d", ("N",)), gc.input("t", ("N",)))
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "hinge_embedding_loss")
    return reduced(
        ops.where(ops.equal(target, 1), input, ops.relu(margin - input)), reduction, "hinge_embedding_loss"
    )


def binary_cross_entropy(
    input: object, target: object, weight: object = None, reduction: str = "mean"
) -> Tensor:
    """−(t log p + (1 − t) log(1 − p)) of probabilities p = input, each logarithm at least −100 as in PyTorch.

    ``target`` holds numbers from 0 to 1, ``weight`` scales each element. Raises ShapeError where
    the shapes differ. Where p comes from a sigmoid, `binary_cross_entropy_with_logits` is exact.

    >>> import graphc as gc
    >>> gc.nn.binary_cross_entropy(gc.input("p", ("N",)), gc.input("t", ("N",)))
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "binary_cross_entropy")
    target = target.astype(input.dtype)
    loss = -(target * _bounded_log(input) + (1.0 - target) * _bounded_log(1.0 - input))
    return reduced(_weighted(loss, weight), reduction, "binary_cross_entropy")


def binary_cross_entropy_with_logits(
    input: object,
    target: object,
    weight: object = None,
    reduction: str = "mean",
    pos_weight: object = None,
) -> Tensor:
    """−(w t log σ(x) + (1 − t) log(1 − σ(x))) of logits x = input, free of overflow and cancellation.

    ``target`` holds numbers from 0 to 1; ``weight`` scales each element, ``pos_weight`` (w) the
    positive part; both broadcast. Raises ShapeError where the shapes of input and target differ.

    >>> import graphc as gc
    >>> gc.nn.binary_cross_entropy_with_logits(gc.input("x", ("N",)), gc.input("t", ("N",)))
    <mean: float32()>
    """
    input, target = same_shapes(input, target, "binary_cross_entropy_with_logits")
    target = target.astype(input.dtype)
    # log σ(x) = −softplus(−x) and log(1 − σ(x)) = −softplus(x): two positive terms, nothing cancels.
    positive = target * ops.softplus(-input)
    if pos_weight is not None:
        positive = positive * pos_weight
    loss = positive + (1.0 - target) * ops.softplus(input)
    return reduced(_weighted(loss, weight), reduction, "binary_cross_entropy_with_logits")


def _bounded_log(p: Tensor) -> Tensor:
    """max(log p, −100), whose derivative is 0 where the bound holds."""
    inside = p > math.exp(LOG_BOUND)
    # The inner `where` keeps 1/0 out of the derivative of the branch not taken.
    return ops.where(inside, ops.log(ops.where(inside, p, 1.0)), LOG_BOUND)


def _weighted(loss: Tensor, weight: object) -> Tensor:
    return loss if weight is None else loss * weight


def _not_positive(name: str, value: float, op: str) -> GraphError:
    return GraphError(
        f"{name} = {value} is not positive", op=op, location=user_location(), remedy="give a positive number"
    )
