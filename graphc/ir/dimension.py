"""Sizes of axes: plain integers, or expressions over named positive integers (SymPy symbols).

What enters is what users write as a shape; what leaves are shapes that can be compared, broadcast,
bounded, and printed as Python source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TypeAlias

import sympy

from graphc.errors import ShapeError

Dim: TypeAlias = "int | sympy.Expr"
Shape: TypeAlias = "tuple[Dim, ...]"


@cache
def symbol(name: str) -> sympy.Symbol:
    """The symbolic dimension of this name: the same string is the same dimension."""
    return sympy.Symbol(name, integer=True, positive=True)


def as_dim(value: object) -> Dim:
    """One size from what a user writes: an integer, a name, or an expression of named sizes."""
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str):
        if not value:
            raise ShapeError("a symbolic dimension needs a name, but '' was given", remedy='write e.g. "N"')
        return symbol(value)
    if isinstance(value, sympy.Expr):
        if value.is_Integer:
            return int(value)
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ShapeError(
            f"a dimension is an integer or a name, but {value!r} ({type(value).__name__}) was given",
            remedy='give an int such as 784, or a string such as "N" for a size known only at the call',
        )
    size = int(value.__index__())
    if size < 0:
        raise ShapeError(
            f"a dimension cannot be negative, but {size} was given", remedy="give a size of 0 or more"
        )
    return size


def as_shape(value: object) -> Shape:
    """A shape from a tuple, a list, or a single size."""
    if isinstance(value, (tuple, list)):
        return tuple(as_dim(v) for v in value)
    return (as_dim(value),)


def simplified(value: Dim) -> Dim:
    """The size as a plain int where it is one, else in expanded form."""
    if isinstance(value, (int, sympy.Symbol)):
        return value
    return _expanded(value)


@lru_cache(maxsize=65536)
def _expanded(value: sympy.Expr) -> Dim:
    value = sympy.expand(value)
    return int(value) if value.is_Integer else value


def same(a: Dim, b: Dim) -> bool:
    """Whether two sizes are equal for every value of the symbols in them."""
    if a is b:
        return True
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, sympy.Symbol if isinstance(b, int) else int) and isinstance(b, (int, sympy.Symbol)):
        return False  # by far the commonest pair, and slow to ask of SymPy
    return _same_expressions(a, b)


@lru_cache(maxsize=65536)
def _same_expressions(a: Dim, b: Dim) -> bool:
    return bool(a == b) or sympy.expand(a - b) == 0


def same_shape(a: Sequence[Dim], b: Sequence[Dim]) -> bool:
    """Whether two shapes are equal for every value of the symbols in them."""
    return a is b or (len(a) == len(b) and all(map(same, a, b)))


def is_nonnegative(value: Dim) -> bool:
    """Whether the size is provably at least 0."""
    return value >= 0 if isinstance(value, int) else bool(value.is_nonnegative)


def smaller(a: Dim, b: Dim) -> Dim:
    """min(a, b), decided where the symbols allow."""
    if is_nonnegative(simplified(b - a)):
        return a
    if is_nonnegative(simplified(a - b)):
        return b
    return simplified(sympy.Min(a, b))


def larger(a: Dim, b: Dim) -> Dim:
    """max(a, b), decided where the symbols allow."""
    if is_nonnegative(simplified(a - b)):
        return a
    if is_nonnegative(simplified(b - a)):
        return b
    return simplified(sympy.Max(a, b))


def ceil_div(a: Dim, b: int) -> Dim:
    """ceil(a / b) for a positive integer b."""
    return floor_div(a + (b - 1), b)


def floor_div(a: Dim, b: int) -> Dim:
    """floor(a / b) for a positive integer b."""
    if b == 1:
        return simplified(a)
    if isinstance(a, int):
        return a // b
    return simplified(sympy.floor(simplified(a) / sympy.Integer(b)))


def element_count(shape: Iterable[Dim]) -> Dim:
    """The number of elements of an array of this shape."""
    total, symbolic = 1, []
    for size in shape:
        if isinstance(size, int):
            total *= size
        else:
            symbolic.append(size)
    return _product(total, tuple(symbolic)) if symbolic else total


@lru_cache(maxsize=65536)
def _product(number: int, sizes: tuple[sympy.Expr, ...]) -> Dim:
    total: Dim = number
    for size in sizes:
        total = total * size
    return total


def symbols_of(values: Iterable[Dim]) -> list[sympy.Symbol]:
    """The symbols that occur, in order of first occurrence."""
    found: dict[sympy.Symbol, None] = {}
    for value in values:
        if not isinstance(value, int):
            for s in _symbols_in(value):
                found.setdefault(s)
    return list(found)


@lru_cache(maxsize=65536)
def _symbols_in(value: sympy.Expr) -> tuple[sympy.Symbol, ...]:
    return tuple(sorted(value.free_symbols, key=lambda s: s.name))


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """The common shape by NumPy's rule; a symbolic size fits itself and 1, nothing else.

    Raises ShapeError where two sizes differ and neither is 1.
    """
    first = shapes[0]
    for shape in shapes:
        if shape is not first and shape != first:
            break
    else:
        return first
    rank = max(map(len, shapes))
    result: list[Dim] = [1] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for axis, size in enumerate(shape, offset):
            seen = result[axis]
            if same(seen, size) or same(size, 1):
                continue
            if same(seen, 1):
                result[axis] = size
                continue
            raise ShapeError(
                f"shapes {' and '.join(map(format_shape, shapes))} do not broadcast: "
                f"sizes {seen} and {size} at axis {axis - rank} differ and neither is 1",
                remedy="reshape one of them, or name equal dimensions by the same string"
                if not (isinstance(seen, int) and isinstance(size, int))
                else "reshape or transpose one of them so that the sizes agree",
            )
    return tuple(result)


def broadcast_axes(source: Shape, target: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes of ``target`` that broadcasting ``source`` to it added, and those it stretched from 1."""
    offset = len(target) - len(source)
    stretched = tuple(
        offset + axis
        for axis, size in enumerate(source)
        if same(size, 1) and not same(target[offset + axis], 1)
    )
    return tuple(range(offset)), stretched


