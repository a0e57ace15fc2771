"""Expansion: brackets are multiplied out, and products of matrices written as sums, to see whether it helps.

y (1 − p) and −(1 − y) p are p − y when multiplied out and merged; x A read as a vector and A x have x in
common when the first is written out. What does not come out shorter is left as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy

from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.linear_algebra import EINSUM, MATMUL
from graphc.ops.shape import TRANSPOSE
from graphc.symbolic.functions import sigmoid
from graphc.symbolic.index.affine import fresh
from graphc.symbolic.index.differentials import product_term
from graphc.symbolic.index.forms import INDEX_FORMS
from graphc.symbolic.index.gathering import broadcast_read
from graphc.symbolic.index.terms import Atom, Call, Read, Term, multiplied, reads_of
from graphc.symbolic.local import exact_number, read_symbol

_MOST = 32  # terms


def multiplied_out(terms: Sequence[Term]) -> list[Term] | None:
    """The terms with sums among their factors distributed; None where there are none, or too many."""
    found: list[Term] = []
    changed = False
    for term in terms:
        parts = [replace(term, factors=())]
        for atom, exponent in term.factors:
            sums = _summands(atom) if 0 < exponent <= 2 else None
            if sums is None:
                parts = [replace(p, factors=multiplied([*p.factors, (atom, exponent)])) for p in parts]
                continue
            changed = True
            for _ in range(exponent):
                parts = [
                    replace(p, constant=p.constant * s.constant, factors=multiplied([*p.factors, *s.factors]))
                    for p in parts
                    for s in sums
                ]
            if len(parts) > _MOST:
                return None
        found += parts
        if len(found) > _MOST:
            return None
    return found if changed else None


def _summands(atom: Atom) -> list[Term] | None:
    """The atom as a sum of products, if it is one."""
    if isinstance(atom, Call) and not atom.guarding:
        places = {read_symbol(i, r.tensor.dtype.kind == "b"): r for i, r in enumerate(atom.reads)}
        expression = atom.expression
        if isinstance(expression, sigmoid) and expression.args[0].could_extract_minus_sign():
            expression = 1 - sigmoid(-expression.args[0])
        if expression.is_Add:
            return [product_term(part, places) for part in expression.args]
        return None
    if isinstance(atom, Read) and atom.tensor.op in (ew.ADD, ew.SUBTRACT) and not atom.guarding:
        found = []
        for number, x in enumerate(atom.tensor.inputs):
            sign = -1 if number and atom.tensor.op is ew.SUBTRACT else 1
            value = exact_number(x.attrs["value"]) if x.op.name == "constant" and x.shape == () else None
            if value is not None:
                found.append(Term(sympy.sympify(sign) * value))
            else:
                read = Read(x, broadcast_read(x, atom.tensor, atom.index))
                found.append(Term(sympy.sympify(sign), ((read, 1),)))
        return found
    return None


def written_out(terms: Sequence[Term]) -> list[Term] | None:
    """The terms with products of tensors that occur elsewhere written as sums; None where there are none."""
    tensors = {r.tensor for t in terms for r in reads_of(a for a, _ in t.factors)}
    found = []
    changed = False
    for term in terms:
        made = term
        for atom, exponent in term.factors:
            if exponent == 1 and isinstance(atom, Read) and atom.index and _is_written(atom.tensor, tensors):
                made = _replaced(made, atom)
                changed = True
        found.append(made)
    return found if changed else None


def _is_written(node: Tensor, tensors: set[Tensor]) -> bool:
    if node.op not in (MATMUL, EINSUM) or node.name is not None:
        return False
    # Terms read what is transposed from its source.
    sources = [i.inputs[0] if i.op is TRANSPOSE and i.name is None else i for i in node.inputs]
    return any(i in tensors for i in sources)


def _replaced(term: Term, read: Read) -> Term:
    form = INDEX_FORMS[read.tensor.op](read.tensor)
    (case,) = form.cases
    new = dict(zip(form.variables, read.index, strict=True)) | fresh(case.bound)
    factors = [(a, n) for a, n in term.factors if a != read] + [(r.substituted(new), 1) for r in case.reads]
    bound = tuple([v for b in case.bound if (v := new[b].variable) is not None])
    return replace(term, factors=multiplied(factors), bound=(*term.bound, *bound))
