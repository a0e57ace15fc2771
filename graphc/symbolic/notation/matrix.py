"""Graphs in matrix notation: a tensor enters with the names where to stop, the formula a textbook has leaves.

Conventions. Vectors are columns; ``⊙`` is the elementwise product, broadcast as NumPy does. ``w ⊗ x`` is
the cross-correlation that deep learning calls convolution, ``w * x`` the convolution that turns w round,
``w ⊛ x`` the wide correlation (⊗̃ in Qiu's book and in LaTeX here), ``⊗ᵀ`` the transposed one with a stride
above 1; s, d, p and g below a sign are stride, dilation, padding and groups. Channels are summed as in matrix
products and not shown. ``Σ x`` without an index is over all elements, ``Σ_n`` over the axis of size N,
``Σ_i``, ``Σ_j`` over the first, the second axis; ``mean_j`` likewise. ``1 1ᵀ`` is the matrix of ones, and
beside I or diag(v) in a sum nothing is broadcast without it. ``up_2(U)`` repeats each element along axes.
Between matrices ``A ⊗ B`` is the Kronecker product. softmax, logsumexp and cumsum are along the last axis
unless they bear an index.

Source of the signs and of up: Qiu Xipeng, *Neural Networks and Deep Learning*, sections 5.1 and 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from graphc.errors import GraphError
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.symbolic.naming import Names
from graphc.symbolic.notation.contraction import Contraction, opaque, product
from graphc.symbolic.notation.conventions import times_formula
from graphc.symbolic.notation.formula import ONES, Call, Formula, Product, Transpose, name_of
from graphc.symbolic.notation.op_notation import value_of
from graphc.symbolic.notation.rendering import rendered

BUDGET = 1000
_DEEPEST = 120


def matrix_formula(
    tensor: Tensor, names: Mapping[Tensor, Formula] | None = None, *, budget: int = BUDGET
) -> Formula:
    """The tensor in matrix notation, written by what ``names`` names.

    Tensors in ``names`` are not looked behind, save ``tensor`` itself; sources not in it go by their own
    names. Raises GraphError where the formula would have more than ``budget`` parts: name some tensors in
    between.

    >>> import graphc as gc
    >>> from graphc.symbolic.notation import text
    >>> X, W, b = gc.input("X", ("N", 5)), gc.parameter("W", (5, 3)), gc.parameter("b", (3,))
    >>> Y = gc.input("Y", ("N", 3))
    >>> text(matrix_formula(X.T @ (gc.softmax(X @ W + b) - Y) / X.shape[0]))
    'Xᵀ (softmax(X W + b) − Y) / N'
    """
    known = dict(names or {})
    own = known.pop(tensor, None)
    order = topological_order([tensor], stop=known)
    if own is not None and not tensor.inputs:
        return own
    words = Names([n for n in order if n not in known and not n.inputs])
    values: dict[Tensor, Contraction] = {}
    for node in order:
        if node in known:
            values[node] = opaque(known[node], node.shape)
        elif not node.inputs and node.op.name in ("input", "parameter", "random_uniform", "random_normal"):
            values[node] = opaque(name_of(node, words), node.shape)
        else:
            values[node] = value_of(node, values, lambda n: name_of(n, words))
        for factor in values[node].factors:
            _check(factor.atom.formula, node, budget)
    formula = rendered(_filled(values[tensor], tensor))
    _check(formula, tensor, budget)
    return formula


def _filled(value: Contraction, tensor: Tensor) -> Contraction:
    """A matrix of equal elements as that number times 1 1ᵀ; what is repeated along last axes as up(x)."""
    covered = {a for f in value.factors for a in f.axes} & set(value.kept)
    if len(value.kept) == 2 and not covered and not value.summed:
        return product([value, opaque(Product((ONES, Transpose(ONES))), tensor.shape)], tensor.shape)
    count = len(covered)
    if len(value.kept) < 3 or not covered or set(value.kept[:count]) != covered or count == len(value.kept):
        return value
    scalars = tuple(f for f in value.factors if not f.axes)
    inner = replace(
        value,
        coefficient=Fraction(1),
        factors=tuple(f for f in value.factors if f.axes),
        axes=value.kept[:count],
    )
    below = times_formula([a.size for a in value.kept[count:]])
    found = opaque(Call("up", (rendered(inner),), (below,)), tensor.shape)
    return replace(
        found, coefficient=value.coefficient, decimal=value.decimal, factors=(*scalars, *found.factors)
    )


def _check(formula: Formula, node: Tensor, budget: int) -> None:
    if formula.size > budget or formula.depth > _DEEPEST:
        raise GraphError(
            f"the formula has {formula.size} parts, {formula.depth} deep, where {budget} parts and a depth "
            f"of {_DEEPEST} can be read",
            op=node.op.name,
            location=node.location,
            remedy="give names to tensors in between, so that the formula can stop there",
        )
