"""Normalisation: a term's reads enter; the same elements, read where they come from, leave.

A read of a transposed, broadcast or negated tensor becomes one of the tensor itself; a function of elements
that is a node of the graph becomes a read of that node; a product that is a node becomes that node; and
1/r becomes the node that is the reciprocal of r, and 1/q is 1/r² where r is the node √q. What the graph
computes twice is read from one node. Nodes to which the user gave a name are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from graphc.ir.dimension import same, same_shape
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops import shape
from graphc.symbolic.functions import sigmoid
from graphc.symbolic.index.affine import Affine
from graphc.symbolic.index.gathering import broadcast_read, viewed_index
from graphc.symbolic.index.terms import Atom, Call, Read, Term, multiplied
from graphc.symbolic.local import OUT, exact_number, local_form, read_symbol
from graphc.symbolic.scalar import SCALAR_FORMS

_VIEWS = (shape.TRANSPOSE, shape.BROADCAST_TO, shape.RESHAPE)
_DEPTH = 20


class Normaliser:
    """What a graph's nodes let a term be written by."""

    def __init__(self, nodes: Sequence[Tensor]) -> None:
        self._graph = set(nodes)  # derivatives with names are not taken apart
        self._same = _representatives(nodes)
        self._nodes = [n for n in nodes if n.inputs and is_float(n.dtype) and self._same.get(n, n) is n]
        self._products: dict[Tensor, list[tuple[Tensor, int]]] = {}
        self._reciprocals: dict[Tensor, Tensor] = {}
        self._roots: dict[Tensor, Tensor] = {}
        for node in self._nodes:
            inverted = _inverted(node)
            if inverted is not None:
                self._reciprocals.setdefault(self._same.get(inverted, inverted), node)
            elif node.op is ew.SQRT:
                self._roots.setdefault(self._same.get(node.inputs[0], node.inputs[0]), node)
            elif node.op in (ew.MULTIPLY, ew.DIVIDE):
                for position in (0, 1) if node.op is ew.MULTIPLY else (0,):
                    if _is_product(node, position):
                        operand = self._same.get(node.inputs[position], node.inputs[position])
                        self._products.setdefault(operand, []).append((node, position))

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
            if node.op is ew.SIGMOID:  # derivatives have it as one function
                found.setdefault(
                    (sigmoid(read_symbol(0, False)), (self._same.get(node.inputs[0], node.inputs[0]),)), node
                )
            tensors = tuple([self._same.get(form.tensors[s], form.tensors[s]) for s in symbols])
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
                while (scale := self._scale(atom)) is not None:
                    constant = constant * scale[1] ** exponent
                    atom, sign = self._read(Read(scale[0], atom.index, atom.guarding))
                    constant = constant * (sign if exponent % 2 else 1)
                if exponent < 0 and atom.tensor in self._roots:
                    atom, exponent = Read(self._roots[atom.tensor], atom.index, atom.guarding), 2 * exponent
            elif isinstance(atom, Call):
                atom = self._call(atom)
            outer = self._outer_operands(atom) if exponent == 1 else None
            factors += [(atom, exponent)] if outer is None else [(r, 1) for r in outer]
        return replace(term, constant=constant, factors=_cancelled(multiplied(factors)))

    def _read(self, read: Read) -> tuple[Read, int]:
        """The read through views and signs, and the sign."""
        sign = 1
        for _ in range(_DEPTH):
            node = read.tensor
            if node in self._same:
                node = self._same[node]
                read = Read(node, read.index, read.guarding)
            if node.name is not None or not node.inputs:
                break
            if node.op in _VIEWS and _is_rearranged(node):
                read = Read(node.inputs[0], viewed_index(node, read.index), read.guarding)
            elif node.op is shape.RESHAPE and (opened := _opened(node, read.index)) is not None:
                read = Read(node.inputs[0], opened, read.guarding)
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
            symbol = read_symbol(position, False)
            if sign < 0:
                changes[symbol] = -symbol
            if made.tensor.op is ew.SIGMOID and made.tensor.name is None:
                inner, turned = self._read(Read(made.tensor.inputs[0], made.index))
                if turned < 0:  # σ(−z) by z, so that 1 − σ(−z) is seen to be σ(z)
                    made = inner
                    changes[symbol] = sigmoid(-symbol)
            reads.append(made)
        expression = call.expression.xreplace(changes) if changes else call.expression
        expression = _logistic(expression)
        made_call = Call(expression, tuple(reads), call.guarding)
        node = self._functions.get((expression, tuple([r.tensor for r in reads])))
        if node is None or call.guarding or any(r.index != reads[0].index for r in reads):
            return made_call
        return Read(node, reads[0].index)

    def _scale(self, read: Read) -> tuple[Tensor, Any] | None:
        """The tensor and the rational number that the read one is the product of: ½ a y is ½ times a y."""
        node = read.tensor
        if node.name is not None or node.op not in (ew.MULTIPLY, ew.DIVIDE) or node not in self._graph:
            return None
        for x, factor in (node.inputs, node.inputs[::-1]) if node.op is ew.MULTIPLY else (node.inputs,):
            if factor.op.name != "constant" or factor.shape != () or not same_shape(x.shape, node.shape):
                continue
            value = exact_number(factor.attrs["value"])
            if value is not None and value.is_Rational and value != 0 and is_float(x.dtype):
                return x, value if node.op is ew.MULTIPLY else 1 / value
        return None

    def _outer_operands(self, atom: Atom) -> list[Read] | None:
        """The operands of an outer product: each has axes that the other has not."""
        if not isinstance(atom, Read) or atom.guarding or atom.tensor not in self._graph:
            return None
        node = atom.tensor
        if node.name is not None:
            return None
        if node.op is not ew.MULTIPLY or any(
            same_shape(x.shape, node.shape) or not x.shape for x in node.inputs
        ):
            return None
        return [Read(x, broadcast_read(x, node, atom.index)) for x in node.inputs]

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


