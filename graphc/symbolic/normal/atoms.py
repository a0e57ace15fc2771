"""Atoms of the normal form: functions of sums as factors of terms, and the canonical text of both.

Two atoms or two terms of one text denote the same function of the sources and of the indices: the text
spells the whole out, bound indices by their place. The converse need not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice, permutations
from itertools import product as choices
from typing import Any, TypeAlias, cast
from zlib import crc32

import sympy

from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Affine, Digit, Key, Variable, fresh
from graphc.symbolic.index.terms import Guard, Read, Renaming, Term

_ORDERS_TRIED = 24  # of bound indices that look alike; beyond, two equal terms may go unnoticed


class Numbering:
    """Small numbers for tensors and variables, by first appearance: texts do not depend on addresses.

    ``written`` counts the texts of indices: most of the work goes into them.
    """

    def __init__(self) -> None:
        self._tensors: dict[Tensor, int] = {}
        self._variables: dict[Variable, int] = {}
        self.written = 0

    def tensor(self, tensor: Tensor) -> str:
        return f"t{self._tensors.setdefault(tensor, len(self._tensors))}"

    def variable(self, variable: Variable) -> str:
        return f"v{self.order(variable)}"

    def order(self, variable: Variable) -> int:
        """Which in order of appearance it is."""
        return self._variables.setdefault(variable, len(self._variables))


Atom: TypeAlias = "Read | Applied | Place"
Factors: TypeAlias = tuple[tuple[Atom, Any], ...]
"""Atoms with exponents, which are SymPy numbers."""


def factors_of(term: Term) -> Factors:
    """The factors of a term in normal form."""
    return cast(Factors, term.factors)


def with_factors(term: Term, factors: Iterable[tuple[Atom, Any]]) -> Term:
    """The term with other factors."""
    return replace(term, factors=cast(Any, tuple(factors)))


def product(factors: Iterable[tuple[Atom, Any]], constant: Any = sympy.S.One) -> Term:
    """The term that is a constant times powers of atoms."""
    return with_factors(Term(constant), factors)


@dataclass(frozen=True, eq=False)
class Sum:
    """Terms that are added, no two alike, in the order of their texts."""

    terms: tuple[Term, ...]

    @cached_property
    def variables(self) -> frozenset[Variable]:
        """The free ones."""
        return frozenset().union(*[t.free for t in self.terms])

    @cached_property
    def depth(self) -> int:
        return max((_depth(a) for t in self.terms for a, _ in factors_of(t)), default=0)

    @cached_property
    def size(self) -> int:
        """How many factors it has, those inside functions included."""
        return sum(
            [1 + sum([a.size if isinstance(a, Applied) else 1 for a, _ in factors_of(t)]) for t in self.terms]
        )

    @property
    def number(self) -> Any:
        """The constant that it is; None where it is none."""
        if not self.terms:
            return sympy.S.Zero
        term = self.terms[0]
        plain = len(self.terms) == 1 and not factors_of(term) and not term.guards and not term.bound
        return term.constant if plain else None

    def substituted(self, new: Renaming) -> Sum:
        if self.variables.isdisjoint(new):
            return self
        return Sum(tuple([_inside(t, new) for t in self.terms]))

    def renamed_apart(self) -> Sum:
        return Sum(tuple([t.renamed_apart() if t.bound else t for t in self.terms]))


def _inside(term: Term, new: Renaming) -> Term:
    """What is bound stays bound."""
    return term.substituted({v: e for v, e in new.items() if v not in term.bound})


class Applied:
    """A function of sums, by name. ``bound``: what a reduction such as ``max`` goes over."""

    __slots__ = ("__dict__", "arguments", "bound", "name", "numbering")

    def __init__(
        self, numbering: Numbering, name: str, arguments: Sequence[Sum], bound: Sequence[Variable] = ()
    ) -> None:
        # Bound indices of its own, also inside: an index of the surrounding term is never one of them.
        new = fresh(bound)
        self.numbering, self.name = numbering, name
        self.arguments = tuple([s.substituted(new).renamed_apart() for s in arguments])
        self.bound = tuple([v for e in new.values() if (v := e.variable) is not None])
        self._texts: dict[Any, str] = {}
        self._moved: dict[Any, Applied] = {}

    @cached_property
    def code(self) -> str:
        return atom_code(self, {}, self.numbering)

    @cached_property
    def variables(self) -> frozenset[Variable]:
        return frozenset().union(*[s.variables for s in self.arguments]) - set(self.bound)

    @cached_property
    def depth(self) -> int:
        return 1 + max((s.depth for s in self.arguments), default=0)

    @cached_property
    def size(self) -> int:
        return 1 + sum([s.size for s in self.arguments])

    @property
    def terms(self) -> tuple[Term, ...]:
        """Of all arguments: where `reads_of` looks for what is read."""
        return tuple([t for s in self.arguments for t in s.terms])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Applied) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        inner = ", ".join(" + ".join(map(repr, s.terms)) or "0" for s in self.arguments)
        return f"{self.name}({inner})"

    def substituted(self, new: Renaming) -> Applied:
        if self.variables.isdisjoint(new):
            return self
        kept = {v: new[v] for v in self.variables if v in new}
        key = frozenset(kept.items())
        if key not in self._moved:  # one atom for all terms that have it: its text is written once
            self._moved[key] = self._made(kept)
        return self._moved[key]

    def _made(self, kept: Renaming) -> Applied:
        return Applied(self.numbering, self.name, [s.substituted(kept) for s in self.arguments], self.bound)


class Place:
    """An index as a number."""

    __slots__ = ("index",)

    def __init__(self, index: Affine) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.index == other.index

    def __hash__(self) -> int:
        return hash(self.index)

    def __repr__(self) -> str:
        return str(self.index)

    @property
    def variables(self) -> frozenset[Variable]:
        return self.index.variables

    @property
    def terms(self) -> tuple[Term, ...]:
        """One that reads at the index, for those who look for indices."""
        return (Term(guards=frozenset([Guard(self.index)])),)

    def substituted(self, new: Renaming) -> Place:
        return Place(self.index.substituted(new))


def _depth(atom: Any) -> int:
    return atom.depth if isinstance(atom, Applied) else 0


@lru_cache(maxsize=4096)
def _shown(number: Any) -> str:
    return str(number)


# -- texts -------------------------------------------------------------------------------------------
Names = Mapping[Variable, str]


class Anonymous(dict[Variable, str]):
    """Names under which all free indices look alike."""

    def __missing__(self, key: Variable) -> str:
        return "*"


def _name(variable: Variable, names: Names, numbering: Numbering) -> str:
    if isinstance(names, Anonymous):
        return names[variable]
    return names.get(variable) or numbering.variable(variable)


def _extended(names: Names, more: Mapping[Variable, str]) -> Names:
    return Anonymous({**names, **more}) if isinstance(names, Anonymous) else {**names, **more}


def index_code(e: Affine, names: Names, numbering: Numbering) -> str:
    """The text of an index."""
    numbering.written += 1
    parts = sorted(f"{c}*{_key_code(k, names, numbering)}" for k, c in e.parts.items())
    return "+".join([*parts, str(e.constant)])


def _key_code(key: Key, names: Names, numbering: Numbering) -> str:
    if isinstance(key, Variable):
        return _name(key, names, numbering)
    if isinstance(key, Digit):
        return f"({index_code(key.value, names, numbering)}//{key.divisor}%{key.modulus})"
    inside = ",".join(index_code(e, names, numbering) for e in key.index)
    return f"{numbering.tensor(key.tensor)}<{key.size}>[{inside}]"


def _guard_code(guard: Guard, names: Names, numbering: Numbering) -> str:
    text = index_code(guard.value, names, numbering)
    if not guard.equal:
        return f"[{text}>=0]"
    return f"[{min(text, index_code(guard.value.times(-1), names, numbering))}=0]"


def atom_code(atom: Any, names: Names, numbering: Numbering, depth: int = 0) -> str:
    """The text of an atom; ``depth`` counts the sums around it."""
    if isinstance(atom, Read):
        inside = ",".join(index_code(e, names, numbering) for e in atom.index)
        return f"{numbering.tensor(atom.tensor)}[{inside}]"
    if isinstance(atom, Place):
        return f"#{index_code(atom.index, names, numbering)}"
    assert isinstance(atom, Applied)
    free = sorted(atom.variables, key=numbering.variable)
    key = (depth, isinstance(names, Anonymous), *[_name(v, names, numbering) for v in free])
    if key not in atom._texts:
        atom._texts[key] = _applied_code(atom, names, numbering, depth)
    return atom._texts[key]


def _applied_code(atom: Applied, names: Names, numbering: Numbering, depth: int) -> str:
    def written(order: Sequence[Variable]) -> str:
        inner = _extended(names, {v: f"f{depth}.{i}" for i, v in enumerate(order)})
        sizes = ",".join(str(v.size) for v in order)
        arguments = ";".join(sum_code(s, inner, numbering, depth + 1) for s in atom.arguments)
        return f"{atom.name}<{sizes}>({arguments})"

    if atom.name.startswith("arg"):  # the order of its axes says which of equals is first
        return written(atom.bound)
    return min(map(written, islice(permutations(atom.bound), _ORDERS_TRIED)))


def sum_code(total: Sum, names: Names, numbering: Numbering, depth: int = 0) -> str:
    """The text of a sum."""
    return "+".join(
        sorted(f"{_shown(t.constant)}*{term_code(t, names, numbering, depth)}" for t in total.terms)
    ) or "0"  # fmt: skip


def term_code(term: Term, names: Names, numbering: Numbering, depth: int = 0) -> str:
    """The text of a term but for its constant."""

    def pieces(inner: Names, of: Variable | None = None) -> list[str]:
        """The texts of factors and conditions, all or those that a variable occurs in."""
        found = [
            f"{atom_code(a, inner, numbering, depth + 1)}^{_shown(n)}"
            for a, n in factors_of(term)
            if of is None or of in a.variables
        ]
        for g in term.guards:
            if of is None or of in g.value.variables:
                found.append(_guard_code(g, inner, numbering))
        return sorted(found)

    def written(order: Sequence[Variable]) -> str:
        inner = _extended(names, {v: f"b{depth}.{i}" for i, v in enumerate(order)})
        sizes = ",".join(str(v.size) for v in order)
        return f"<{sizes}>" + "·".join(pieces(inner))

    if len(term.bound) < 2:
        return written(term.bound)
    orders = islice(_orders(term.bound, pieces, names), _ORDERS_TRIED)
    return min(map(written, orders))


def _orders(bound: Sequence[Variable], pieces: Any, names: Names) -> Iterator[tuple[Variable, ...]]:
    """The orders of bound indices that differ only among those that look alike (colour refinement)."""
    colour = {v: f"c{crc32(str(v.size).encode())}" for v in bound}
    for _ in range(2):
        refined = {}
        for v in bound:
            seen = pieces(_extended(names, {**colour, v: "!"}), v)
            refined[v] = f"c{crc32(' '.join(seen).encode())}"
        colour = refined
        if len(set(colour.values())) == len(colour):
            break
    groups: dict[str, list[Variable]] = {}
    for v in bound:
        groups.setdefault(colour[v], []).append(v)
    for choice in choices(*[permutations(groups[c]) for c in sorted(groups)]):
        yield tuple([v for group in choice for v in group])
