"""Einsum equations: what a user writes enters with the operands' shapes; explicit terms of letters leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from graphc.ir.dimension import Dim, Shape, format_shape, same
from graphc.ops.arguments import shape_error

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def canonical(equation: object, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """A term for each operand, and the result's: letters only, the ellipsis and the arrow written out.

    ``...ij,jk`` with operands of 3 and 2 axes becomes ``aij, jk -> aik``.
    """
    if not isinstance(equation, str):
        raise shape_error(
            "einsum", f"the equation is a string, but {equation!r} was given", 'write e.g. "ij,jk->ik"'
        )
    text = equation.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    for part in (*terms, output):
        _check_term(part, equation)
    if len(terms) != len(shapes):
        raise shape_error(
            "einsum",
            f"the equation {equation!r} has {len(terms)} terms for {len(shapes)} operands",
            "give one term an operand, separated by commas",
        )
    extra = [
        _axes_under_ellipsis(t, s, n, equation) for n, (t, s) in enumerate(zip(terms, shapes, strict=True))
    ]
    free = [c for c in LETTERS if c not in text]
    widest = max(extra, default=0)
    if widest > len(free):
        raise shape_error("einsum", f"{equation!r} needs more than 52 indices", "reshape first")
    dots = "".join(free[:widest])
    written = [t.replace("...", dots[widest - e :]) for t, e in zip(terms, extra, strict=True)]
    if not arrow:
        count = Counter(left.replace("...", "").replace(",", ""))
        return written, dots + "".join(sorted(c for c, n in count.items() if n == 1))
    if widest and "..." not in output:
        raise shape_error(
            "einsum",
            f"the result of {equation!r} leaves out the '...' of the operands",
            "write '...' on the right too, or name those axes to sum over them",
        )
    _check_output(output, left, equation)
    return written, output.replace("...", dots)


def _check_term(part: str, equation: str) -> None:
    for c in part.replace("...", "", 1):
        if c not in LETTERS:
            raise shape_error(
                "einsum",
                f"{c!r} is no index in the equation {equation!r}",
                "an index is one letter, a-z or A-Z",
            )


def _check_output(output: str, left: str, equation: str) -> None:
    for c, n in Counter(output.replace("...", "")).items():
        if n > 1:
            raise shape_error(
                "einsum", f"the result of {equation!r} has the index {c!r} {n} times", "name it once"
            )
        if c not in left:
            raise shape_error(
                "einsum",
                f"the result of {equation!r} has the index {c!r}, which no operand has",
                "leave it out",
            )


def _axes_under_ellipsis(term: str, shape: Shape, number: int, equation: str) -> int:
    named = len(term.replace("...", ""))
    extra = len(shape) - named
    if extra < 0 or (extra > 0 and "..." not in term):
        raise shape_error(
            "einsum",
            f"operand {number} has shape {format_shape(shape)}, of {len(shape)} axes, but its term {term!r} "
            f"in {equation!r} names {named}",
            "name every axis by a letter, or the leading ones together by '...'",
        )
    return extra


def operand_terms(terms: Sequence[str], shapes: Sequence[Shape]) -> Iterator[tuple[tuple[int, ...], str]]:
    """For each operand, the axes of size 1 that broadcast against a larger one, and the term without them."""
    sizes: dict[str, Dim] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if same(sizes.get(letter, 1), 1):
                sizes[letter] = size
    for term, shape in zip(list(terms), shapes, strict=True):
        seen: dict[str, set[bool]] = {}
        for letter, size in zip(term, shape, strict=True):
            seen.setdefault(letter, set()).add(same(size, 1))
        # A letter that this operand itself has with two sizes is an error, which the op reports.
        gone = tuple([a for a, c in enumerate(term) if seen[c] == {True} and not same(sizes[c], 1)])
        yield gone, "".join([c for a, c in enumerate(term) if a not in gone])
