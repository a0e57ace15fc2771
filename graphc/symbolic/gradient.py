"""Symbolic differentiation: a graph and what to differentiate by enter, a Derivation leaves.

It shares nothing with ``autodiff``: no rule table, no reverse sweep. SymPy differentiates each node's
scalar body; on tensors, the index form of each op says which elements it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import DifferentiationError, GraphError, ShapeError
from graphc.ir.dimension import Shape, format_shape
from graphc.ir.dtype import is_float
from graphc.ir.origin import inheriting, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import as_tensor, filled
from graphc.symbolic.composition import Mode
from graphc.symbolic.derivation import Derivation, restructured
from graphc.symbolic.index.checking import checked
from graphc.symbolic.index.derivation import TensorDerivation
from graphc.symbolic.index.engine import BUDGET, Engine
from graphc.symbolic.index.known_sums import Assumption
from graphc.symbolic.scalar import reason_without_form
from graphc.symbolic.scalar_gradient import scalar_derivation

Wrt = Tensor | Sequence[Tensor] | Mapping[Any, Tensor]
MODES = ("full", "dominators", "everywhere")


def grad(
    y: Tensor,
    wrt: Wrt,
    *,
    mode: Mode | None = None,
    check: bool = False,
    seed: int = 0,
    budget: int = BUDGET,
    assume: Sequence[Assumption] = (),
) -> Derivation:
    """The derivative of the scalar ``y`` by ``wrt``, derived symbolically, with every step.

    ``wrt`` is a tensor, a list, a tuple or a dict of tensors of any shape, and ``.result`` has its structure:
    graphs of the shapes and dtypes of what was differentiated by. A node that ``y`` does not depend on has
    derivative 0. Kinks and ties follow graphc's conventions.

    ``mode`` says where the derivative is cut into parts with names: ``"full"`` nowhere, ``"dominators"`` at
    the nodes that all paths share, ``"everywhere"`` at every node; chosen by the growth of the closed form
    unless given. ``budget`` bounds the terms of one closed form. ``assume`` holds what the graph does not
    tell (`sums_to_one`). With ``check=True`` both sides of every step are evaluated at random points, and
    each step carries the difference.

    Raises ShapeError where ``y`` is no scalar, DifferentiationError where a dtype is not a float or a check
    fails, GraphError where a closed form was asked for that exceeds its budget, UnsupportedError for an op
    without an index form.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ()), gc.parameter("w", ())
    >>> derivation = gc.symbolic.grad(gc.sigmoid(w * x), {"w": w})
    >>> derivation.result
    {'w': <multiply: float32()>}
    >>> x, w = gc.input("x", ("N", 3)), gc.parameter("w", (3, 2))
    >>> gc.symbolic.grad(gc.sum(gc.tanh(x @ w)), w).result.shape
    (3, 2)
    """
    chosen = _as_tuple(wrt)
    _check_mode(mode)
    if y.shape != ():
        raise ShapeError(
            f"a scalar is needed, but y has shape {format_shape(y.shape)}",
            op="symbolic.grad", location=user_location(),
            remedy="reduce it, e.g. y.sum(), or use gc.symbolic.jacobian or gc.symbolic.vjp",
        )  # fmt: skip
    _check_floats((y, *chosen))
    order = topological_order([y, *chosen])
    if mode != "dominators" and all(n.shape == () and _is_scalar_op(n) for n in order):
        return scalar_derivation(y, wrt, chosen, mode, check, seed)
    found = _derived(y, wrt, chosen, None, mode, budget, (), assume)
    return checked(found, seed) if check else found


def vjp(
    y: Tensor, wrt: Wrt, cotangent: object, *, mode: Mode | None = None, budget: int = BUDGET
) -> Derivation:
    """The derivative of ``Σ cotangent · y`` by ``wrt``, for ``y`` of any shape; see `grad`.

    ``cotangent`` has the shape of ``y``.

    >>> import graphc as gc
    >>> x, u = gc.input("x", (4,)), gc.input("u", (4,))
    >>> gc.symbolic.vjp(gc.exp(x), x, u).result
    <multiply: float32(4,)>
    """
    chosen = _as_tuple(wrt)
    _check_mode(mode)
    _check_floats((y, *chosen))
    return _derived(y, wrt, chosen, broadcast_to(as_tensor(cotangent), y.shape), mode, budget, ())


def jacobian(y: Tensor, wrt: Wrt, *, mode: Mode | None = None, budget: int = BUDGET) -> Derivation:
    """The derivative of every element of ``y`` by every element of ``wrt``: shape ``y.shape + w.shape``.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (4,)), gc.parameter("w", (3, 4))
    >>> gc.symbolic.jacobian(w @ x, x).result.shape
    (3, 4)
    """
    chosen = _as_tuple(wrt)
    _check_mode(mode)
    _check_floats((y, *chosen))
    return _derived(y, wrt, chosen, None, mode, budget, y.shape)


def hessian(y: Tensor, wrt: Tensor, *, mode: Mode | None = None, budget: int = BUDGET) -> Derivation:
    """The second derivative of the scalar ``y`` by one tensor: shape ``w.shape + w.shape``.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,))
    >>> gc.symbolic.hessian(gc.sum(gc.exp(w)), w).result.shape
    (3, 3)
    """
    first = grad(y, wrt, mode=mode, budget=budget)
    return jacobian(first.gradients[0], wrt, mode=mode, budget=budget)


def _derived(
    y: Tensor,
    wrt: Wrt,
    chosen: tuple[Tensor, ...],
    cotangent: Tensor | None,
    mode: Mode | None,
    budget: int,
    prefix: Shape,
    assume: Sequence[Assumption] = (),
) -> TensorDerivation:
    outcome = Engine({y: cotangent}, chosen, mode, budget, prefix, assume).outcome()
    gradients = []
    for w in chosen:
        let = outcome.lets.get(w)
        with inheriting(y.origins, "backward"):
            zero = broadcast_to(filled(0.0, w.dtype), (*prefix, *w.shape)) if let is None else let.tensor
        gradients.append(zero)
    return TensorDerivation(
        y, chosen, restructured(wrt, gradients), outcome.mode, tuple(gradients), outcome,
        tuple(topological_order([y, *chosen])), cotangent, prefix, tuple(assume),
    )  # fmt: skip


def _is_scalar_op(node: Tensor) -> bool:
    """Whether SymPy has the whole meaning of the node, or need not: it is a source or no float."""
    return not node.inputs or not is_float(node.dtype) or reason_without_form(node.op) is None


def _check_mode(mode: object) -> None:
    if mode is not None and mode not in MODES:
        raise GraphError(
            f"there is no mode {mode!r}", op="symbolic.grad", location=user_location(),
            remedy=f"choose among {', '.join(map(repr, MODES))}, or leave it out",
        )  # fmt: skip


def _check_floats(tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        if not is_float(tensor.dtype):
            raise DifferentiationError(
                f"{tensor!r} has dtype {tensor.dtype}: only floats vary continuously",
                op="symbolic.grad", location=user_location(), remedy='convert with .astype("float32")',
            )  # fmt: skip


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
