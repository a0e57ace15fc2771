"""Terms: Σ over bound indices of a constant times elements of tensors, under guards on the indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations, product
from math import factorial, prod
from typing import Any, TypeAlias, TypeVar

import sympy

from graphc.ir.dimension import is_nonnegative, same, simplified
from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Affine, Variable, fresh
from graphc.symbolic.local import read_symbol

Renaming: TypeAlias = Mapping[Variable, Affine]
_ORDERS = 120  # of like bound variables; beyond, two equal terms may go unnoticed


class Read:
    """One element of a tensor.

    ``guarding``: where it is 0 it wins over an infinite or undefined factor, because what it stands for
    was chosen away there (a branch not taken).
    """

    __slots__ = ("_hash", "guarding", "index", "tensor")

    def __init__(self, tensor: Tensor, index: tuple[Affine, ...], guarding: bool = False) -> None:
        self.tensor, self.index, self.guarding = tensor, index, guarding
        self._hash = hash((id(tensor), index))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Read) and self.tensor is other.tensor and self.index == other.index

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"{self.tensor.name or self.tensor.op.name}{list(self.index)}"

    def substituted(self, new: Renaming) -> Read:
        return Read(self.tensor, tuple([e.substituted(new) for e in self.index]), self.guarding)

    @property
    def variables(self) -> frozenset[Variable]:
        return frozenset().union(*[e.variables for e in self.index])


class Call:
    """A scalar function of elements: a SymPy expression over the canonical symbols of its reads."""

    __slots__ = ("_hash", "expression", "guarding", "reads")

    def __init__(self, expression: Any, reads: tuple[Read, ...], guarding: bool = False) -> None:
        self.expression, self.reads, self.guarding = expression, reads, guarding
        self._hash = hash((expression, reads))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.expression == other.expression and self.reads == other.reads

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        shown = {read_symbol(i, False): sympy.Symbol(repr(r)) for i, r in enumerate(self.reads)}
        return str(self.expression.xreplace(shown))

    def substituted(self, new: Renaming) -> Call:
        return Call(self.expression, tuple([r.substituted(new) for r in self.reads]), self.guarding)

    @property
    def variables(self) -> frozenset[Variable]:
        return frozenset().union(*[r.variables for r in self.reads])

    @property
    def chooses(self) -> bool:
        """Whether it is 0 or 1 by a condition, so that what it multiplies is chosen, not scaled."""
        e = self.expression
        return isinstance(e, sympy.Piecewise) and {v for v, _ in e.args} <= {sympy.S.Zero, sympy.S.One}


class Bracket:
    """A sum of terms as one factor."""

    __slots__ = ("_hash", "_parts", "terms")

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = terms
        self._parts = frozenset((t.key(), t.constant) for t in terms)
        self._hash = hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bracket) and self._hash == other._hash and self._parts == other._parts

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return "(" + " + ".join(map(repr, self.terms)) + ")"

    def substituted(self, new: Renaming) -> Bracket:
        return Bracket(tuple([t.substituted(new) for t in self.terms]))

    @property
    def variables(self) -> frozenset[Variable]:
        return frozenset().union(*[t.free for t in self.terms])


Atom: TypeAlias = "Read | Call | Bracket"
Base = TypeVar("Base")


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on indices: ``value ≥ 0``, or with ``equal`` ``value = 0``."""

    value: Affine
    equal: bool = False

    def substituted(self, new: Renaming) -> Guard:
        return Guard(self.value.substituted(new), self.equal)

    @property
    def holds(self) -> bool | None:
        """True or False where the bounds decide, else None."""
        bounds = self.value.interval
        if bounds is None:
            return None
        low, high = bounds
        if is_nonnegative(simplified(-1 - high)):
            return False
        if self.equal:
            if is_nonnegative(simplified(low - 1)):
                return False
            return True if self.value.is_constant and same(low, 0) else None
        return True if is_nonnegative(low) else None

    def __repr__(self) -> str:
        return f"[{self.value} {'=' if self.equal else '≥'} 0]"


