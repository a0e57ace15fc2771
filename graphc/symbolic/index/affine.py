"""Indices: integer combinations of index variables, of digits of such, and of elements of integer tensors.

An index says which element of a tensor is read. Every part knows the interval it runs over, so that most
questions ("is it in range?", "does it carry into the next digit?") are answered by comparing bounds. Sizes
may be symbolic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import TypeAlias

from graphc.ir.dimension import Dim, is_nonnegative, same, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.shape import quotient

Interval: TypeAlias = "tuple[Dim, Dim] | None"


class Variable:
    """An index that runs over 0 … size − 1; its own identity. ``letter`` is a wish for printing.

    ``serial`` counts the variables of the process: what is ordered by it comes out the same in every run.
    """

    __slots__ = ("letter", "serial", "size")
    _count = count()

    def __init__(self, size: Dim, letter: str = "") -> None:
        self.size = size
        self.letter = letter
        self.serial = next(self._count)

    def __repr__(self) -> str:
        return f"{self.letter or 'v'}{self.serial:09d}"

    @property
    def interval(self) -> Interval:
        return 0, simplified(self.size - 1)


class Digit:
    """⌊value / divisor⌋ mod modulus: one digit of an index in mixed radix."""

    __slots__ = ("_hash", "divisor", "modulus", "value")

    def __init__(self, value: Affine, divisor: Dim, modulus: Dim) -> None:
        self.value, self.divisor, self.modulus = value, divisor, modulus
        self._hash = hash((value, divisor, modulus))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Digit)
            and self.divisor == other.divisor
            and self.modulus == other.modulus
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"⌊{self.value}/{self.divisor}⌋%{self.modulus}"

    @property
    def interval(self) -> Interval:
        return 0, simplified(self.modulus - 1)


class Gather:
    """An element of an integer tensor, used as an index below ``size``."""

    __slots__ = ("_hash", "index", "size", "tensor")

    def __init__(self, tensor: Tensor, index: tuple[Affine, ...], size: Dim) -> None:
        self.tensor, self.index, self.size = tensor, index, size
        self._hash = hash((id(tensor), index))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gather) and self.tensor is other.tensor and self.index == other.index

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"{self.tensor.name or self.tensor.op.name}{list(self.index)}"

    @property
    def interval(self) -> Interval:
        return 0, simplified(self.size - 1)


Key: TypeAlias = "Variable | Digit | Gather"


class Affine:
    """Σ coefficient · key + constant, with no coefficient 0; equal where the parts are equal."""

    __slots__ = ("__dict__", "_hash", "constant", "parts")

    def __init__(self, parts: Mapping[Key, Dim], constant: Dim = 0) -> None:
        self.parts = {k: c for k, c in parts.items() if not same(c, 0)}
        self.constant = constant
        self._hash = hash((frozenset(self.parts.items()), constant))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Affine)
            and self._hash == other._hash
            and same(self.constant, other.constant)
            and self.parts.keys() == other.parts.keys()
            and all(same(c, other.parts[k]) for k, c in self.parts.items())
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        shown = [f"{c}·{k}" if c != 1 else str(k) for k, c in self.parts.items()]
        if not same(self.constant, 0) or not shown:
            shown.append(str(self.constant))
        return " + ".join(shown)

    def __add__(self, other: Affine) -> Affine:
        parts = dict(self.parts)
        for key, c in other.parts.items():
            parts[key] = simplified(parts[key] + c) if key in parts else c
        return Affine(parts, simplified(self.constant + other.constant))

    def __sub__(self, other: Affine) -> Affine:
        return self + other.times(-1)

    def times(self, factor: Dim) -> Affine:
        """The index times a size."""
        if same(factor, 1):
            return self
        scaled = {k: simplified(c * factor) for k, c in self.parts.items()}
        return Affine(scaled, simplified(self.constant * factor))

    def plus(self, constant: Dim) -> Affine:
        """The index shifted."""
        return self if same(constant, 0) else Affine(self.parts, simplified(self.constant + constant))

    @cached_property
    def interval(self) -> Interval:
        """Bounds that it does not leave, or None where a coefficient's sign is not known."""
        low = high = self.constant
        for key, c in self.parts.items():
            bounds = key.interval
            if bounds is None:
                return None
            first, last = (c * bounds[0], c * bounds[1])
            if is_nonnegative(c):
                low, high = low + first, high + last
            elif is_nonnegative(-c):
                low, high = low + last, high + first
            else:
                return None
        return simplified(low), simplified(high)

    @property
    def variable(self) -> Variable | None:
        """The variable that it is, if it is just that."""
        if len(self.parts) != 1 or not same(self.constant, 0):
            return None
        ((key, c),) = self.parts.items()
        return key if isinstance(key, Variable) and same(c, 1) else None

    @property
    def is_constant(self) -> bool:
        return not self.parts

    @cached_property
    def variables(self) -> frozenset[Variable]:
        """Every variable in it, also inside digits and gathered elements."""
        found: set[Variable] = set()
        for key in self.parts:
            found |= variables_of(key)
        return frozenset(found)

    @property
    def is_plain(self) -> bool:
        """Whether all its keys are variables."""
        return all(isinstance(k, Variable) for k in self.parts)

    def substituted(self, new: Mapping[Variable, Affine]) -> Affine:
        """The index with variables replaced; digits that become simple are resolved."""
        if self.variables.isdisjoint(new):
            return self
        result = Affine({}, self.constant)
        for key, c in self.parts.items():
            result += _substituted_key(key, new).times(c)
        return result


