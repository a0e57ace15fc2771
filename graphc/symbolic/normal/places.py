"""Places: terms and atoms enter; every index that occurs in them leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Affine, Digit, Variable
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.normal.atoms import Atom, Place, factors_of


def affines_of(parts: Iterable[Term | Atom]) -> Iterator[Affine]:
    """Every index in terms and atoms, also inside sums, digits and gathered elements."""
    for part in parts:
        if isinstance(part, Term):
            yield from affines_of([a for a, _ in factors_of(part)])
            for guard in part.guards:
                yield from _with_inner(guard.value)
        else:
            for _, _, e in places_of(part):
                yield e


def places_of(atom: Atom) -> Iterator[tuple[Tensor | None, int, Affine]]:
    """Every index in an atom, with the tensor and the axis that it is the index of, if it is one."""
    stack = [atom]
    while stack:
        part = stack.pop()
        if isinstance(part, Place):
            yield from ((None, 0, e) for e in _with_inner(part.index))
        elif isinstance(part, Read):
            for axis, index in enumerate(part.index):
                yield from ((part.tensor, axis, e) for e in _with_inner(index))
        else:
            for term in part.terms:
                stack += [a for a, _ in factors_of(term)]
                for guard in term.guards:
                    yield from ((None, 0, e) for e in _with_inner(guard.value))


def _with_inner(index: Affine) -> Iterator[Affine]:
    """The index and those inside its digits and gathered elements."""
    stack = [index]
    while stack:
        e = stack.pop()
        yield e
        for key in e.parts:
            if isinstance(key, Digit):
                stack.append(key.value)
            elif not isinstance(key, Variable):
                stack += key.index