@dataclass(frozen=True)
class Term:
    """``Σ_bound constant · Π factor^exponent · [guards] · (the differential at target)``.

    ``target`` is the index of the tensor that is differentiated by; empty in a term that is complete.
    Variables that are not bound are free: they are given from outside.
    """

    constant: Any = sympy.S.One
    factors: tuple[tuple[Atom, int], ...] = ()
    guards: frozenset[Guard] = frozenset()
    bound: tuple[Variable, ...] = ()
    target: tuple[Affine, ...] = ()

    def __repr__(self) -> str:
        shown = [f"{a}^{n}" if n != 1 else repr(a) for a, n in self.factors]
        return (
            f"Σ{list(self.bound)} {self.constant}·{'·'.join(shown)} {list(self.guards)} → {list(self.target)}"
        )

    @property
    def variables(self) -> frozenset[Variable]:
        """Every variable that occurs outside of the inner sums."""
        found: set[Variable] = set()
        for atom, _ in self.factors:
            found |= atom.variables
        for guard in self.guards:
            found |= guard.value.variables
        for e in self.target:
            found |= e.variables
        return frozenset(found)

    @property
    def free(self) -> frozenset[Variable]:
        return self.variables - set(self.bound)

    def substituted(self, new: Renaming) -> Term:
        """The term with variables replaced; replaced bound variables are no longer bound."""
        return Term(
            self.constant,
            tuple([(a.substituted(new), n) for a, n in self.factors]),
            frozenset([g.substituted(new) for g in self.guards]),
            tuple([v for v in self.bound if v not in new]),
            tuple([e.substituted(new) for e in self.target]),
        )

    def renamed_apart(self) -> Term:
        """The same term with bound variables of its own."""
        new = fresh(self.bound)
        made = self.substituted(new)
        return replace(made, bound=tuple([v for e in new.values() if (v := e.variable) is not None]))

    def scaled(self, factor: Any) -> Term:
        return replace(self, constant=self.constant * factor)

    def times(self, other: Term) -> Term:
        """The product; the other's bound variables are taken to be its own."""
        return Term(
            self.constant * other.constant,
            multiplied((*self.factors, *other.factors)),
            self.guards | other.guards,
            (*self.bound, *other.bound),
            other.target or self.target,
        )

    def key(self) -> Any:
        """Equal for terms that differ by the names of bound variables and the constant alone."""
        return canonical(self.factors, self.guards, self.target, self.bound)[0]


def multiplied(factors: Iterable[tuple[Base, int]]) -> tuple[tuple[Base, int], ...]:
    """The factors with exponents of equal ones added; what cancels is left out."""
    found: dict[Base, int] = {}
    for atom, exponent in factors:
        found[atom] = found.get(atom, 0) + exponent
    return tuple([(a, n) for a, n in found.items() if n])


def decided(term: Term) -> Term | None:
    """The term without guards that always hold; None where one never does."""
    left = []
    for guard in term.guards:
        holds = guard.holds
        if holds is False:
            return None
        if holds is None:
            left.append(guard)
    return term if len(left) == len(term.guards) else replace(term, guards=frozenset(left))


