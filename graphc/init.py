"""First values of parameters: each function gives an initialiser ``(shape, dtype, generator) -> array``.

Pass one as ``gc.parameter(…, init=gc.init.he_normal())``. All draw in float64 and round to the
parameter's dtype, so that a seed means the same numbers in every precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import format_shape
from graphc.ir.dtype import DType
from graphc.ir.origin import user_location

Array: TypeAlias = "np.ndarray[Any, Any]"
Initializer: TypeAlias = Callable[[tuple[int, ...], DType, np.random.Generator], Array]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs feed one output of a weight, and how many outputs one input feeds.

    The rank decides: two axes are a dense weight (in, out); three or more a convolution's
    (out, in / groups, *kernel), where every tap of the kernel counts. A vector of n is (n, n).

    >>> import graphc as gc
    >>> gc.init.fans((784, 256)), gc.init.fans((32, 16, 3, 3))
    ((784, 256), (144, 288))
    """
    if len(shape) < 2:
        return (math.prod(shape),) * 2
    if len(shape) == 2:
        return shape[0], shape[1]
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def gain(nonlinearity: str = "linear", negative_slope: float = 0.01) -> float:
    """The factor by which weights must grow to keep the variance through a nonlinearity.

    As ``torch.nn.init.calculate_gain``; √2 for relu: half of the variance is cut off (He et al. 2015).
    Raises GraphError for a name that is not known.

    >>> import graphc as gc
    >>> round(gc.init.gain("relu") ** 2, 12)
    2.0
    """
    known = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + negative_slope**2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in known:
        raise GraphError(
            f"no gain is known for {nonlinearity!r}",
            op="gain", location=user_location(), remedy=f"use one of {', '.join(known)}",
        )  # fmt: skip
    return known[nonlinearity]


# -- plain distributions -----------------------------------------------------------------------------
def constant(value: float) -> Initializer:
    """Every element the same."""
    return lambda shape, dtype, generator: np.full(shape, value, dtype)


def zeros() -> Initializer:
    """Every element 0."""
    return constant(0.0)


def ones() -> Initializer:
    """Every element 1."""
    return constant(1.0)


def uniform(low: float = 0.0, high: float = 1.0) -> Initializer:
    """Draws from [low, high), as `torch.nn.init.uniform_`.

    >>> import graphc as gc, numpy as np
    >>> gc.init.uniform(-1, 1)((2, 3), np.dtype("float32"), np.random.default_rng(0)).shape
    (2, 3)
    """
    if not low <= high:
        raise GraphError(
            f"low = {low} is above high = {high}",
            op="uniform",
            location=user_location(),
            remedy="exchange them",
        )
    return lambda shape, dtype, generator: np.asarray(generator.uniform(low, high, shape), dtype)


def normal(mean: float = 0.0, std: float = 1.0) -> Initializer:
    """Draws from the normal distribution."""
    _check_scale(std, "normal")
    return lambda shape, dtype, generator: np.asarray(generator.normal(mean, std, shape), dtype)


def truncated_normal(
    mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0
) -> Initializer:
    """Draws from the normal distribution, drawn again where outside mean + std · [low, high].

    ``low`` and ``high`` count standard deviations, so that ``std`` scales the whole. The variance of
    what is left is smaller than std²: 0.774 std² at [−2, 2].
    """
    _check_scale(std, "truncated_normal")
    if not (low < high and low < 8 and high > -8):
        raise GraphError(
            f"[{low}, {high}] holds next to no mass of the standard normal distribution",
            op="truncated_normal", location=user_location(),
            remedy="give bounds around 0, in standard deviations",
        )  # fmt: skip

    def draw(shape: tuple[int, ...], dtype: DType, generator: np.random.Generator) -> Array:
        values = generator.standard_normal(shape)
        flat = values.reshape(-1)
        outside = np.flatnonzero((flat < low) | (flat > high))
        while outside.size:
            again = generator.standard_normal(outside.size)
            flat[outside] = again
            outside = outside[(again < low) | (again > high)]
        return np.asarray(mean + std * values, dtype)

    return draw


# -- scaled by the fans ------------------------------------------------------------------------------
def glorot_uniform(gain: float = 1.0) -> Initializer:
    """U(−a, a) with a = gain · √(6 / (fan_in + fan_out)): variance kept forwards and backwards.

    Glorot and Bengio 2010; also called Xavier.

    >>> import graphc as gc, numpy as np
    >>> w = gc.init.glorot_uniform()((300, 300), np.dtype("float32"), np.random.default_rng(0))
    >>> bool(abs(w).max() <= 0.1), w.dtype
    (True, dtype('float32'))
    """
    return _scaled_uniform(lambda fan_in, fan_out: gain * math.sqrt(2 / max(fan_in + fan_out, 1)))


def glorot_normal(gain: float = 1.0) -> Initializer:
    """N(0, s²) with s = gain · √(2 / (fan_in + fan_out)). Glorot and Bengio 2010; also called Xavier."""
    return _scaled_normal(lambda fan_in, fan_out: gain * math.sqrt(2 / max(fan_in + fan_out, 1)))


