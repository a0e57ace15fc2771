"""Normalisation: a term's reads enter; the same elements, read where they come from, leave.

A read of a transposed, broadcast or negated tensor becomes one of the tensor itself; a function of elements
that is a node of the graph becomes a read of that node; a product that is a node becomes that node; and
1/r becomes the node that is the reciprocal of r. Nodes to which the user gave a name are kept.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cached_property
from typing import Any

from graphc.ir.dimension import same
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops import shape
from graphc.symbolic.index.gathering import broadcast_read, viewed_index
from graphc.symbolic.index.terms import Atom, Call, Read, Term, multiplied
from graphc.symbolic.local import OUT, local_form, read_symbol
from graphc.symbolic.scalar import SCALAR_FORMS

_VIEWS = (shape.TRANSPOSE, shape.BROADCAST_TO, shape.RESHAPE)
_DEPTH = 20


class Normaliser:
    """What a graph's nodes let a term be written by."""

    def __init__(self, nodes: Sequence[Tensor]) -> None:
        self._nodes = [n for n in nodes if n.inputs and is_float(n.dtype)]
        self._products: dict[Tensor, list[tuple[Tensor, int]]] = {}
        self._reciprocals: dict[Tensor, Tensor] = {}
        for node in self._nodes:
            if node.op is ew.RECIPROCAL:
                self._reciprocals.setdefault(node.inputs[0], node)
            elif node.op in (ew.MULTIPLY, ew.DIVIDE):
                for position in (0, 1) if node.op is ew.MULTIPLY else (0,):
                    if _is_product(node, position):
                        self._products.setdefault(node.inputs[position], []).append((node, position))

    @cached_property
    def _functions(self) -> dict[tuple[Any, tuple[Tensor, ...]], Tensor]:
        """Elementwise nodes by what they compute of which tensors."""
        found: dict[tuple[Any, tuple[Tensor, ...]], Tensor] = {}
        for node in self._nodes:
            if node.op not in SCALAR_FORMS or any(i.shape != node.shape for i in node.inputs if i.shape):
                continue
            form = local_form(node, set())
            symbols = sorted(
                form.body.free_symbols & (form.tensors.keys() - {OUT}), key=lambda s: str(s.name)
            )
            if not symbols or form.body.is_Symbol:
                continue
            new = {s: read_symbol(i, form.tensors[s].dtype.kind == "b") for i, s in enumerate(symbols)}
            tensors = tuple([form.tensors[s] for s in symbols])
            found.setdefault((form.body.xreplace(new), tensors), node)
        return found

    def normalised(self, term: Term) -> Term:
        """The term by the nodes that it should be read from."""
        constant = term.constant
        factors: list[tuple[Atom, int]] = []
        for atom, exponent in term.factors:
            if isinstance(atom, Read):
                atom, sign = self._read(atom)
                constant = constant * (sign if exponent % 2 else 1)
            elif isinstance(atom, Call):
                atom = self._call(atom)
            factors.append((atom, exponent))
        return replace(term, constant=constant, factors=multiplied(factors))

    def _read(self, read: Read) -> tuple[Read, int]:
        """The read through views and signs, and the sign."""
        sign = 1
        for _ in range(_DEPTH):
            node = read.tensor
            if node.name is not None or not node.inputs:
                break
            if node.op in _VIEWS and _is_rearranged(node):
                read = Read(node.inputs[0], viewed_index(node, read.index), read.guarding)
            elif node.op is ew.NEGATIVE:
                read, sign = Read(node.inputs[0], read.index, read.guarding), -sign
            else:
                break
        return read, sign

    def _call(self, call: Call) -> Atom:
        reads, changes = [], {}
        for position, read in enumerate(call.reads):
            if read.tensor.dtype.kind == "b":
                reads.append(read)
                continue
            made, sign = self._read(read)
            reads.append(made)
            symbol = read_symbol(position, False)
            if sign < 0:
                changes[symbol] = -symbol
        expression = call.expression.xreplace(changes) if changes else call.expression
        made_call = Call(expression, tuple(reads), call.guarding)
        node = self._functions.get((expression, tuple([r.tensor for r in reads])))
        if node is None or call.guarding or any(r.index != reads[0].index for r in reads):
            return made_call
        return Read(node, reads[0].index)

    # -- products ------------------------------------------------------------------------------------
    def refolded(self, term: Term, above: Set[Tensor]) -> Term | None:
        """The term with products and reciprocals read from their nodes; None where there are none.

        Only products of two tensors that both move with what is differentiated by (``above`` it) are taken:
        x̂ = (x − m)·s, but not γ·x̂.
        """
        factors = dict(term.factors)
        changed = False
        while (step := self._reciprocal(factors) or self._product(factors, above)) is not None:
            factors, changed = step, True
        return replace(term, factors=tuple(factors.items())) if changed else None

    def _reciprocal(self, factors: dict[Atom, int]) -> dict[Atom, int] | None:
        for atom, exponent in factors.items():
            if isinstance(atom, Read) and exponent < 0 and atom.tensor in self._reciprocals:
                inverse = Read(self._reciprocals[atom.tensor], atom.index)
                rest = [(a, n) for a, n in factors.items() if a != atom]
                return dict(multiplied([*rest, (inverse, -exponent)]))
        return None

    def _product(self, factors: dict[Atom, int], above: Set[Tensor]) -> dict[Atom, int] | None:
        for atom, exponent in factors.items():
            if not isinstance(atom, Read) or exponent < 1:
                continue
            for node, position in self._products.get(atom.tensor, ()):
                if not above >= set(node.inputs):
                    continue
                found = _within(node, position, atom, factors)
                if found is not None:
                    return found
        return None


def _is_rearranged(node: Tensor) -> bool:
    """Whether each element is read at plain indices: a reshape only if it adds or drops axes of size 1."""
    if node.op is not shape.RESHAPE:
        return True
    before, after = ([s for s in t.shape if not same(s, 1)] for t in (node.inputs[0], node))
    return len(before) == len(after) and all(same(a, b) for a, b in zip(before, after, strict=True))


def _is_product(node: Tensor, position: int) -> bool:
    """Whether the node is a product of two tensors, the operand at the position of its own shape."""
    first, second = node.inputs[position], node.inputs[1 - position]
    return (
        first is not second
        and all(t.op.name not in ("constant", "dimension") for t in (first, second))
        and len(first.shape) == len(node.shape)
        and all(same(a, b) for a, b in zip(first.shape, node.shape, strict=True))
    )


def _within(node: Tensor, position: int, first: Read, factors: dict[Atom, int]) -> dict[Atom, int] | None:
    """The factors with one product of the node's operands replaced by the node."""
    second = node.inputs[1 - position]
    sign = -1 if node.op is ew.DIVIDE else 1
    other = Read(second, broadcast_read(second, node, first.index))
    if factors.get(other, 0) * sign < 1:
        return None
    return dict(multiplied([(Read(node, first.index), 1), *factors.items(), (first, -1), (other, -sign)]))
