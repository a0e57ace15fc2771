"""Refutation: two graphs enter; a point at which they differ beyond all rounding leaves, if one is found.

Both are evaluated in float64 at points of several kinds; where they differ, again in 50 and in 200 digits,
and once more with the constants moved by their own rounding. Only a difference that outlives this counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import mpmath
import numpy as np

from graphc.errors import GraphError
from graphc.ir.body import resolved
from graphc.ir.dimension import evaluate_dim, symbols_of
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.elementwise import CAST
from graphc.ops.sources import CONSTANT
from graphc.symbolic.exact import Beyond, constant_value, exact_values, is_undefined
from graphc.symbolic.local import exact_number

Array = np.ndarray[Any, Any]
_LARGEST = 20_000  # elements of one node at a point
_CONFIRMED_AT_MOST = 6  # points that are computed exactly
_DIGITS = (50, 200)
_CLEARLY = 1e-6  # relative difference of a counterexample
_ROUNDINGS = 100  # how often the rounding of constants the difference must be
_MOVES = 3
_SIZES = ((2, 3, 4, 5), (3, 2, 5, 4), (1, 2, 3, 1), (4, 1, 1, 2), (5, 4, 3, 2))


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A point at which two graphs differ: sizes, values of the sources, the element, both its values."""

    sizes: Mapping[str, int]
    values: Mapping[str, Array]
    index: tuple[int, ...]
    left: Any
    right: Any

    def __str__(self) -> str:
        sizes = "".join(f"{n} = {v}, " for n, v in self.sizes.items())
        shown = ", ".join(f"{n} = {np.array2string(v, threshold=12)}" for n, v in self.values.items())
        element = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"at {sizes}{shown}: left{element} = {_shown(self.left)}, right{element} = {_shown(self.right)}"
        )


def _shown(value: Any) -> str:
    if is_undefined(value):
        return "undefined"
    return mpmath.nstr(value, 12) if isinstance(value, mpmath.mpf) else str(value)


@dataclass(frozen=True, eq=False)
class Search:
    """What points showed: a counterexample, one that one side alone has a value at, how many compared."""

    counterexample: Counterexample | None
    domain_difference: Counterexample | None
    compared: int


@dataclass(frozen=True, eq=False)
class _Point:
    sizes: Mapping[str, int]
    values: Mapping[Tensor, Array]


def searched(a: Tensor, b: Tensor, points: int, seed: int, same_source: Mapping[Tensor, Tensor]) -> Search:
    """Look for a counterexample at as many points."""
    generator = np.random.default_rng(seed)
    order = topological_order([a, b])
    domain: Counterexample | None = None
    constants = {n: constant_value(n).astype(np.float64) for n in order if _is_real_constant(n)}
    confirmed = compared = 0
    for point in _points(order, points, generator, same_source):
        sides = _evaluated(order, point, constants, a, b)
        if sides is None:
            continue
        left, right = sides
        compared += int(np.isfinite(left.astype(float)).any() and np.isfinite(right.astype(float)).any())
        if confirmed >= _CONFIRMED_AT_MOST or not _seems_different(left, right, domain is None):
            continue
        confirmed += 1
        found = _confirmed(a, b, order, point)
        if found is None:
            continue
        if not is_undefined(found.left) and not is_undefined(found.right):
            return Search(found, domain, compared)
        domain = domain or found
    return Search(None, domain, compared)


def _seems_different(left: Array, right: Array, also_domains: bool) -> bool:
    left, right = left.astype(float), right.astype(float)
    finite = np.isfinite(left) & np.isfinite(right)
    if also_domains and (np.isfinite(left) != np.isfinite(right)).any():
        return True
    with np.errstate(all="ignore"):
        apart = np.abs(left - right) > _CLEARLY * np.maximum(np.abs(left), np.abs(right))
    return bool((apart & finite).any())


