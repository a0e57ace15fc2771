"""Contractions as formulas: a product of tensors by their axes enters, what a textbook writes for it leaves.

In order: element by element, as matrices, as matrices of the last two axes under leading ones, by indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import sympy

from graphc.symbolic.notation.building import (
    by_elements,
    factor_order,
    joined,
    raised_to,
    scaled,
    summed,
    transposed,
)
from graphc.symbolic.notation.contraction import Axis, Contraction, Factor, is_reduced
from graphc.symbolic.notation.formula import (
    IDENTITY,
    ONES,
    Array,
    Big,
    Call,
    Element,
    Fence,
    Formula,
    Name,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    norm,
)
from graphc.symbolic.notation.matrix_product import MatrixProduct, outer_with_ones
from graphc.symbolic.notation.numbers import TWO
from graphc.symbolic.notation.row_sums import with_row_sums

_LETTERS = "ijklmnpqrstuvwxyz"
Found = tuple[list[Formula], Formula | None]


def index_of(axis: Axis, place: int | None = None) -> Formula:
    """The letter of an axis: n for a size named N, else i, j, k, … by its place in its tensor."""
    if _is_named(axis):
        return Name(str(axis.size).lower())
    return Name(_LETTERS[(axis.place if place is None else place) % len(_LETTERS)])


def _is_named(axis: Axis) -> bool:
    size = axis.size
    return isinstance(size, sympy.Symbol) and len(size.name) == 1 and size.name.isalpha()


def rendered(value: Contraction, beside: bool = False) -> Formula:
    """The value as a formula; ``beside`` others in a sum, where broadcasting goes without saying."""
    coefficient, scalars, body = parts_of(value, beside)
    above = [raised_to(f, e) for f, e in _under_one_root(scalars) if e > 0]
    below = [raised_to(f, -e) for f, e in _under_one_root(scalars) if e < 0]
    return scaled(coefficient, value.decimal, above, below, body)


def _under_one_root(scalars: Sequence[tuple[Formula, Fraction]]) -> list[tuple[Formula, Fraction]]:
    """√2 √π as √(2 π): roots of numbers, which are positive."""
    found = []
    roots: dict[Fraction, list[Formula]] = {}
    for formula, exponent in scalars:
        if abs(exponent) == Fraction(1, 2) and isinstance(formula, (Number, Symbol)):
            roots.setdefault(exponent, []).append(formula)
        else:
            found.append((formula, exponent))
    merged = [(joined(sorted(parts, key=factor_order)), e) for e, parts in roots.items()]
    return [*found, *merged]


def argument(value: Contraction) -> Formula:
    """The value as the argument of a function, where broadcasting goes without saying."""
    return rendered(value, beside=True)


def parts_of(
    value: Contraction, beside: bool = False
) -> tuple[Fraction, list[tuple[Formula, Fraction]], Formula | None]:
    """The coefficient, the scalars with their powers, and the tensor they stand in front of."""
    if value.coefficient == 0:
        return value.coefficient, [], None
    value = with_row_sums(_with_sign_inside(value), index_of)
    scalars = [(f.atom.formula, f.exponent) for f in value.factors if not f.axes]
    tensors = [f for f in value.factors if f.axes]
    if not tensors:
        return value.coefficient, scalars, None
    covered = [a for a in value.kept if any(a in f.axes for f in tensors)]
    found, body = _body(tensors, covered, value, beside)
    scalars += [(f, Fraction(1)) for f in found]
    if body is not None:
        body = _stretched(body, value, covered, tensors, beside)
    elif len(scalars) == 1 and scalars[0][1] == 1:
        return value.coefficient, [], scalars[0][0]
    elif value.summed:  # a product of numbers such as (xᵀ y) ‖z‖²
        wide = [s for s in scalars if isinstance(s[0], Big)]
        if wide:
            scalars.remove(wide[-1])
            return value.coefficient, scalars, raised_to(*wide[-1])
    return value.coefficient, scalars, body


def _with_sign_inside(value: Contraction) -> Contraction:
    """−(Y − P) as P − Y: a minus sign goes into a difference, if one is there to take it."""
    if value.coefficient >= 0:
        return value
    for i, factor in enumerate(value.factors):
        terms = factor.atom.terms
        if terms is None or factor.exponent != 1 or len(terms) < 2:
            continue
        if any(body is None for _, _, body in terms) or all(c > 0 for c, _, _ in terms):
            continue
        formula, turned = summed((-c, d, body) for c, d, body in terms)
        atom = replace(factor.atom, formula=formula, terms=turned)
        factors = (*value.factors[:i], replace(factor, atom=atom), *value.factors[i + 1 :])
        return replace(value, coefficient=-value.coefficient, factors=factors)
    return value


def _stretched(
    body: Formula, value: Contraction, covered: Sequence[Axis], tensors: Sequence[Factor], beside: bool
) -> Formula:
    """A vector that stands for a matrix is multiplied by ones, unless a sum shows it."""
    if len(value.axes) != 2 or len(value.kept) != 2 or len(covered) != 1:
        return body
    is_first = covered[0] is value.kept[0]
    plain = len(tensors) == 1 and tensors[0].atom.rank == 1 and isinstance(tensors[0].atom.formula, Name)
    # In a matrix of N by N the letter does not tell the axes apart: what kept both axes broadcasts back.
    letters = [index_of(a, place) for place, a in enumerate(value.kept)]
    told = letters[0] != letters[1] or any(f.atom.rank != 2 for f in tensors)
    misread = told and letters[not is_first] in _reduced_over(body)
    if beside and not (is_first and plain) and not misread:
        return body
    if _lies(tensors, covered, value):
        return joined([ONES, body])
    return outer_with_ones(body, is_first)


def _body(tensors: Sequence[Factor], out: Sequence[Axis], value: Contraction, beside: bool) -> Found:
    summed_axes = value.summed
    repeats = any(len(set(f.axes)) < len(f.axes) for f in tensors)
    turned = len(value.axes) == 2 and len(out) == 1 and (value.axes[0] is None or _lies(tensors, out, value))
    turned = turned and not (beside and len(tensors) == 1 and is_reduced(tensors[0].atom.formula))
    if not summed_axes and not repeats and _is_by_elements(tensors, out, value, turned):
        return [], by_elements([(f.atom.formula, f.exponent) for f in tensors])
    whole = _whole_sums(tensors, out, summed_axes)
    if whole is not None:
        return whole
    if len(out) <= 2 and all(len(f.axes) <= 2 for f in tensors):
        done = MatrixProduct(tensors, out, index_of, value.history).done()
        if done is not None:
            scalars, body = done
            if body is None or not turned or (beside and is_reduced(body)):
                return scalars, body
            return scalars, _turned(body)
    batched = None if repeats else _batched(tensors, out, summed_axes)
    if batched is not None:
        return batched
    if not repeats:
        aligned = _aligned(tensors, out, summed_axes)
        if aligned is not None:
            return [], aligned
    return [], _by_indices(tensors, out, summed_axes)


def _lies(tensors: Sequence[Factor], out: Sequence[Axis], value: Contraction) -> bool:
    """Whether rows, of shape (1, K), stand where NumPy broadcasts them: they are not stood up."""
    return out[0] is value.axes[-1] and all(f.atom.is_row and len(f.axes) == 1 for f in tensors)


def _is_by_elements(tensors: Sequence[Factor], out: Sequence[Axis], value: Contraction, turned: bool) -> bool:
    """Whether the product is best written with ⊙ and broadcasting, or is a single tensor."""
    if not all(_in_order(f.axes, out) for f in tensors):
        return False
    if len(out) == 1:
        rows = {f.atom.is_row for f in tensors}
        return rows == {turned} or (
            not turned and len(tensors) > 1 and len(rows) == 1 and len(value.axes) != 2
        )
    widest = max(len(f.axes) for f in tensors)
    if len(out) > 2:
        return widest == len(out) and (value.by_elements or all(_broadcasts(f.axes, out) for f in tensors))
    if widest < 2 or (len(tensors) > 1 and any(f.atom.formula == IDENTITY for f in tensors)):
        return False
    if not value.by_elements:
        return widest == min(len(f.axes) for f in tensors)
    vectors = [f for f in tensors if len(f.axes) == 1]
    places = [0 if f.axes[0] is out[0] else 1 for f in vectors]
    return all(place == 1 or f.atom.rank == 2 for f, place in zip(vectors, places, strict=True)) and not any(
        index_of(f.axes[0], place) in _reduced_over(f.atom.formula)
        for f, place in zip(vectors, places, strict=True)
    )


def _reduced_over(formula: Formula) -> set[Formula]:
    """The indices over which a formula reduces: what is left broadcasts to where it came from."""
    found: set[Formula] = set()
    stack = [formula]
    while stack:
        top = stack.pop()
        if isinstance(top, Big):
            found.update(top.indices)
        elif isinstance(top, Call) and top.below:
            found.update(top.below)
        else:
            stack += top.parts
    return found


def _in_order(axes: Sequence[Axis], among: Sequence[Axis]) -> bool:
    places = [i for a in axes for i, b in enumerate(among) if a is b]
    return len(places) == len(axes) and places == sorted(places)


def _broadcasts(axes: Sequence[Axis], among: Sequence[Axis]) -> bool:
    """Whether axes stand at the end of others, where NumPy looks for them."""
    return tuple(among[len(among) - len(axes) :]) == tuple(axes)


def _turned(body: Formula) -> Formula:
    """A column as a row."""
    if isinstance(body, Product) and not body.sign:
        return joined([transposed(f) for f in reversed(body.factors)])
    return transposed(body)


def _whole_sums(tensors: Sequence[Factor], out: Sequence[Axis], over: Sequence[Axis]) -> Found | None:
    """Sums of elementwise products of tensors of three axes and more, or of one tensor."""
    first = tensors[0]
    if any(f.axes != first.axes for f in tensors) or len(set(first.axes)) < len(first.axes) or not over:
        return None
    rest = [a for a in first.axes if a not in over]
    if rest != list(out):
        return None
    if len(first.axes) < 3 and (len(tensors) > 1 or first.exponent == 2) and not rest:
        return None
    if not rest and len(tensors) == 1 and first.exponent == 2:
        return [Power(norm(first.atom.formula), TWO)], None
    if not rest and len(tensors) == 2 and all(f.exponent == 1 for f in tensors):
        pair = sorted((f.atom.formula for f in tensors), key=factor_order)
        return [Fence("⟨", tuple(pair), "⟩")], None
    body = by_elements([(f.atom.formula, f.exponent) for f in tensors])
    indices = tuple(index_of(a, i) for i, a in enumerate(first.axes) if a in over)
    if any(f.atom.rank != len(f.axes) for f in tensors):  # axes of size 1 count too
        indices = tuple(map(index_of, over))
    formula = Big("Σ", indices if rest else (), body)
    return ([formula], None) if not rest else ([], formula)


def _batched(tensors: Sequence[Factor], out: Sequence[Axis], over: Sequence[Axis]) -> Found | None:
    """Matrix products of the last two axes, alike under all leading ones, or summed over them."""
    lead = list(out[:-2]) if len(out) > 2 else []
    for f in tensors:
        if len(f.axes) > 2:
            lead += [a for a in f.axes[:-2] if a not in lead]
    rest_out = [a for a in out if a not in lead]
    if not lead or any(a in lead for a in out[-2:]) or not _in_order(list(out), [*lead, *rest_out]):
        return None
    if not any(set(lead) <= set(f.axes) for f in tensors):
        return None  # Σ over nothing, leading axes of their own: no matrix product
    inner = []
    for f in tensors:
        rest = tuple(a for a in f.axes if a not in lead)
        if len(rest) != 2 or f.axes[-2:] != rest:  # stacks of vectors are not read as such
            return None
        if not _in_order(f.axes[: len(f.axes) - len(rest)], lead):
            return None
        inner.append(replace(f, axes=rest))
    done = MatrixProduct(inner, rest_out, index_of).done()
    if done is None:
        return None
    scalars, body = done
    whole = joined([*scalars, *([body] if body else [])])
    if _holds_sum(whole):
        return None
    summed_lead = [a for a in lead if a in over]
    if not summed_lead:
        return [], whole
    formula = Big("Σ", tuple(map(index_of, summed_lead)), whole)
    return ([formula], None) if not out else ([], formula)


def _holds_sum(formula: Formula) -> bool:
    return isinstance(formula, Big) or any(map(_holds_sum, formula.parts))


def _aligned(tensors: Sequence[Factor], out: Sequence[Axis], over: Sequence[Axis]) -> Formula | None:
    """A sum over some axes of a broadcast elementwise product."""
    widest = max(tensors, key=lambda f: len(f.axes)).axes
    rest = [a for a in widest if a not in over]
    if rest != list(out) or not all(_broadcasts(f.axes, widest) for f in tensors):
        return None
    body = by_elements([(f.atom.formula, f.exponent) for f in tensors])
    indices = tuple(index_of(a, i) for i, a in enumerate(widest) if a in over)
    return Big("Σ", indices if out else (), body) if over else body


def _by_indices(tensors: Sequence[Factor], out: Sequence[Axis], over: Sequence[Axis]) -> Formula:
    if len(tensors) == 1 and not over and len(set(tensors[0].axes)) == len(tensors[0].axes) == len(out):
        axes = tensors[0].axes
        body = by_elements([(tensors[0].atom.formula, tensors[0].exponent)])
        order = [next(i for i, b in enumerate(axes) if a is b) for a in out]
        if order == [*range(len(axes) - 2), len(axes) - 1, len(axes) - 2]:
            return _turned(body)
        return Call("transpose", (body,), tuple(Name(f"{place}") for place in order))
    words: dict[Axis, Formula] = {}
    for axis in sorted([*out, *over], key=lambda a: not _is_named(a)):
        letter = index_of(axis)
        if not _is_named(axis) or letter in words.values():
            letter = next(Name(c) for c in _LETTERS if Name(c) not in words.values())
        words[axis] = letter
    elements = [(_element(f, words), f.exponent) for f in tensors]
    body = by_elements(elements, sign="")
    if over:
        body = Big("Σ", tuple(words[a] for a in over), body)
    return Array(body, tuple(words[a] for a in out)) if out else body


def _element(factor: Factor, words: dict[Axis, Formula]) -> Formula:
    """The element at these indices; of windows, that of the tensor they are taken from."""
    indices = [words[a] for a in factor.axes]
    windows = factor.atom.windows
    if windows is None or len(indices) != factor.atom.rank:
        return Element(factor.atom.formula, tuple(indices))
    rank = len(indices) - len(windows.axes)
    for number, (axis, stride, dilation) in enumerate(
        zip(windows.axes, windows.stride, windows.dilation, strict=True)
    ):
        steps = [
            (Fraction(stride), False, indices[axis]),
            (Fraction(dilation), False, indices[rank + number]),
        ]
        indices[axis] = Sum(tuple(scaled(c, d, (), (), body) for c, d, body in steps))
    return Element(windows.base, tuple(indices[:rank]))