def he_uniform(nonlinearity: str = "relu", negative_slope: float = 0.0, mode: str = "fan_in") -> Initializer:
    """U(−a, a) with a = gain · √(3 / fan): variance kept through rectifiers.

    He et al. 2015; also called Kaiming. ``mode`` is "fan_in" (forwards) or "fan_out" (backwards).
    """
    return _scaled_uniform(_he_scale(nonlinearity, negative_slope, mode))


def he_normal(nonlinearity: str = "relu", negative_slope: float = 0.0, mode: str = "fan_in") -> Initializer:
    """N(0, s²) with s = gain / √fan: variance kept through rectifiers. He et al. 2015; also called Kaiming.

    ``mode`` is "fan_in" (forwards) or "fan_out" (backwards).
    """
    return _scaled_normal(_he_scale(nonlinearity, negative_slope, mode))


def lecun_uniform() -> Initializer:
    """U(−a, a) with a = √(3 / fan_in). LeCun et al. 1998."""
    return _scaled_uniform(lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, 1)))


def lecun_normal() -> Initializer:
    """N(0, 1 / fan_in), what SELU networks ask for. LeCun et al. 1998."""
    return _scaled_normal(lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, 1)))


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


# -- structured --------------------------------------------------------------------------------------
def orthogonal(gain: float = 1.0) -> Initializer:
    """gain · Q with orthonormal rows or columns, whichever are fewer, uniform over all such.

    Saxe et al. 2013. A weight of more than two axes is taken as a matrix (first axis, the rest).
    Raises ShapeError for fewer than two axes.

    >>> import graphc as gc, numpy as np
    >>> q = gc.init.orthogonal()((3, 3), np.dtype("float64"), np.random.default_rng(0))
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """

    def draw(shape: tuple[int, ...], dtype: DType, generator: np.random.Generator) -> Array:
        if len(shape) < 2:
            raise _wrong_rank("orthogonal", shape, "two axes or more")
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        # QR leaves the signs to the algorithm; making diag(R) positive makes Q uniform (Mezzadri 2007).
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return np.asarray(gain * (q if rows >= columns else q.T), dtype).reshape(shape)

    return draw


def identity(gain: float = 1.0) -> Initializer:
    """gain on the diagonal of a matrix, 0 elsewhere. Raises ShapeError for other than two axes."""

    def draw(shape: tuple[int, ...], dtype: DType, generator: np.random.Generator) -> Array:
        if len(shape) != 2:
            raise _wrong_rank("identity", shape, "two axes")
        return np.asarray(gain * np.eye(*shape), dtype)

    return draw


eye = identity


def dirac() -> Initializer:
    """A convolution that hands its channels through: 1 at the kernel's centre of channel i to i, else 0.

    Raises ShapeError for fewer than three axes.
    """

    def draw(shape: tuple[int, ...], dtype: DType, generator: np.random.Generator) -> Array:
        if len(shape) < 3:
            raise _wrong_rank("dirac", shape, "three axes or more")
        weight = np.zeros(shape, dtype)
        centre = tuple(size // 2 for size in shape[2:])
        for i in range(min(shape[:2])):
            weight[(i, i, *centre)] = 1
        return weight

    return draw


# -- shared ------------------------------------------------------------------------------------------
_Scale: TypeAlias = Callable[[int, int], float]


def _scaled_normal(scale: _Scale) -> Initializer:
    return lambda shape, dtype, generator: np.asarray(
        generator.normal(0.0, scale(*fans(shape)), shape), dtype
    )


def _scaled_uniform(scale: _Scale) -> Initializer:
    def draw(shape: tuple[int, ...], dtype: DType, generator: np.random.Generator) -> Array:
        bound = math.sqrt(3) * scale(*fans(shape))  # U(−a, a) has variance a²/3
        return np.asarray(generator.uniform(-bound, bound, shape), dtype)

    return draw


def _he_scale(nonlinearity: str, negative_slope: float, mode: str) -> _Scale:
    factor = gain(nonlinearity, negative_slope)
    if mode not in ("fan_in", "fan_out"):
        raise GraphError(
            f"mode = {mode!r} is unknown",
            op="he",
            location=user_location(),
            remedy='use "fan_in" or "fan_out"',
        )
    return lambda fan_in, fan_out: factor / math.sqrt(max(fan_in if mode == "fan_in" else fan_out, 1))


def _check_scale(std: float, op: str) -> None:
    if not std >= 0:
        raise GraphError(
            f"std = {std} is negative", op=op, location=user_location(), remedy="give a number of 0 or more"
        )


def _wrong_rank(op: str, shape: tuple[int, ...], wanted: str) -> ShapeError:
    return ShapeError(
        f"the parameter has shape {format_shape(shape)}, where {wanted} are needed",
        op=op, location=user_location(), remedy="use another initialiser",
    )  # fmt: skip