def canonical(
    factors: Sequence[tuple[Atom, int]],
    guards: Iterable[Guard],
    target: Sequence[Affine],
    bound: Sequence[Variable],
) -> tuple[str, tuple[Variable, ...]]:
    """A text that equal products share whatever their bound names, and the order of those it is for."""
    guards = list(guards)

    def encoded(order: Sequence[Variable]) -> Any:
        return encoded_by({v: i for i, v in enumerate(order)})

    def encoded_by(numbers: Mapping[Variable, int]) -> Any:
        parts = sorted((_atom_code(a, numbers), n) for a, n in factors)
        conditions = sorted((_index_code(g.value, numbers), g.equal) for g in guards)
        return (tuple(parts), tuple(conditions), tuple([_index_code(e, numbers) for e in target]))

    if len(bound) < 2:
        return repr((tuple([str(v.size) for v in bound]), encoded(bound))), tuple(bound)
    # A variable's signature: the product as seen from it, all others alike. Only equal ones are permuted.
    alike = dict.fromkeys(bound, 0)
    signature = {v: repr((str(v.size), encoded_by({**alike, v: 1}))) for v in bound}
    groups: dict[str, list[Variable]] = {}
    for v in sorted(bound, key=signature.__getitem__):
        groups.setdefault(signature[v], []).append(v)
    count = prod(factorial(len(g)) for g in groups.values())
    choices = [permutations(g) if count <= _ORDERS else (tuple(g),) for g in groups.values()]
    orders = [tuple(v for g in parts for v in g) for parts in product(*choices)]
    sizes = tuple([str(v.size) for v in orders[0]])
    return min(((repr((sizes, encoded(o))), o) for o in orders), key=lambda f: f[0])


@lru_cache(maxsize=8192)
def _printed(expression: Any) -> str:
    """A SymPy expression as text: the same few are asked for again and again."""
    return str(expression)


def _index_code(e: Affine, numbers: Mapping[Variable, int]) -> str:
    parts = sorted(f"{c}*{_key_code(k, numbers)}" for k, c in e.parts.items())
    return "+".join([*parts, str(e.constant)])


def _key_code(key: Any, numbers: Mapping[Variable, int]) -> str:
    if isinstance(key, Variable):
        return f"b{numbers[key]}" if key in numbers else f"v{key.serial}"
    if hasattr(key, "modulus"):
        return f"({_index_code(key.value, numbers)}//{key.divisor}%{key.modulus})"
    inside = ",".join(_index_code(e, numbers) for e in key.index)
    return f"t{id(key.tensor)}[{inside}]"


def _atom_code(atom: Atom, numbers: Mapping[Variable, int]) -> str:
    if isinstance(atom, Read):
        return f"t{id(atom.tensor)}[{','.join(_index_code(e, numbers) for e in atom.index)}]"
    if isinstance(atom, Call):
        return f"{_printed(atom.expression)}({';'.join(_atom_code(r, numbers) for r in atom.reads)})"
    inner = []
    for term in atom.terms:
        more = dict(numbers)
        for v in term.bound:
            more[v] = len(more)
        codes = sorted(f"{_atom_code(a, more)}^{n}" for a, n in term.factors)
        conditions = sorted(_index_code(g.value, more) + str(g.equal) for g in term.guards)
        inner.append(f"{_printed(term.constant)}*{codes}{conditions}")
    return f"({'+'.join(sorted(inner))})"


def merged(terms: Iterable[Term]) -> list[Term]:
    """The terms with equal ones added up, in order of first appearance; what cancels is left out."""
    found: dict[Any, Term] = {}
    for term in terms:
        key = term.key()
        if key in found:
            found[key] = replace(found[key], constant=found[key].constant + term.constant)
        else:
            found[key] = term
    return [t for t in found.values() if t.constant != 0]


def reads_of(atoms: Iterable[Atom]) -> Iterator[Read]:
    """Every read in the atoms."""
    stack = list(atoms)[::-1]
    while stack:
        atom = stack.pop()
        if isinstance(atom, Read):
            yield atom
        elif isinstance(atom, Call):
            stack.extend(reversed(atom.reads))
        else:
            stack.extend(a for t in reversed(atom.terms) for a, _ in reversed(t.factors))


def indices_of(term: Term) -> Iterator[Affine]:
    """Every index of the term: of its reads, guards and target."""
    for read in reads_of(a for a, _ in term.factors):
        yield from read.index
    for guard in sorted(term.guards, key=repr):
        yield guard.value
    yield from term.target