# -- points ------------------------------------------------------------------------------------------
def _points(
    order: Sequence[Tensor], count: int, generator: np.random.Generator, same_source: Mapping[Tensor, Tensor]
) -> Iterator[_Point]:
    names = sorted({s.name for n in order for s in symbols_of(n.shape)} | _sizes_in_values(order))
    limits = _positions(order)
    for number, kind in enumerate(islice(cycle(_KINDS), count)):
        choice = _SIZES[number // 2 % len(_SIZES)]
        sizes = {n: choice[i % len(choice)] for i, n in enumerate(names)}
        values: dict[Tensor, Array] = {}
        try:
            for node in order:
                if node.inputs or (node.op.name not in ("input", "parameter") and node.op.family != "random"):
                    continue
                first = same_source.get(node, node)
                if first not in values:
                    shape = tuple([evaluate_dim(s, sizes) for s in node.shape])
                    if np.prod(shape, dtype=float) > _LARGEST:
                        return
                    values[first] = _drawn(
                        node, shape, kind, generator, limits.get(first, limits.get(node)), sizes
                    )
                values[node] = values[first]
        except GraphError:  # sizes that do not fit
            continue
        yield _Point(sizes, values)


def _sizes_in_values(order: Sequence[Tensor]) -> set[str]:
    return {s.name for n in order if n.op.name == "dimension" for s in symbols_of([n.attrs["value"]])}


def _positions(order: Sequence[Tensor]) -> dict[Tensor, Any]:
    """For integers that are positions, the size of the axis."""
    found: dict[Tensor, Any] = {}
    for node in order:
        if node.op.name == "index_check":
            found.setdefault(node.inputs[0], node.attrs["size"])
        elif node.op.name == "take":
            found.setdefault(node.inputs[1], node.inputs[0].shape[node.attrs["axis"]])
        elif node.op.name == "scatter_add":
            found.setdefault(node.inputs[1], node.attrs["size"])
    return found


_KINDS = ("normal", "integers", "positive", "large", "unit", "sparse", "zero", "small", "halves", "integers")


def _drawn(
    node: Tensor, shape: tuple[int, ...], kind: str, generator: np.random.Generator, limit: Any, sizes: Any
) -> Array:
    if node.op.name == "random_uniform":
        return generator.uniform(0, 1, shape)
    if node.op.name == "random_normal":
        return generator.normal(size=shape)
    if node.dtype.kind == "b":
        return np.asarray(generator.integers(0, 2, shape), bool)
    if node.dtype.kind in "iu":
        highest = 4 if limit is None else max(evaluate_dim(limit, sizes), 1)
        lowest = -3 if limit is None and node.dtype.kind == "i" else 0
        return np.asarray(generator.integers(lowest, highest, shape), node.dtype)
    draws: dict[str, Callable[[], Any]] = {
        "normal": lambda: generator.normal(size=shape),
        "integers": lambda: generator.integers(-2, 3, shape),
        "positive": lambda: generator.uniform(0.1, 3, shape),
        "large": lambda: generator.normal(size=shape) * 10,
        "unit": lambda: generator.uniform(-0.9, 0.9, shape),
        "sparse": lambda: generator.normal(size=shape) * generator.integers(0, 2, shape),
        "zero": lambda: np.zeros(shape),
        "halves": lambda: generator.integers(-5, 6, shape) / 2,
        "small": lambda: generator.normal(size=shape) / 100,
    }
    return np.asarray(draws[kind](), np.float64)


# -- evaluation --------------------------------------------------------------------------------------
def _is_real_constant(node: Tensor) -> bool:
    return node.op is CONSTANT and is_float(node.dtype)


def _evaluated(
    order: Sequence[Tensor], point: _Point, constants: Mapping[Tensor, Array], a: Tensor, b: Tensor
) -> tuple[Array, Array] | None:
    """Both sides in float64, casts between floats left out; None where the graphs cannot run here."""
    values: dict[Tensor, Array] = {**constants, **point.values}
    with np.errstate(all="ignore"):
        for node in order:
            if node in values:
                continue
            attrs = {k: resolved(v, point.sizes) for k, v in node.attrs.items()}
            if node.op is CAST and is_float(node.dtype):
                values[node] = np.asarray(values[node.inputs[0]], np.float64)
            else:
                try:
                    found = np.asarray(node.op.evaluate(attrs, *(values[i] for i in node.inputs)))
                except (GraphError, IndexError, ValueError, TypeError, ZeroDivisionError):
                    return None
                if found.size > _LARGEST:
                    return None
                values[node] = found.astype(np.float64) if is_float(node.dtype) else found
    return values[a], values[b]


def _confirmed(a: Tensor, b: Tensor, order: Sequence[Tensor], point: _Point) -> Counterexample | None:
    """The element at which the exact values differ most clearly; None where none does."""
    try:
        runs = [exact_values([a, b], point.values, point.sizes, digits=d) for d in _DIGITS]
        for generator in map(np.random.default_rng, range(_MOVES)):
            moved = _moved(order, generator)
            if moved:
                runs.append(exact_values([a, b], point.values, point.sizes, moved))
    except (GraphError, Beyond, ValueError, IndexError, OverflowError):
        return None
    domain = None
    for index in np.ndindex(runs[0][0].shape):
        sides = [(left[index], right[index]) for left, right in runs]
        if len({(is_undefined(x), is_undefined(y)) for x, y in sides}) > 1:
            continue
        x, y = sides[1]
        if is_undefined(x) != is_undefined(y):
            domain = domain or _counterexample(point, index, x, y)
        elif not is_undefined(x) and _is_apart(sides):
            return _counterexample(point, index, x, y)
    return domain


def _is_apart(sides: Sequence[tuple[Any, Any]]) -> bool:
    """Whether two values differ clearly, and by far more than either moves from run to run."""
    with mpmath.workdps(max(_DIGITS)):
        numbers = [tuple([_number(v) for v in pair]) for pair in sides]
        if not all(mpmath.isfinite(v) for pair in numbers for v in pair):
            return False
        x, y = numbers[1]
        apart = abs(x - y)
        rounding = max(abs(x - u) + abs(y - v) for u, v in numbers)
        return bool(apart > _CLEARLY * max(abs(x), abs(y)) and apart > _ROUNDINGS * rounding)


def _number(value: Any) -> Any:
    return value if isinstance(value, mpmath.mpf) else mpmath.mpf(int(value))


def _moved(order: Sequence[Tensor], generator: np.random.Generator) -> dict[Tensor, Array]:
    """Constants that may be rounded, each moved by one to three units in the last place."""
    found = {}
    for node in order:
        if not _is_real_constant(node):
            continue
        value = node.attrs["value"]
        if all(_is_short(v) for v in value.reshape(-1)[:1000]):
            continue
        step = mpmath.mpf(float(np.finfo(node.dtype).eps))
        exact = constant_value(node)
        units = generator.integers(1, 4, exact.shape) * generator.choice([-1, 1], exact.shape)
        found[node] = np.asarray(exact * (1 + units.astype(object) * step), object)
    return found


def _is_short(value: Any) -> bool:
    number = exact_number(np.asarray(value))
    return number is None or bool(number.is_Rational)


def _counterexample(point: _Point, index: tuple[int, ...], x: Any, y: Any) -> Counterexample:
    values: dict[str, Array] = {}
    for node, value in point.values.items():
        name = node.name or node.op.name
        while name in values and values[name] is not value:
            name += "'"
        values[name] = value
    return Counterexample(dict(point.sizes), values, tuple(map(int, index)), x, y)
