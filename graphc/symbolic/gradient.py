"""Symbolic differentiation: a scalar graph and what to differentiate by enter, a Derivation leaves.

It shares nothing with ``autodiff``: no rule table, no reverse sweep. SymPy differentiates each
node's scalar body, and the slopes are composed from the parameter towards the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import DifferentiationError, GraphError
from graphc.ir.dtype import is_float
from graphc.ir.origin import inheriting, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.elementwise import astype
from graphc.symbolic.checking import checked
from graphc.symbolic.composition import FULL_UP_TO, Composer, Mode, compose_cut, compose_full
from graphc.symbolic.derivation import Derivation, Step, restructured
from graphc.symbolic.expression import require_scalars
from graphc.symbolic.local import local_form
from graphc.symbolic.naming import Names

Wrt = Tensor | Sequence[Tensor] | Mapping[Any, Tensor]


def grad(y: Tensor, wrt: Wrt, *, mode: Mode | None = None, check: bool = False, seed: int = 0) -> Derivation:
    """The derivative of the scalar ``y`` by ``wrt``, derived symbolically, with every step.

    ``wrt`` is a tensor, a list, a tuple or a dict of 0-dimensional tensors, and ``.result`` has its
    structure. ``mode`` is chosen by the number of parameters unless given. With ``check=True`` both
    sides of every step are evaluated at random points, and each step carries the difference. A node
    that ``y`` does not depend on has derivative 0. Kinks and ties follow graphc's conventions:
    relu'(0) = 0, |x|'(0) = 0, and a tie of maximum or minimum counts one half each.

    Raises UnsupportedError where a node is not 0-dimensional, DifferentiationError where a dtype is
    not a float or a check fails.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ()), gc.parameter("w", ())
    >>> derivation = gc.symbolic.grad(gc.sigmoid(w * x), {"w": w})
    >>> derivation.result
    {'w': <multiply: float32()>}
    """
    chosen = _as_tuple(wrt)
    order = topological_order([y])
    require_scalars(order, "symbolic.grad")
    for tensor in (y, *chosen):
        if not is_float(tensor.dtype):
            raise DifferentiationError(
                f"{tensor!r} has dtype {tensor.dtype}: only floats vary continuously",
                op="symbolic.grad", location=user_location(), remedy='convert with .astype("float32")',
            )  # fmt: skip
    require_scalars(chosen, "symbolic.grad")
    names = Names(topological_order([y, *chosen]))
    active = {n for n in depends_on(order, chosen) if is_float(n.dtype)}
    below = set(order)
    forms = tuple(
        local_form(n, active)
        for n in order
        if n in active and n.inputs and any(i in active for i in n.inputs)
    )
    composer = Composer(y, [n for n in names.symbol if n in below], names)
    mode = mode or ("full" if len(chosen) <= FULL_UP_TO else "cut")
    with inheriting(y.origins, "backward"):
        formulas = (compose_full if mode == "full" else compose_cut)(composer, forms, chosen)
        gradients = tuple([astype(composer.tensor(formulas[w]), w.dtype) for w in chosen])
    known = {let.symbol for let in composer.lets}
    finals = tuple(
        Step("result", names.symbol[w].name, y.op.name, y.location, s, formulas[w], names.latex)
        for w in chosen
        if (s := names.derivative(y, w)) not in known
    )
    derivation = Derivation(
        y, chosen, restructured(wrt, gradients), mode, gradients,
        tuple(order), forms, tuple(composer.lets), names, finals,
    )  # fmt: skip
    return checked(derivation, seed) if check else derivation


def _as_tuple(wrt: Any) -> tuple[Tensor, ...]:
    found = (wrt,) if isinstance(wrt, Tensor) else tuple(wrt.values() if isinstance(wrt, Mapping) else wrt)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            raise GraphError(
                f"a tensor is needed, but {type(tensor).__name__} was given",
                op="symbolic.grad", location=user_location(),
                remedy="differentiate by a tensor, or a list, tuple or dict of tensors",
            )  # fmt: skip
    return found
