"""Products of matrices and vectors: factors with their axes enter, one product in matrix notation leaves.

The axes are points, a matrix is a line between two of them, a vector a weight on one. A point that is summed
over and has two lines is a matrix product; two lines between the same points are a Hadamard product; a weight
at the end of a line is a matrix times a vector; a weight between two lines is ``diag(v)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from graphc.symbolic.notation.building import (
    by_elements,
    factor_order,
    joined,
    transposed,
)
from graphc.symbolic.notation.contraction import Axis, Factor
from graphc.symbolic.notation.formula import (
    IDENTITY,
    ONES,
    Big,
    Call,
    Fence,
    Formula,
    Power,
    Product,
    norm,
)
from graphc.symbolic.notation.numbers import TWO
from graphc.symbolic.notation.plain_text import text


@dataclass(frozen=True)
class Link:
    """One matrix or vector of a chain, transposed or not; a diagonal matrix is the same either way."""

    formula: Formula
    flipped: bool = False
    symmetric: bool = False


Chain = tuple[Link, ...]
Weighted = tuple[Chain, Fraction]


@dataclass
class Line:
    """A matrix from one axis to another, as a chain, with the power each of its elements is raised to."""

    start: Axis
    end: Axis
    chain: Chain
    exponent: Fraction = Fraction(1)

    def seen_from(self, start: Axis) -> Chain:
        return self.chain if start is self.start else turned(self.chain)

    def other(self, axis: Axis) -> Axis:
        return self.end if axis is self.start else self.start


def turned(chain: Chain) -> Chain:
    """The chain's transpose."""
    return tuple(k if k.symmetric else Link(k.formula, not k.flipped) for k in reversed(chain))


def product_of(chain: Chain) -> Formula:
    """The chain as a formula."""
    return joined([transposed(k.formula) if k.flipped else k.formula for k in chain])


def _flips(chain: Chain) -> int:
    return sum(k.flipped for k in chain)