def in_order(variables: Iterable[Variable]) -> list[Variable]:
    """The variables in the order in which they were made: sets have none that is the same in every run."""
    return sorted(variables, key=lambda v: v.serial)


def variables_of(key: Key) -> frozenset[Variable]:
    """The variables below a key."""
    if isinstance(key, Variable):
        return frozenset((key,))
    if isinstance(key, Digit):
        return key.value.variables
    return frozenset().union(*[e.variables for e in key.index])


def _substituted_key(key: Key, new: Mapping[Variable, Affine]) -> Affine:
    if isinstance(key, Variable):
        return new.get(key) or of(key)
    if isinstance(key, Digit):
        return digit(key.value.substituted(new), key.divisor, key.modulus)
    return of(Gather(key.tensor, tuple([e.substituted(new) for e in key.index]), key.size))


def of(key: Key) -> Affine:
    """The index that is one key."""
    return Affine({key: 1})


def constant(value: Dim) -> Affine:
    """The index that is a number."""
    return Affine({}, value)


ZERO = constant(0)


# -- mixed radix -------------------------------------------------------------------------------------
def digit(value: Affine, divisor: Dim, modulus: Dim) -> Affine:
    """⌊value / divisor⌋ mod modulus, in the simplest form that intervals prove."""
    period = simplified(divisor * modulus)
    value = Affine(
        {k: c for k, c in value.parts.items() if not _divides(period, c)},
        0 if _divides(period, value.constant) else value.constant,
    )
    high, rest = {}, {}
    for key, c in value.parts.items():
        whole = quotient(c, divisor)
        if whole is None:
            rest[key] = c
        else:
            high[key] = whole
    constant_high: Dim = 0
    constant_rest = value.constant
    if isinstance(value.constant, int) and isinstance(divisor, int) and divisor:
        constant_high, constant_rest = divmod(value.constant, divisor)
    elif (whole := quotient(value.constant, divisor)) is not None:
        constant_high, constant_rest = whole, 0
    if within(Affine(rest, constant_rest), divisor):
        quotient_part = Affine(high, constant_high)
        if within(quotient_part, modulus):
            return quotient_part
        value, divisor = quotient_part, 1
    if len(value.parts) == 1 and same(value.constant, 0):
        ((key, c),) = value.parts.items()
        if same(c, 1) and isinstance(key, Digit) and _divides(simplified(divisor * modulus), key.modulus):
            return digit(key.value, simplified(key.divisor * divisor), modulus)
    return of(Digit(value, divisor, modulus))


def _divides(part: Dim, total: Dim) -> bool:
    return quotient(total, part) is not None


def within(value: Affine, size: Dim) -> bool:
    """Whether the index is known to lie in 0 … size − 1."""
    bounds = value.interval
    return (
        bounds is not None and is_nonnegative(bounds[0]) and is_nonnegative(simplified(size - 1 - bounds[1]))
    )


def strides(shape: Sequence[Dim]) -> list[Dim]:
    """How far apart in C order two neighbours along each axis are."""
    found: list[Dim] = []
    step: Dim = 1
    for size in reversed(shape):
        found.append(step)
        step = simplified(step * size)
    return found[::-1]


def raveled(index: Iterable[Affine], shape: Sequence[Dim]) -> Affine:
    """The place in C order."""
    total = ZERO
    for e, step in zip(index, strides(shape), strict=True):
        total += e.times(step)
    return total


def unraveled(place: Affine, shape: Sequence[Dim]) -> tuple[Affine, ...]:
    """The index of a place in C order: its digits."""
    found = []
    for number, (size, step) in enumerate(zip(shape, strides(shape), strict=True)):
        if same(size, 1):
            found.append(ZERO)
        elif number == 0 and within(place, simplified(size * step)) and same(step, 1):
            found.append(place)
        else:
            found.append(digit(place, step, size))
    return tuple(found)


def radix_order(value: Affine) -> list[Variable] | None:
    """The variables, most significant first, if the index counts 0 … Π sizes − 1 by them without a gap."""
    if not value.is_plain or not same(value.constant, 0):
        return None
    left = {k: c for k, c in value.parts.items() if isinstance(k, Variable)}
    step: Dim = 1
    found: list[Variable] = []
    while left:
        candidates = [v for v, c in left.items() if same(c, step)]
        candidates.sort(key=lambda v: not same(v.size, 1))  # sizes 1 first: they leave the step as it is
        if not candidates:
            return None
        found.append(candidates[0])
        del left[candidates[0]]
        step = simplified(step * candidates[0].size)
    return found[::-1]


def product_of(sizes: Iterable[Dim]) -> Dim:
    """The product of sizes."""
    total: Dim = 1
    for size in sizes:
        total = simplified(total * size)
    return total


def digits_in(indices: Iterable[Affine]) -> Iterator[Digit]:
    """Every digit in the indices, also those inside others."""
    stack = list(indices)
    while stack:
        for key in stack.pop().parts:
            if isinstance(key, Digit):
                yield key
                stack.append(key.value)
            elif isinstance(key, Gather):
                stack.extend(key.index)


def fresh(variables: Iterable[Variable]) -> dict[Variable, Affine]:
    """A new variable for each."""
    return {v: of(Variable(v.size, v.letter)) for v in variables}
