"""Writing: a sum in normal form enters, a line of text with short index names leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from graphc.symbolic.index.affine import Affine, Digit, Variable
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.normal.atoms import Applied, Place, Sum

_LETTERS = "ijklmnpqrstuvw"
_LONGEST = 600  # characters
_SIGNS = {"positive": "> 0", "zero": "= 0"}


def written(total: Sum, variables: Sequence[Variable]) -> str:
    """The sum as a formula, cut where it is long."""
    text = _sum(total, _named({}, variables))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _named(names: dict[Variable, str], more: Iterable[Variable]) -> dict[Variable, str]:
    found = dict(names)
    for v in more:
        n = len(found)
        found[v] = _LETTERS[n % len(_LETTERS)] + "′" * (n // len(_LETTERS))
    return found


def _sum(total: Sum, names: dict[Variable, str]) -> str:
    return " + ".join([_term(t, names) for t in total.terms]).replace("+ -", "− ") or "0"


def _term(term: Term, names: dict[Variable, str]) -> str:
    inner = _named(names, term.bound)
    factors = [_factor(a, n, inner) for a, n in term.factors]
    factors += [f"[{_index(g.value, inner)} {'=' if g.equal else '≥'} 0]" for g in term.guards]
    if term.constant == -1 and factors:
        factors[0] = f"-{factors[0]}"
    elif term.constant != 1 or not factors:
        factors.insert(0, str(term.constant) if not term.constant.is_Add else f"({term.constant})")
    summed = f"Σ_{{{','.join(inner[v] for v in term.bound)}}} " if term.bound else ""
    return summed + "·".join(factors)


def _factor(atom: Any, n: Any, names: dict[Variable, str]) -> str:
    text = _atom(atom, names)
    if n == 1:
        return text
    return f"{text}^{n}" if n.is_Integer and n > 0 else f"{text}^({n})"


def _atom(atom: Any, names: dict[Variable, str]) -> str:
    if isinstance(atom, Read):
        place = ",".join(_index(e, names) for e in atom.index)
        name = atom.tensor.name or atom.tensor.op.name
        return f"{name}[{place}]" if place else name
    if isinstance(atom, Place):
        return _index(atom.index, names)
    assert isinstance(atom, Applied)
    inner = _named(names, atom.bound)
    arguments = [_sum(s, inner) for s in atom.arguments]
    if atom.name == "value":
        return f"({arguments[0]})"
    if atom.name in _SIGNS:
        return f"[{arguments[0]} {_SIGNS[atom.name]}]"
    below = f"_{{{','.join(inner[v] for v in atom.bound)}}}" if atom.bound else ""
    return f"{atom.name.removeprefix('is_')}{below}({', '.join(arguments)})"


def _index(e: Affine, names: dict[Variable, str]) -> str:
    parts = [_scaled(c, _key(k, names)) for k, c in e.parts.items()]
    if e.constant != 0 or not parts:
        parts.append(str(e.constant))
    return " + ".join(parts).replace("+ -", "− ")


def _scaled(c: Any, text: str) -> str:
    return (
        text
        if c == 1
        else f"-{text}"
        if c == -1
        else f"{c}{text}"
        if isinstance(c, (int, sympy.Integer))
        else f"({c}){text}"
    )


def _key(key: Any, names: dict[Variable, str]) -> str:
    if isinstance(key, Variable):
        return names.get(key, "?")
    if isinstance(key, Digit):
        return f"⌊({_index(key.value, names)})/{key.divisor}⌋ mod {key.modulus}"
    return f"{key.tensor.name or key.tensor.op.name}[{','.join(_index(e, names) for e in key.index)}]"