class MatrixProduct:
    """The reduction of a product to matrix notation; ``done()`` gives scalars and one formula, or None."""

    def __init__(
        self,
        factors: Sequence[Factor],
        out: Sequence[Axis],
        index: Callable[[Axis, int], Formula],
        history: Sequence[Axis] = (),
    ) -> None:
        self.out = tuple(out)
        self.index = index
        self.history = [a for a in history if a not in out]
        self.lines: list[Line] = []
        self.weights: dict[Axis, list[Weighted]] = {}
        self.scalars: list[Formula] = []
        self.loops: list[tuple[Axis, Formula, Fraction, bool]] = []
        for factor in factors:
            self._enter(factor)

    def _enter(self, factor: Factor) -> None:
        formula, exponent = factor.atom.formula, factor.exponent
        if len(factor.axes) == 1:
            self._weigh(factor.axes[0], (Link(formula, factor.atom.is_row),), exponent)
        elif factor.axes[0] is factor.axes[1]:
            axis = factor.axes[0]
            alone = axis not in self.out
            self.loops.append((axis, formula, exponent, alone))
        else:
            self.lines.append(Line(factor.axes[0], factor.axes[1], (Link(formula),), exponent))

    def _weigh(self, axis: Axis, chain: Chain, exponent: Fraction = Fraction(1)) -> None:
        self.weights.setdefault(axis, []).append((chain, exponent))

    # -- reading -----------------------------------------------------------------------------------
    def _lines_at(self, axis: Axis) -> list[Line]:
        return [k for k in self.lines if axis in (k.start, k.end)]

    def _summed(self) -> Iterator[Axis]:
        """Axes still to be summed over, in order of appearance."""
        found = dict.fromkeys([*(a for k in self.lines for a in (k.start, k.end)), *self.weights])
        return iter([a for a in found if a not in self.out])

    def _inner_first(self) -> list[Axis]:
        """Axes to sum over, those that the graph sums inside first.

        Otherwise those of a named size, which are examples or times, last: Σ_n ((r Vᵀ) ⊙ h').
        """
        rest = [a for a in list(self._summed())[::-1] if a not in self.history]
        rest.sort(key=lambda a: not isinstance(a.size, int))
        return [*(a for a in self.history if self._lines_at(a)), *rest]

    # -- steps -------------------------------------------------------------------------------------
    def done(self) -> tuple[list[Formula], Formula | None] | None:
        """Scalars and the tensor beside them, or None where matrix notation does not reach."""
        steps = (
            self._traces, self._inner_products, self._parallel_lines, self._outer_weights,
            self._matrices_times_vectors, self._matrix_products, self._sums_over_ends, self._dot_products,
        )  # fmt: skip
        while any(step() for step in steps):
            pass
        return self._finished()

    def _traces(self) -> bool:
        loops, self.loops = self.loops, []
        for axis, formula, exponent, alone in loops:
            alone = alone and sum(other is axis for other, *_ in loops) == 1
            if alone and exponent == 1 and not self._lines_at(axis) and axis not in self.weights:
                self.scalars.append(Call("tr", (formula,)))
            else:
                self._weigh(axis, (Link(Call("diag", (formula,))),), exponent)
        return bool(loops)

    def _inner_products(self) -> bool:
        """Two matrices whose elements' products are all summed: ⟨A, B⟩, tr(A B), ‖A‖²."""
        for line in self.lines:
            a, b = line.start, line.end
            beside = [k for k in self.lines if {k.start, k.end} & {a, b}]
            ends_free = not ({a, b} & {*self.out, *self.weights})
            if not ends_free or any({k.start, k.end} != {a, b} for k in beside):
                continue
            if len(beside) == 1 and line.exponent == 2:
                self.scalars.append(Power(norm(product_of(line.chain)), TWO))
            elif len(beside) == 2 and all(k.exponent == 1 for k in beside):
                self.scalars.append(self._inner(beside[0], beside[1], a))
            else:
                continue
            self.lines = [k for k in self.lines if k not in beside]
            return True
        return False

    def _inner(self, first: Line, second: Line, axis: Axis) -> Formula:
        round_trip = (*first.seen_from(axis), *second.seen_from(first.other(axis)))
        if first.start is second.end or len(round_trip) > 2:  # tr(A B) = Σ A[i,j] B[j,i]
            ways = [w[i:] + w[:i] for w in (round_trip, turned(round_trip)) for i in range(len(w))]
            return Call("tr", (product_of(min(ways, key=lambda w: (_flips(w), text(product_of(w))))),))
        pair = [product_of(k.chain) for k in (first, second)]
        if pair[0] == pair[1]:
            return Power(norm(pair[0]), TWO)
        return Fence("⟨", tuple(sorted(pair, key=factor_order)), "⟩")

    def _parallel_lines(self) -> bool:
        for i, first in enumerate(self.lines):
            same = [k for k in self.lines[i:] if {k.start, k.end} == {first.start, first.end}]
            if len(same) > 1:
                ways = [
                    [(product_of(k.seen_from(a)), k.exponent) for k in same] for a in (first.start, first.end)
                ]
                flips = [sum(_flips(k.seen_from(a)) for k in same) for a in (first.start, first.end)]
                upright = flips[0] <= flips[1]
                if set(self.out) == {first.start, first.end}:  # as the result has it
                    upright = first.start is self.out[0]
                start, end = (first.start, first.end) if upright else (first.end, first.start)
                formula = by_elements(ways[0] if upright else ways[1])
                self.lines = [k for k in self.lines if k not in same]
                self.lines.append(Line(start, end, (Link(formula),)))
                return True
        return False

    def _outer_weights(self) -> bool:
        """Weights at both ends of a line that goes on at both: (u vᵀ) ⊙ A rather than diag(u) A diag(v)."""
        for line in self.lines:
            ends = (line.start, line.end)
            if all(a in self.weights and (a in self.out or len(self._lines_at(a)) > 1) for a in ends):
                u, v = (self._vector(a) for a in ends)
                outer = product_of((*u, *turned(v)))
                formula = by_elements([(outer, Fraction(1)), (product_of(line.chain), line.exponent)])
                line.chain, line.exponent = (Link(formula),), Fraction(1)
                for a in ends:
                    del self.weights[a]
                return True
        return False

    def _vector(self, axis: Axis) -> Chain:
        """All weights at an axis as one column."""
        found = self.weights[axis]
        if len(found) == 1 and found[0][1] == 1:
            return found[0][0]
        is_row = all(len(c) == 1 and c[0].flipped for c, _ in found)
        formulas = [(c[0].formula if is_row else product_of(c), e) for c, e in found]
        totals: dict[Formula, Fraction] = {}
        for formula, exponent in formulas:
            totals[formula] = totals.get(formula, Fraction(0)) + exponent
        return (Link(by_elements([(f, e) for f, e in totals.items() if e]), is_row),)

    def _matrix(self, line: Line) -> None:
        """Write a line's power into its chain, so that it can be a factor of a matrix product."""
        if line.exponent != 1:
            line.chain = (Link(by_elements([(product_of(line.chain), line.exponent)])),)
            line.exponent = Fraction(1)

    def _matrices_times_vectors(self) -> bool:
        ends = [a for a in self._summed() if a in self.weights and len(self._lines_at(a)) == 1]
        if not ends:
            return False

        def cost(axis: Axis) -> tuple[int, str]:
            line = self._lines_at(axis)[0]
            chain = line.seen_from(line.other(axis))
            return _flips(chain), text(product_of((*chain, *self._vector(axis))))

        axis = min(ends, key=cost)
        line = self._lines_at(axis)[0]
        self._matrix(line)
        other = line.other(axis)
        vector = self._vector(axis)
        del self.weights[axis]
        self.lines.remove(line)
        self._weigh(other, _without_identity((*line.seen_from(other), *vector)))
        return True

    def _matrix_products(self) -> bool:
        for axis in self._inner_first():
            meeting = self._lines_at(axis)
            if len(meeting) != 2:
                continue
            for line in meeting:
                self._matrix(line)
            first, second = sorted(meeting, key=lambda k: (k.end is not axis, text(product_of(k.chain))))
            middle: Chain = ()
            if axis in self.weights:
                middle = (_diagonal(self._vector(axis)),)
                del self.weights[axis]
            a, b = first.other(axis), second.other(axis)
            self.lines = [k for k in self.lines if k not in meeting]
            chain = (*first.seen_from(a), *middle, *second.seen_from(axis))
            self.lines.append(Line(a, b, _without_identity(chain)))
            return True
        return False

    def _sums_over_ends(self) -> bool:
        for axis in self._summed():
            meeting = self._lines_at(axis)
            if len(meeting) != 1:
                continue
            line = meeting[0]
            other = line.other(axis)
            self._matrix(line)
            self.lines.remove(line)
            alone = other not in self.out and not self._lines_at(other) and other not in self.weights
            if alone:
                self.scalars.append(Big("Σ", (), product_of(line.chain)))
            else:
                chain = line.seen_from(other)
                upright = _flips(chain) * 2 <= len(chain)
                body = product_of(chain if upright else turned(chain))
                self._weigh(other, (Link(Big("Σ", (self.index(axis, 1 if upright else 0),), body)),))
            return True
        return False

    def _dot_products(self) -> bool:
        for axis in self._summed():
            if self._lines_at(axis) or axis not in self.weights:
                continue
            found = self.weights.pop(axis)
            self.scalars.append(self._dot(found, axis))
            return True
        return False

    def _dot(self, found: list[Weighted], axis: Axis) -> Formula:
        if len(found) == 1 and found[0][1] == 2:
            return Power(norm(_standing(found[0][0])), TWO)
        if len(found) == 2 and all(e == 1 for _, e in found):
            if product_of(found[0][0]) == product_of(found[1][0]):
                return Power(norm(_standing(found[0][0])), TWO)
            pair = [c for c, _ in found]
            u, v = min(
                ([pair[0], pair[1]], [pair[1], pair[0]]),
                key=lambda w: (_flips((*turned(w[0]), *w[1])), len(w[0]), factor_order(product_of(w[0]))),
            )
            return product_of((*turned(u), *v))
        self.weights[axis] = found
        vector = _standing(self._vector(axis))
        del self.weights[axis]
        return Big("Σ", (), vector)

    def _shows_its_axis(self, axis: Axis, place: int) -> bool:
        """Whether the weight at an axis, if there is one, is a sum that broadcasts where it came from."""
        if axis not in self.weights:
            return True
        vector = self._vector(axis)
        big = vector[0].formula
        return len(vector) == 1 and isinstance(big, Big) and self.index(axis, place) not in big.indices

    def _finished(self) -> tuple[list[Formula], Formula | None] | None:
        if any(True for _ in self._summed()) or len(self.lines) > 1:
            return None
        if self.lines:
            line = self.lines[0]
            if len(self.out) != 2:
                return None
            self._matrix(line)
            a, b = self.out
            chain = line.seen_from(a)
            if self.weights and all(self._shows_its_axis(axis, place) for place, axis in enumerate((a, b))):
                sums = [product_of(self._vector(axis)) for axis in self.weights]  # A ⊙ Σ_j B: it says where
                return self.scalars, by_elements((f, Fraction(1)) for f in (product_of(chain), *sums))
            left = (_diagonal(self._vector(a)),) if a in self.weights else ()
            right = (_diagonal(self._vector(b)),) if b in self.weights else ()
            return self.scalars, product_of(_without_identity((*left, *chain, *right)))
        if not self.out:
            return self.scalars, None
        if len(self.out) == 1:
            return self.scalars, product_of(self._vector(self.out[0]))
        if len(self.out) == 2 and all(a in self.weights for a in self.out):
            u, v = (self._vector(a) for a in self.out)
            return self.scalars, product_of((*u, *turned(v)))
        return None


def _diagonal(vector: Chain) -> Link:
    return Link(Call("diag", (product_of(vector),)), symmetric=True)


def _without_identity(chain: Chain) -> Chain:
    """The chain without I, unless it is nothing else."""
    return tuple(k for k in chain if k.formula != IDENTITY) or chain[:1]


def _standing(vector: Chain) -> Formula:
    """A vector where its direction does not matter: a row is not turned."""
    return vector[0].formula if len(vector) == 1 else product_of(vector)


def outer_with_ones(vector: Formula, is_first: bool) -> Formula:
    """A vector repeated along the other axis of a matrix: v 1ᵀ or 1 vᵀ."""
    pair = (vector, transposed(ONES)) if is_first else (ONES, transposed(vector))
    return Product(pair)
