"""One element of a Jacobian in index notation: its terms enter, an equation as a textbook has it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphc.ir.build import apply
from graphc.ir.dimension import Shape
from graphc.ir.dtype import FLOAT64
from graphc.ir.tensor import Tensor
from graphc.ops.sources import INPUT
from graphc.symbolic.index.affine import Affine, Variable, of
from graphc.symbolic.index.formulas import IndexFormulas, Letters
from graphc.symbolic.index.terms import Atom, Read, Term
from graphc.symbolic.notation import Element, Formula, Name, Transpose, equation


def jacobian_formula(
    label: Formula, terms: Sequence[Term], shape: Shape, names: Mapping[Tensor, Formula]
) -> Formula:
    """``label[i,j] = …``; what is 0 off a diagonal bears Kronecker's δ[i,j].

    >>> import graphc as gc
    >>> from graphc.symbolic.notation import name, text
    >>> x = gc.input("x", (3,))
    >>> (let,) = gc.symbolic.jacobian(gc.square(x), x).lets
    >>> text(jacobian_formula(name("J"), let.simplified, (3, 3), {}))
    'J[i,j] = 2 x[i] δ[i,j]'
    """
    outputs = [Variable(size) for size in shape]
    letters = Letters()
    places = tuple([letters.of(v) for v in outputs])
    delta = apply(INPUT, (), "delta", name="delta", shape=(0, 0), dtype=FLOAT64)  # a name; it is never read
    formulas = _Untransposed({**names, delta: Name("delta")})
    made = [_on_diagonals(t, outputs, delta) for t in terms]
    return equation(Element(label, places) if places else label, formulas.sum(made, outputs, letters, True))


def _on_diagonals(term: Term, outputs: Sequence[Variable], delta: Tensor) -> Term:
    """The term at the result's own indices; an index that is the same as an earlier one bears a δ."""
    new: dict[Variable, Affine] = {}
    deltas: list[tuple[Atom, int]] = []
    target = []
    for e, output in zip(term.target, outputs, strict=True):
        v = e.variable
        if v is not None and v in new:
            deltas.append((Read(delta, (new[v], of(output))), 1))
        elif v is not None:
            new[v] = of(output)
        # A constant place on an axis of size 1 is the only one there is.
        target.append(of(output) if v is not None or (e.is_constant and output.size == 1) else e)
    made = replace(term, target=()).substituted(new)
    return replace(made, factors=(*made.factors, *deltas), target=tuple(e.substituted(new) for e in target))


class _Untransposed(IndexFormulas):
    def element(self, base: Formula, index: Sequence[Affine], letters: Letters) -> Formula:
        """Wᵀ[i,j] is W[j,i]."""
        while isinstance(base, Transpose):
            base, index = base.part, (*index[:-2], *index[:-3:-1])
        return super().element(base, index, letters)
