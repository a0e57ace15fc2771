"""The chain rule on tensors: a composition enters, the Jacobians whose product is the derivative leave.

For y = f₅(f₄(f₃(f₂(f₁(x))))) the derivative is one Jacobian a link. Where a graph branches, the part between
two nodes that every path passes is one link.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.4 (nndl.github.io).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import numpy as np

from graphc.errors import GraphError
from graphc.ir.dimension import Shape, format_shape
from graphc.ir.origin import Location, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.symbolic.gradient import jacobian
from graphc.symbolic.index.derivation import TensorDerivation
from graphc.symbolic.index.terms import Term, reads_of
from graphc.symbolic.jacobian_formula import jacobian_formula
from graphc.symbolic.node_values import node_values
from graphc.symbolic.notation import (
    Formula,
    Name,
    Partial,
    Product,
    Relation,
    equation,
    latex,
    matrix_formula,
    text,
)
from graphc.symbolic.segment import Segment, segment_between

Array = np.ndarray[Any, Any]
Point = Mapping[Any, Any]
LARGEST = 20_000_000
"""Elements of one factor's value."""
_SHOWN_IN_LATEX = 8


@dataclass(frozen=True, eq=False)
class JacobianFactor:
    """One link: ∂above/∂below, of shape ``above.shape + below.shape``, derived by the symbolic engine."""

    above: Tensor
    below: Tensor
    label: Partial
    names: Mapping[Tensor, Formula] = field(repr=False)

    @cached_property
    def _segment(self) -> Segment:
        return segment_between(self.below, self.above)

    @cached_property
    def derivation(self) -> TensorDerivation:
        """The link's own derivation, by an input in the place of ``below``."""
        found = jacobian(self._segment.above, self._segment.below)
        assert isinstance(found, TensorDerivation)
        return found

    @cached_property
    def tensor(self) -> Tensor:
        """The Jacobian as a graph over the nodes of the chain."""
        return self._segment.restored(self.derivation.gradients[0])

    @property
    def shape(self) -> tuple[Shape, Shape]:
        """The shapes of ``above`` and ``below``: with elements raveled, the rows and columns."""
        return self.above.shape, self.below.shape

    @property
    def location(self) -> Location:
        """The line that built ``above``."""
        return self.above.location

    @cached_property
    def formula(self) -> Formula:
        """One element of the Jacobian in index notation; in matrix notation where the link was cut."""
        element = (*self.above.shape, *self.below.shape)
        try:
            if self.derivation.mode == "full":
                (let,) = self.derivation.lets
                return jacobian_formula(self.label, let.simplified, element, self._names_of(let.simplified))
            return self.matrix
        except GraphError:  # longer than can be read
            return equation(self.label, Name("…"))

    def _names_of(self, terms: Sequence[Term]) -> Mapping[Tensor, Formula]:
        """Names for what stands for nodes of the chain, and for what computes ``above`` once more."""
        segment = self._segment
        found = {made: self.names[node] for made, node in segment.originals.items() if node in self.names}
        for tensor in {r.tensor for t in terms for r in reads_of(a for a, _ in t.factors)}:
            if _is_again(tensor, segment.above):
                found[tensor] = self.names[self.above]
        for made, node in segment.originals.items():
            if made not in found and not made.inputs and node.inputs:
                found[made] = matrix_formula(node, self.names)
        return found

    @property
    def matrix(self) -> Formula:
        """The whole Jacobian in matrix notation. Raises GraphError where that is too long to read."""
        return equation(self.label, matrix_formula(self.tensor, self.names))


@dataclass(frozen=True, eq=False)
class JacobianValues:
    """A chain at a point: its nodes' values by name, its factors as matrices, and their product.

    A factor of m elements by n is an m × n matrix, both in C order; ``gradient`` has the shape
    ``y.shape + wrt.shape``.
    """

    nodes: dict[str, Array]
    factors: tuple[Array, ...]
    gradient: Array


