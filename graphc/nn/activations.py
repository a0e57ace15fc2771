"""Activation functions of each element: a tensor enters, a tensor of the same shape leaves.

Names, arguments and meaning are those of ``torch.nn.functional``. Qiu, *Neural Networks and Deep
Learning*, §4.1 treats most of them.
"""

from __future__ import annotations

import math

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import format_shape, same
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.sources import as_tensor

# Klambauer et al. 2017, the fixed point of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def sigmoid(x: object) -> Tensor:
    """The logistic function σ(x) = 1 / (1 + e⁻ˣ); saturates at 0 and 1. Free of overflow.

    >>> import graphc as gc
    >>> gc.nn.sigmoid(gc.input("x", (3,)))
    <sigmoid: float32(3,)>
    """
    return ops.sigmoid(x)


def tanh(x: object) -> Tensor:
    """tanh(x) = 2σ(2x) − 1; saturates at −1 and 1.

    >>> import graphc as gc
    >>> gc.nn.tanh(gc.input("x", (3,)))
    <tanh: float32(3,)>
    """
    return ops.tanh(x)


def hardsigmoid(x: object) -> Tensor:
    """min(max(x + 3, 0), 6) / 6, PyTorch's piecewise linear sigmoid; saturates at 0 (x ≤ −3) and 1 (x ≥ 3).

    The tangent of the logistic function at 0 gives another one, `hard_logistic`.

    >>> import graphc as gc
    >>> gc.nn.hardsigmoid(gc.input("x", (3,)))
    <divide: float32(3,)>
    """
    return ops.clip(ops.add(x, 3.0), 0.0, 6.0) / 6.0


def hard_logistic(x: object) -> Tensor:
    """max(min(0.25x + 0.5, 1), 0): the logistic function's tangent at 0, cut off.

    Saturates at 0 (x ≤ −2) and 1 (x ≥ 2). Qiu §4.1.1; `hardsigmoid` is PyTorch's variant.

    >>> import graphc as gc
    >>> gc.nn.hard_logistic(gc.input("x", (3,)))
    <clip: float32(3,)>
    """
    return ops.clip(ops.multiply(x, 0.25) + 0.5, 0.0, 1.0)


