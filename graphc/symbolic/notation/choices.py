"""Conditions and choices: comparisons enter; relations, indicators and cases leave."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from graphc.ir.dimension import same
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.contraction import Contraction, Factor, opaque, product
from graphc.symbolic.notation.formula import IDENTITY, Call, Cases, Formula, Indicator, Name, Number, Relation
from graphc.symbolic.notation.rendering import argument

COMPARISONS = {
    "equal": "=", "not_equal": "≠", "less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥",
    "logical_and": "∧", "logical_or": "∨", "logical_xor": "⊕",
}  # fmt: skip
_OPPOSITE = {"=": "≠", "≠": "=", "<": "≥", "≥": "<", ">": "≤", "≤": ">"}


def as_number(value: Contraction, node: Tensor) -> Contraction:
    """A condition as 0 or 1."""
    if node.dtype != BOOL:
        return value
    return replace(value, factors=tuple(_indicated(f) for f in value.factors))


def _indicated(factor: Factor) -> Factor:
    if isinstance(factor.atom.formula, (Relation, Call)):
        return replace(factor, atom=replace(factor.atom, formula=Indicator(factor.atom.formula)))
    return factor


def comparison(node: Tensor, inputs: list[Contraction]) -> Contraction:
    if node.op.name == "equal" and _is_identity(node):
        return opaque(IDENTITY, node.shape)
    left, right = (argument(v) for v in inputs)
    return opaque(Relation(left, COMPARISONS[node.op.name], right), node.shape)


def _is_identity(node: Tensor) -> bool:
    """Whether a comparison is that of row and column numbers."""
    x, y = node.inputs
    if len(node.shape) != 2 or not same(*node.shape):
        return False
    sources = []
    for n in (x, y):
        sources.append(n.inputs[0] if n.op.name == "reshape" else n)
    if any(s.op.name != "arange" for s in sources):
        return False
    shapes = [tuple(same(n, 1) for n in (1,) * (2 - t.ndim) + t.shape) for t in (x, y)]
    return set(shapes) == {(True, False), (False, True)}


def negated(node: Tensor, inputs: list[Contraction]) -> Contraction:
    inner = argument(inputs[0])
    if isinstance(inner, Relation) and inner.sign in _OPPOSITE:
        return opaque(Relation(inner.left, _OPPOSITE[inner.sign], inner.right), node.shape)
    return opaque(Call("¬", (inner,)), node.shape)


def choice(node: Tensor, inputs: list[Contraction]) -> Contraction:
    condition, x, y = inputs
    if _is_index_check(node):
        return y
    chosen = argument(condition)
    one_hot = _one_hot(node.inputs[0], condition)
    if one_hot is not None and y.coefficient == 0:
        return product([x, opaque(one_hot, node.inputs[0].shape)], node.shape)
    if chosen == IDENTITY and y.coefficient == 0:
        return _on_diagonal(x, condition, node)
    if y.coefficient == 0 and len(condition.factors) == 1 and len(condition.kept) == 2:
        relation = condition.factors[0].atom.formula
        chosen = relation if isinstance(relation, Relation) else chosen
    if y.coefficient == 0 and isinstance(chosen, (Relation, Name, Call)):
        mask = as_number(condition, node.inputs[0])
        return product([x, mask], node.shape)
    if x.coefficient == 0 and isinstance(chosen, Relation) and chosen.sign in _OPPOSITE:
        turned = Relation(chosen.left, _OPPOSITE[chosen.sign], chosen.right)
        return product([y, opaque(Indicator(turned), node.inputs[0].shape)], node.shape)
    return opaque(Cases(((argument(x), chosen),), argument(y)), node.shape)


def _is_index_check(node: Tensor) -> bool:
    """Whether an index below 0 is moved out of range, where a check finds it: what is left is the index."""
    condition, x, y = node.inputs
    return (
        condition.op.name == "less"
        and condition.inputs[0] is y
        and x.op.name in ("dimension", "constant")
        and not is_float(y.dtype)
    )


def _on_diagonal(value: Contraction, identity: Contraction, node: Tensor) -> Contraction:
    """What stands on the diagonal alone: a number times I, or diag(v)."""
    along = [a for f in value.factors for a in f.axes]
    if not along:
        return product([value, identity], node.shape)
    if len(set(value.kept)) == 1 and len(value.axes) <= 2:
        body = replace(value, coefficient=Fraction(1), axes=value.kept)
        scalars = tuple(f for f in body.factors if not f.axes)
        body = replace(body, factors=tuple(f for f in body.factors if f.axes))
        found = opaque(Call("diag", (argument(body),)), node.shape)
        return replace(
            found, coefficient=value.coefficient, factors=(*scalars, *found.factors), decimal=value.decimal
        )
    return product([value, identity], node.shape)


def converted(node: Tensor, inputs: list[Contraction]) -> Contraction:
    one_hot = _one_hot(node.inputs[0], inputs[0])
    if one_hot is not None:
        return opaque(one_hot, node.shape)
    return as_number(inputs[0], node.inputs[0]) if node.dtype != BOOL else inputs[0]


def _one_hot(node: Tensor, value: Contraction) -> Formula | None:
    if node.op.name != "equal" or len(value.factors) != 1 or node.ndim == 0:
        return None
    i, among = node.inputs
    relation = value.factors[0].atom.formula
    if among.op.name == "reshape" and among.inputs[0].ndim == 1 and same(among.shape[-1], node.shape[-1]):
        among = among.inputs[0]
    if among.op.name != "arange" or i.ndim != node.ndim or not same(i.shape[-1], 1):
        return None
    if not isinstance(relation, Relation) or relation.left == Number(Fraction(0)):
        return None
    return Call("onehot", (relation.left,))
