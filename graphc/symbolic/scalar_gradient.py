"""Differentiation of graphs of numbers: SymPy expressions from the bodies to the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dtype import is_float
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.elementwise import astype
from graphc.symbolic.checking import checked
from graphc.symbolic.composition import FULL_UP_TO, Composer, Mode, compose_everywhere, compose_full
from graphc.symbolic.derivation import restructured
from graphc.symbolic.local import local_form
from graphc.symbolic.naming import Names
from graphc.symbolic.scalar_derivation import ScalarDerivation, Step


def scalar_derivation(
    y: Tensor, wrt: Any, chosen: Sequence[Tensor], mode: Mode | None, check: bool, seed: int
) -> ScalarDerivation:
    """The derivative of a graph in which every node is 0-dimensional."""
    chosen = tuple(chosen)
    order = topological_order([y])
    names = Names(topological_order([y, *chosen]))
    active = {n for n in depends_on(order, chosen) if is_float(n.dtype)}
    below = set(order)
    forms = tuple(
        local_form(n, active)
        for n in order
        if n in active and n.inputs and any(i in active for i in n.inputs)
    )
    composer = Composer(y, [n for n in names.symbol if n in below], names)
    mode = mode or ("full" if len(chosen) <= FULL_UP_TO else "everywhere")
    with inheriting(y.origins, "backward"):
        formulas = (compose_full if mode == "full" else compose_everywhere)(composer, forms, chosen)
        gradients = tuple([astype(composer.tensor(formulas[w]), w.dtype) for w in chosen])
    known = {let.symbol for let in composer.lets}
    finals = tuple(
        Step("result", names.symbol[w].name, y.op.name, y.location, s, formulas[w], names.latex)
        for w in chosen
        if (s := names.derivative(y, w)) not in known
    )
    derivation = ScalarDerivation(
        y, chosen, restructured(wrt, gradients), mode, gradients,
        tuple(order), forms, tuple(composer.lets), names, finals,
    )  # fmt: skip
    return checked(derivation, seed) if check else derivation