@dataclass(frozen=True, eq=False)
class JacobianChain:
    """The links from ``wrt`` to ``y``, that of ``y`` first; the product of their Jacobians is ∂y/∂wrt."""

    y: Tensor
    wrt: Tensor
    factors: tuple[JacobianFactor, ...]
    names: Mapping[Tensor, Formula] = field(repr=False)

    @cached_property
    def nodes(self) -> tuple[Tensor, ...]:
        """The nodes between which the factors lie, from ``wrt`` to ``y``."""
        return (self.wrt, *(f.above for f in reversed(self.factors)))

    def values(self, at: Point) -> JacobianValues:
        """Every node and factor at a point; ``at`` gives each source, by tensor or by name.

        Raises GraphError where a value is missing or a factor has too many elements to be written out.
        """
        known = node_values(self.nodes, self._point(at))
        nodes = {text(self.names[n]): known[n] for n in self.nodes}
        for f in self.factors:
            rows, columns = known[f.above].size, known[f.below].size
            if rows * columns > LARGEST:
                raise GraphError(
                    f"the value of {text(f.label)} has {rows} × {columns} elements", op="symbolic.chain",
                    location=f.location, remedy="evaluate at a smaller batch, or join links by `through`",
                )  # fmt: skip
        known = node_values([f.tensor for f in self.factors], known)
        factors = tuple(
            [known[f.tensor].reshape(known[f.above].size, known[f.below].size) for f in self.factors]
        )
        product = reduce(np.matmul, factors)
        return JacobianValues(nodes, factors, product.reshape(known[self.y].shape + known[self.wrt].shape))

    def _point(self, at: Point) -> dict[Tensor, Array]:
        known: dict[Tensor, Array] = {}
        for node in topological_order([self.y]):
            if node.inputs and node is not self.wrt:
                continue
            for key in (node, node.name):
                if key is not None and key in at:
                    known[node] = np.asarray(at[key], node.dtype)
                    break
            else:
                if node.op.name in ("input", "parameter") or node.op.family == "random":
                    raise GraphError(
                        f"no value is given for {node.name or node.op.name!r}", op="symbolic.chain",
                        location=user_location(),
                        remedy="give every input and parameter of the chain, by tensor or by name",
                    )  # fmt: skip
        return known

    # -- printing ------------------------------------------------------------------------------------
    @property
    def _total(self) -> Partial:
        return Partial(self.names[self.y], self.names[self.wrt])

    def text(self, at: Point | None = None) -> str:
        """The nodes, the product, and each factor with its shape and formula; at a point with its value.

        >>> import graphc as gc
        >>> x, W = gc.input("x", (2,)), gc.parameter("W", (2, 2))
        >>> L = gc.sum(gc.square(W @ x)).named("L")
        >>> print(gc.symbolic.chain(L, x).text({x: [1, 2], W: [[1, 0], [0, 3]]}))
        h_1 = W x
        h_2 = h_1²
        L = Σ h_2
        ∂L/∂x = ∂L/∂h_2 · ∂h_2/∂h_1 · ∂h_1/∂x
        (∂L/∂h_2)[i] = 1                       () × (2,)
          [[1. 1.]]
        (∂h_2/∂h_1)[i,j] = 2 h_1[i] δ[i,j]     (2,) × (2,)
          [[ 2.  0.]
           [ 0. 12.]]
        (∂h_1/∂x)[i,j] = W[i,j]                (2,) × (2,)
          [[1. 0.]
           [0. 3.]]
        ∂L/∂x =
          [ 2. 36.]
        """
        values = None if at is None else self.values(at)
        lines = [*map(text, self._definitions()), text(self._product())]
        formulas = [text(f.formula) for f in self.factors]
        width = min(max(map(len, formulas)), 60)
        for number, (f, formula) in enumerate(zip(self.factors, formulas, strict=True)):
            above, below = f.shape
            lines.append(f"{formula:<{width}}     {format_shape(above)} × {format_shape(below)}")
            if values is not None:
                lines += _array_lines(values.factors[number])
        if values is not None:
            lines.append(f"{text(self._total)} =")
            lines += _array_lines(values.gradient)
        return "\n".join(lines)

    def latex(self, at: Point | None = None) -> str:
        """The same as one aligned display that compiles as it stands (with amsmath)."""
        values = None if at is None else self.values(at)
        lines = [latex(f, aligned=True) for f in (*self._definitions(), self._product())]
        for number, f in enumerate(self.factors):
            above, below = f.shape
            shapes = rf"\quad {_latex_shape(above)} \times {_latex_shape(below)}"
            lines.append(latex(f.formula, aligned=True) + shapes)
            if values is not None:
                lines.append(rf"{latex(f.label)} &= {_latex_matrix(values.factors[number])}")
        if values is not None:
            product = " ".join(map(_latex_matrix, values.factors))
            lines.append(rf"{latex(self._total)} &= {product}")
            lines.append(rf"&= {_latex_matrix(self._matrix(values.gradient))}")
        return "\\[\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n\\]"

    def _matrix(self, gradient: Array) -> Array:
        shape, rank = gradient.shape, self.y.ndim
        return gradient.reshape(math.prod(shape[:rank]), math.prod(shape[rank:]))

    def _definitions(self) -> list[Formula]:
        found: list[Formula] = []
        for node in self.nodes[1:]:
            try:
                formula = matrix_formula(node, self.names)
            except GraphError:  # longer than can be read
                formula = Name("…")
            found.append(equation(self.names[node], formula))
        return found

    def _product(self) -> Relation:
        labels = tuple([f.label for f in self.factors])
        return equation(self._total, labels[0] if len(labels) == 1 else Product(labels, "·"))

    def __repr__(self) -> str:
        return f"<chain {text(self._total)} of {len(self.factors)} factors>"


def _is_again(node: Tensor, other: Tensor) -> bool:
    """Whether two nodes compute the same from the same."""
    return (
        node.op is other.op
        and bool(node.inputs)
        and len(node.inputs) == len(other.inputs)
        and all(a is b for a, b in zip(node.inputs, other.inputs, strict=True))
        and node.attrs == other.attrs
    )


# -- arrays --------------------------------------------------------------------------------------------
def _array_lines(value: Array) -> list[str]:
    """An array in rows of six figures, the middle of a large one left out; one number as itself."""
    if value.size == 1:
        return [f"  {value.item() + 0.0:.6g}"]
    shown = np.array2string(value + 0.0, max_line_width=100, precision=6, threshold=100, edgeitems=3)
    return [f"  {line}" for line in shown.split("\n")]


def _latex_shape(shape: Shape) -> str:
    return rf"\mathtt{{{format_shape(shape)}}}"


def _latex_matrix(value: Array) -> str:
    if max(value.shape, default=0) > _SHOWN_IN_LATEX:
        return rf"\left[{value.shape[0]} \times {value.shape[1]}\right]"
    rows = r" \\ ".join(" & ".join(_latex_number(v) for v in row) for row in value)
    return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"


def _latex_number(value: float) -> str:
    mantissa, _, exponent = f"{value + 0.0:.4g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa
