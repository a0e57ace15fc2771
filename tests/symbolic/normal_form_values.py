"""The value of a normal form, index by index in plain loops: sums over the sources enter, an array leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.dimension import evaluate_dim
from graphc.symbolic.index.affine import Affine, Digit, Variable
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.normal.atoms import Applied, Place, Sum

Array = np.ndarray[Any, Any]
Grid = Mapping[Variable, int]


class Values:
    """Evaluates sums given the arrays of what they read and the sizes."""

    def __init__(self, arrays: Callable[[gc.Tensor], Array], sizes: Mapping[str, int]) -> None:
        self._arrays, self._sizes = arrays, sizes

    def array(self, total: Sum, variables: Sequence[Variable]) -> Array:
        shape = [self._size(v.size) for v in variables]
        found = np.empty(shape)
        for place in np.ndindex(*shape):
            found[place] = self._sum(total, dict(zip(variables, place, strict=True)))
        return found

    def _size(self, size: Any) -> int:
        return evaluate_dim(size, self._sizes)

    def _sum(self, total: Sum, grid: Grid) -> float:
        return math.fsum(v for t in total.terms for v in self._term(t, grid))

    def _term(self, term: Term, outer: Grid) -> list[float]:
        return [
            self._product(term, {**outer, **dict(zip(term.bound, place, strict=True))})
            for place in product(*[range(self._size(v.size)) for v in term.bound])
        ]

    def _product(self, term: Term, grid: Grid) -> float:
        for guard in term.guards:
            value = self._index(guard.value, grid)
            if value != 0 if guard.equal else value < 0:
                return 0.0
        ordered = sorted(term.factors, key=lambda f: isinstance(f[0], Applied) and f[0].name not in _CHOICES)
        numbers = {s: self._sizes[s.name] for s in term.constant.free_symbols}
        result = float(term.constant.xreplace(numbers))
        for atom, n in ordered:
            base = self._atom(atom, grid)
            if base == 0 and n > 0:
                return 0.0
            result *= base ** (int(n) if n.is_Integer else float(n))
        return result

    def _atom(self, atom: Any, grid: Grid) -> float:
        if isinstance(atom, Read):
            return self._element(self._arrays(atom.tensor), tuple(self._index(e, grid) for e in atom.index))
        if isinstance(atom, Place):
            return float(self._index(atom.index, grid))
        assert isinstance(atom, Applied)
        if atom.bound:
            places = product(*[range(self._size(v.size)) for v in atom.bound])
            inner = [
                self._sum(atom.arguments[0], {**grid, **dict(zip(atom.bound, p, strict=True))})
                for p in places
            ]
            return float(_REDUCTIONS[atom.name](inner))
        return float(_FUNCTIONS[atom.name](*[self._sum(s, grid) for s in atom.arguments]))

    def _index(self, e: Affine, grid: Grid) -> int:
        return self._size(e.constant) + sum(self._size(c) * self._key(k, grid) for k, c in e.parts.items())

    def _key(self, key: Any, grid: Grid) -> int:
        if isinstance(key, Variable):
            return grid[key]
        if isinstance(key, Digit):
            return self._index(key.value, grid) // self._size(key.divisor) % self._size(key.modulus)
        return int(self._element(self._arrays(key.tensor), tuple(self._index(e, grid) for e in key.index)))

    def _element(self, array: Array, index: tuple[int, ...]) -> float:
        """Outside of the array any number will do: what is read there must cancel."""
        if all(0 <= e < n for e, n in zip(index, array.shape, strict=True)):
            return float(array[index])
        return 1.0 + sum(index) % 3


_CHOICES = ("positive", "zero")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "positive": lambda x: x > 0, "zero": lambda x: x == 0, "value": lambda x: x, "power": lambda x, y: x**y,
    "exp": math.exp, "log": math.log, "floor": math.floor, "trunc": math.trunc, "round": np.rint,
    "cbrt": np.cbrt, "erf": math.erf, "sin": math.sin, "cos": math.cos,
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "arctan2": math.atan2,
    "arcsinh": math.asinh, "arccosh": math.acosh, "arctanh": math.atanh,
}  # fmt: skip
_REDUCTIONS: dict[str, Callable[[list[float]], Any]] = {
    "max": max, "min": min, "prod": math.prod, "is_any": any, "is_all": all,
    "argmax": lambda v: v.index(max(v)), "argmin": lambda v: v.index(min(v)),
}  # fmt: skip