def _opened(node: Tensor, index: tuple[Affine, ...]) -> tuple[Affine, ...] | None:
    """Where the reshaped tensor is read, if at plain variables: A ⊗ B at 4 q + r is A at q, B at r."""
    if all(e.variable is not None for e in index):
        return None
    found = viewed_index(node, index)
    return found if all(e.variable is not None or e.is_constant for e in found) else None


def _cancelled(factors: tuple[tuple[Atom, int], ...]) -> tuple[tuple[Atom, int], ...]:
    """The factors with products and quotients below the line opened if that cancels: b / (a b) is 1 / a."""
    found = dict(factors)
    for atom, exponent in factors:
        if exponent > 0 or not isinstance(atom, Read) or atom.tensor.name is not None:
            continue
        node = atom.tensor
        if node.op not in (ew.MULTIPLY, ew.DIVIDE) or atom.guarding:
            continue
        first, second = (Read(x, broadcast_read(x, node, atom.index)) for x in node.inputs)
        parts = [(first, exponent), (second, exponent if node.op is ew.MULTIPLY else -exponent)]
        if any(found.get(p, 0) * n < 0 for p, n in parts):
            rest = [(a, n) for a, n in found.items() if a != atom]
            found = dict(multiplied([*rest, *parts]))
    return tuple(found.items())


def _representatives(nodes: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """Nodes that compute what another one does, with that one: the first with a name, else the first."""
    groups: dict[int, Tensor] = {}
    numbers: dict[Any, int] = {}
    keys: dict[Tensor, int] = {}
    for node in nodes:
        keys[node] = key = numbers.setdefault(_computed(node, keys), len(numbers))
        first = groups.setdefault(key, node)
        if first.name is None and node.name is not None:
            groups[key] = node
    return {n: groups[key] for n, key in keys.items() if n.name is None and groups[key] is not n}


def _computed(node: Tensor, keys: Mapping[Tensor, int]) -> Any:
    """What tells a node from others: the op, its settings, what it is of; sources are themselves."""
    if not node.inputs and node.op.name != "constant":
        return id(node)
    settings = []
    for name, value in node.attrs.items():
        if isinstance(value, np.ndarray):
            settings.append((name, (value.dtype.str, value.shape, value.tobytes())))
        elif name != "weak":
            settings.append((name, value))
    key = (node.op, node.dtype, tuple([keys[i] for i in node.inputs]), tuple(settings))
    try:
        hash(key)
    except TypeError:
        return id(node)
    return key


def _inverted(node: Tensor) -> Tensor | None:
    """What the node is the reciprocal of."""
    if node.op is ew.RECIPROCAL:
        return node.inputs[0]
    if node.op is ew.DIVIDE and node.inputs[1].shape == node.shape:
        above = node.inputs[0]
        if above.op.name == "constant" and above.shape == () and float(above.attrs["value"]) == 1.0:
            return node.inputs[1]
    return None


def _logistic(expression: Any) -> Any:
    """1 − σ(−z) as σ(z)."""
    if not (expression.is_Add and expression.has(sigmoid)):
        return expression
    for part in expression.args:
        if isinstance(-part, sigmoid) and expression + -part == 1:
            argument = (-part).args[0]
            return sigmoid(-argument) if argument.could_extract_minus_sign() else expression
    return expression


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
