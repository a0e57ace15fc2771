"""Evaluation: sums in index notation and the values of what they read enter; arrays leave.

Plain and slow: every combination of the index variables is a place in one array. It is how a step of a
derivation is checked, and shares nothing with raising.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.ir.dimension import Dim, Shape, evaluate_dim, symbols_of
from graphc.ir.tensor import Tensor
from graphc.symbolic.functions import absorbing_product, rint, sigmoid
from graphc.symbolic.index.affine import Affine, Digit, Gather, Key, Variable, in_order
from graphc.symbolic.index.terms import Atom, Call, Read, Term
from graphc.symbolic.local import read_symbol

Array = np.ndarray[Any, Any]
Values = Mapping[Tensor, Array]
LARGEST = 20_000_000  # elements of one array


class TooLarge(Exception):  # noqa: N818  (an answer, not a failure)
    """The index variables have more combinations than can be written out."""


class Evaluator:
    """Values of tensors and sizes; sums are evaluated over all their indices at once."""

    def __init__(self, values: Values, sizes: Mapping[str, int]) -> None:
        self._values = values
        self._sizes = sizes

    def size(self, dim: Dim) -> int:
        return evaluate_dim(dim, self._sizes)

    def total(self, terms: Sequence[Term], shape: Shape) -> Array:
        """The array whose element at each target is the sum of the terms there."""
        result = np.zeros([self.size(s) for s in shape])
        for term in terms:
            value, places, holds = self._written(term)
            if result.ndim == 0:
                result = result + np.where(holds, value, 0.0).sum()
                continue
            chosen = np.broadcast_to(holds, value.shape)
            index = tuple([np.broadcast_to(p, value.shape)[chosen] for p in places])
            np.add.at(result, index, value[chosen])
        return result

    def _written(self, term: Term) -> tuple[Array, list[Array], Array]:
        variables = list(dict.fromkeys([*term.bound, *in_order(term.free)]))
        extent = [self.size(v.size) for v in variables]
        if np.prod(extent, dtype=float) > LARGEST:
            raise TooLarge
        grid = {
            v: np.arange(n).reshape([-1 if w is v else 1 for w in variables])
            for v, n in zip(variables, extent, strict=True)
        }
        with np.errstate(all="ignore"):
            value, holds = self._product(term, grid)
        return np.broadcast_to(value, extent), [self.index(e, grid) for e in term.target], holds

    def _product(self, term: Term, grid: Mapping[Variable, Array]) -> tuple[Array, Array]:
        holds: Array = np.asarray(True)
        for guard in term.guards:
            found = self.index(guard.value, grid)
            holds = holds & (found == 0 if guard.equal else found >= 0)
        value: Array = np.asarray(self._number(term.constant))
        for atom, exponent in term.factors:
            value = value * self._atom(atom, grid) ** float(exponent)
        return value, holds

    def _number(self, constant: Any) -> float:
        symbols = {s: self._sizes[s.name] for s in sympy.sympify(constant).free_symbols}
        return float(sympy.sympify(constant).xreplace(symbols))

    def _atom(self, atom: Atom, grid: Mapping[Variable, Array]) -> Array:
        if isinstance(atom, Read):
            return np.asarray(self._read(atom, grid), np.float64)
        if isinstance(atom, Call):
            return self._call(atom, grid)
        total: Array = np.asarray(0.0)
        for term in atom.terms:
            total = total + self._inner(term, grid)
        return total

    def _inner(self, term: Term, outer: Mapping[Variable, Array]) -> Array:
        """A term without target as a function of the outer variables."""
        rank = max((a.ndim for a in outer.values()), default=0)
        count = len(term.bound)
        grid = {v: a.reshape(*a.shape, *[1] * count) for v, a in outer.items()}
        for number, v in enumerate(term.bound):
            shape = [1] * (rank + count)
            shape[rank + number] = -1
            grid[v] = np.arange(self.size(v.size)).reshape(shape)
        value, holds = self._product(term, grid)
        value, holds = np.broadcast_arrays(np.where(holds, value, 0.0), np.asarray(True))
        full = list(value.shape) if value.ndim == rank + count else [1] * (rank + count)
        for number, v in enumerate(term.bound):
            full[rank + number] = self.size(v.size)
        total: Array = np.broadcast_to(value, full).sum(axis=tuple(range(rank, rank + count)))
        return total

    def _call(self, call: Call, grid: Mapping[Variable, Array]) -> Array:
        symbols = [read_symbol(i, r.tensor.dtype.kind == "b") for i, r in enumerate(call.reads)]
        function = _lambdified(call.expression, tuple(symbols))
        found = function(*[self._read(r, grid) for r in call.reads])
        return np.asarray(found, np.float64)

    def _read(self, read: Read, grid: Mapping[Variable, Array]) -> Array:
        array = self._values[read.tensor]
        if array.size == 0:  # no guard can hold where there is nothing to read
            array = np.zeros([max(n, 1) for n in array.shape], array.dtype)
        places = [
            np.clip(self.index(e, grid), 0, max(n - 1, 0))
            for e, n in zip(read.index, array.shape, strict=True)
        ]
        return np.asarray(array[tuple(places)])

    def index(self, value: Affine, grid: Mapping[Variable, Array]) -> Array:
        """The index for all combinations of the variables."""
        total: Array = np.asarray(self._integer(value.constant))
        for key, c in value.parts.items():
            total = total + self._integer(c) * self._key(key, grid)
        return total

    def _integer(self, dim: Dim) -> int:
        if isinstance(dim, int):
            return dim
        return int(dim.xreplace({s: sympy.Integer(self._sizes[s.name]) for s in symbols_of([dim])}))

    def _key(self, key: Key, grid: Mapping[Variable, Array]) -> Array:
        if isinstance(key, Variable):
            return grid[key]
        if isinstance(key, Digit):
            whole = self.index(key.value, grid) // self._integer(key.divisor)
            return np.asarray(whole % self._integer(key.modulus))
        assert isinstance(key, Gather)
        return np.asarray(self._read(Read(key.tensor, key.index), grid))


def _lambdified(expression: Any, symbols: tuple[Any, ...]) -> Callable[..., Any]:
    plain = expression.replace(sigmoid, sigmoid.definition).replace(absorbing_product, lambda x, y: x * y)
    found: Callable[..., Any] = sympy.lambdify(
        symbols, plain, modules=[{rint.__name__: np.rint}, "scipy", "numpy"]
    )
    return found