@lru_cache(maxsize=65536)
def _text(value: sympy.Expr) -> str:
    return str(value)


def format_dim(value: Dim) -> str:
    """The size as text, symbols by their bare names."""
    return str(value) if isinstance(value, int) else _text(value)


def format_shape(shape: Sequence[Dim]) -> str:
    """The shape as Python writes a tuple, symbols by their bare names."""
    inner = ", ".join(map(format_dim, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def dim_source(value: Dim, names: Mapping[str, str]) -> str:
    """Python source that computes the size from variables; ``names`` maps a symbol to its variable."""
    if isinstance(value, int):
        return str(value)
    if value.is_Symbol:
        return names[value.name]
    return _expression_source(value, tuple([(s.name, names[s.name]) for s in _symbols_in(value)]))


@lru_cache(maxsize=65536)
def _expression_source(value: sympy.Expr, variables: tuple[tuple[str, str], ...]) -> str:
    if value.is_Integer:
        return str(int(value))
    names = dict(variables)

    def joined(sign: str) -> str:  # not for a quotient, whose factors are no integers
        return sign.join([dim_source(a, names) for a in value.args])

    match value.func:
        case sympy.Add:
            return f"({joined(' + ')})"
        case sympy.Max:
            return f"max({joined(', ')})"
        case sympy.Min:
            return f"min({joined(', ')})"
        case sympy.Mod:
            return f"({joined(' % ')})"
        case sympy.floor:
            numerator, denominator = sympy.fraction(sympy.together(value.args[0]))
            return f"({dim_source(numerator, names)} // {dim_source(denominator, names)})"
        case sympy.ceiling:
            numerator, denominator = sympy.fraction(sympy.together(value.args[0]))
            return f"(-(-{dim_source(numerator, names)} // {dim_source(denominator, names)}))"
        case sympy.Pow if value.args[1].is_Integer and value.args[1] > 0:
            return joined("**")
        case sympy.Mul:
            numerator, denominator = sympy.fraction(value)
            if denominator == 1:
                return f"({joined(' * ')})"
            # Sizes are integers: a quotient that reaches a shape divides evenly or was refused when built.
            return f"({dim_source(numerator, names)} // {dim_source(denominator, names)})"
    raise ShapeError(f"the size {value} has no integer form", remedy="use +, -, *, //, min and max of sizes")


def evaluate_dim(value: Dim, sizes: Mapping[str, int]) -> int:
    """The size as an int, given the value of each symbol by name."""
    if isinstance(value, int):
        return value
    names, function = _evaluator(value)
    missing = [n for n in names if n not in sizes]
    if missing:
        raise ShapeError(
            f"the size of dimension {missing[0]!r} is unknown",
            remedy="some input must have it as an axis of its own",
        )
    return int(function(*[sizes[n] for n in names]))


@lru_cache(maxsize=65536)
def _evaluator(value: sympy.Expr) -> tuple[tuple[str, ...], Callable[..., int]]:
    """The names of the symbols of a size, and a function of their values."""
    names = {s.name: f"d{i}" for i, s in enumerate(symbols_of([value]))}
    return tuple(names), _compiled(dim_source(value, names), tuple(names.values()))


@lru_cache(maxsize=4096)
def _compiled(source: str, variables: tuple[str, ...]):  # type: ignore[no-untyped-def]
    return eval(f"lambda {', '.join(variables)}: {source}", {"min": min, "max": max})