def hardtanh(x: object, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """min(max(x, min_val), max_val); saturates at both. The derivative at the two corners is 1.

    Raises GraphError where ``min_val`` is not below ``max_val``.

    >>> import graphc as gc
    >>> gc.nn.hardtanh(gc.input("x", (3,)))
    <clip: float32(3,)>
    """
    if not min_val < max_val:
        raise GraphError(
            f"min_val = {min_val} is not below max_val = {max_val}",
            op="hardtanh", location=user_location(), remedy="exchange them",
        )  # fmt: skip
    return ops.clip(x, float(min_val), float(max_val))


def relu(x: object) -> Tensor:
    """max(x, 0), the rectified linear unit; saturates at 0 on the left. The derivative at 0 is 0.

    Nair and Hinton 2010.

    >>> import graphc as gc
    >>> gc.nn.relu(gc.input("x", (3,)))
    <relu: float32(3,)>
    """
    return ops.relu(x)


def relu6(x: object) -> Tensor:
    """min(max(x, 0), 6); saturates at 0 and 6. Krizhevsky 2010.

    >>> import graphc as gc
    >>> gc.nn.relu6(gc.input("x", (3,)))
    <clip: float32(3,)>
    """
    return ops.clip(x, 0.0, 6.0)


def leaky_relu(x: object, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope · x; does not saturate. Maas et al. 2013.

    >>> import graphc as gc
    >>> gc.nn.leaky_relu(gc.input("x", (3,)))
    <where: float32(3,)>
    """
    x = as_tensor(x)
    return ops.where(x > 0, x, x * negative_slope)


def prelu(x: object, weight: object) -> Tensor:
    """x where x > 0, else weight · x with a learned weight; does not saturate. He et al. 2015.

    ``weight`` holds one number, or one for each channel: each index of axis 1. Raises ShapeError
    where it fits neither.

    >>> import graphc as gc
    >>> gc.nn.prelu(gc.input("x", ("N", 3, 8)), gc.parameter("a", (3,), init=0.25))
    <where: float32(N, 3, 8)>
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if weight.ndim == 1 and same(weight.shape[0], 1):
        weight = ops.reshape(weight, ())
    elif weight.ndim == 1 and x.ndim >= 2 and same(weight.shape[0], x.shape[1]):
        weight = ops.reshape(weight, (weight.shape[0], *[1] * (x.ndim - 2)))
    elif weight.ndim != 0:
        raise ShapeError(
            f"the weight has shape {format_shape(weight.shape)}, x has {format_shape(x.shape)}",
            op="prelu", location=user_location(),
            remedy="give one number, or one for each index of axis 1 of x",
        )  # fmt: skip
    return ops.where(x > 0, x, x * weight)


def elu(x: object, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else α(eˣ − 1); saturates at −α on the left. Clevert et al. 2015.

    >>> import graphc as gc
    >>> gc.nn.elu(gc.input("x", (3,)))
    <where: float32(3,)>
    """
    x = as_tensor(x)
    return ops.where(x > 0, x, _scaled(ops.expm1(x), alpha))


def selu(x: object) -> Tensor:
    """s · elu(x, α), s ≈ 1.0507 and α ≈ 1.6733; saturates at −sα ≈ −1.7581. Klambauer et al. 2017.

    With these constants, layers of LeCun-normal weights keep mean 0 and variance 1.

    >>> import graphc as gc
    >>> gc.nn.selu(gc.input("x", (3,)))
    <multiply: float32(3,)>
    """
    return elu(x, SELU_ALPHA) * SELU_SCALE


def celu(x: object, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else α(e^(x/α) − 1), smooth for every α; saturates at −α. Barron 2017.

    >>> import graphc as gc
    >>> gc.nn.celu(gc.input("x", (3,)), alpha=2.0)
    <where: float32(3,)>
    """
    x = as_tensor(x)
    return ops.where(x > 0, x, _scaled(ops.expm1(x if alpha == 1 else x / alpha), alpha))


def softplus(x: object, beta: float = 1.0) -> Tensor:
    """log(1 + e^(βx)) / β, a smooth relu; saturates at 0 on the left. Free of overflow.

    Its derivative is σ(βx). PyTorch cuts over to x at βx > 20; here the formula holds everywhere.
    Dugas et al. 2001.

    >>> import graphc as gc
    >>> gc.nn.softplus(gc.input("x", (3,)))
    <softplus: float32(3,)>
    """
    if beta == 1:
        return ops.softplus(x)
    return ops.softplus(ops.multiply(x, beta)) / beta


def softsign(x: object) -> Tensor:
    """x / (1 + |x|); saturates at −1 and 1, slowly. Bergstra et al. 2009.

    >>> import graphc as gc
    >>> gc.nn.softsign(gc.input("x", (3,)))
    <divide: float32(3,)>
    """
    x = as_tensor(x)
    return x / (ops.abs(x) + 1.0)


def silu(x: object) -> Tensor:
    """x · σ(x), also called swish; saturates at 0 on the left. Elfwing et al. 2017.

    >>> import graphc as gc
    >>> gc.nn.silu(gc.input("x", (3,)))
    <multiply: float32(3,)>
    """
    x = as_tensor(x)
    return x * ops.sigmoid(x)


def swish(x: object, beta: object = 1.0) -> Tensor:
    """x · σ(βx); saturates at 0 on the left. β may be a parameter. Ramachandran et al. 2017.

    β = 0 gives x/2, β → ∞ the relu.

    >>> import graphc as gc
    >>> gc.nn.swish(gc.input("x", (3,)), gc.parameter("beta", (), init=1.0))
    <multiply: float32(3,)>
    """
    x = as_tensor(x)
    if not isinstance(beta, Tensor) and beta == 1:
        return silu(x)
    return x * ops.sigmoid(ops.multiply(x, beta))


def gelu(x: object, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the standard normal distribution; saturates at 0 on the left. Hendrycks and Gimpel 2016.

    ``approximate="none"`` is ½x(1 + erf(x/√2)), ``"tanh"`` is ½x(1 + tanh(√(2/π)(x + 0.044715x³))),
    within 5e-4 of it. Raises GraphError for anything else.

    >>> import graphc as gc
    >>> gc.nn.gelu(gc.input("x", (3,)), approximate="tanh")
    <multiply: float32(3,)>
    """
    x = as_tensor(x)
    if approximate == "none":
        return x * 0.5 * (ops.erf(x * math.sqrt(0.5)) + 1.0)
    if approximate == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * 0.5 * (ops.tanh(inner) + 1.0)
    raise GraphError(
        f"approximate = {approximate!r} is unknown",
        op="gelu", location=user_location(), remedy='use "none" or "tanh"',
    )  # fmt: skip


def mish(x: object) -> Tensor:
    """x · tanh(log(1 + eˣ)); saturates at 0 on the left. Misra 2019.

    >>> import graphc as gc
    >>> gc.nn.mish(gc.input("x", (3,)))
    <multiply: float32(3,)>
    """
    x = as_tensor(x)
    return x * ops.tanh(ops.softplus(x))


def logsigmoid(x: object) -> Tensor:
    """log σ(x) = −log(1 + e⁻ˣ); saturates at 0 on the right. Free of overflow.

    >>> import graphc as gc
    >>> gc.nn.logsigmoid(gc.input("x", (3,)))
    <negative: float32(3,)>
    """
    return -ops.softplus(-as_tensor(x))


def tanhshrink(x: object) -> Tensor:
    """x − tanh(x); does not saturate.

    >>> import graphc as gc
    >>> gc.nn.tanhshrink(gc.input("x", (3,)))
    <subtract: float32(3,)>
    """
    x = as_tensor(x)
    return x - ops.tanh(x)


def softshrink(x: object, lambd: float = 0.5) -> Tensor:
    """x drawn towards 0 by ``lambd``, and 0 on [−lambd, lambd]: the proximal map of lambd·|x|.

    >>> import graphc as gc
    >>> gc.nn.softshrink(gc.input("x", (3,)))
    <where: float32(3,)>
    """
    x = as_tensor(x)
    return ops.where(x > lambd, x - lambd, ops.where(x < -lambd, x + lambd, 0.0))


def hardshrink(x: object, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.

    >>> import graphc as gc
    >>> gc.nn.hardshrink(gc.input("x", (3,)))
    <where: float32(3,)>
    """
    x = as_tensor(x)
    return ops.where(ops.abs(x) > lambd, x, 0.0)


def _scaled(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else x * factor
