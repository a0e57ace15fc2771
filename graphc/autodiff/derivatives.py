"""The derivatives users ask for: gradients, products with Jacobians, Jacobians, Hessians.

Graph in, graph out, so they compose to any order. ``wrt`` is one tensor, or a tuple, list or dict of
tensors, and the result has its structure; it may name any node, also one inside the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from graphc.autodiff.batching import batched
from graphc.autodiff.forward import forward_sweep
from graphc.autodiff.pieces import identity, like, reshape, transpose
from graphc.autodiff.reverse import reverse_sweep
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import element_count, format_shape, is_nonnegative, same_shape, simplified
from graphc.ir.dtype import is_float
from graphc.ir.origin import Origin, current_scope, inheriting, user_location
from graphc.ir.structure import Structure, flatten
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add, astype
from graphc.ops.sources import INPUT, as_tensor, filled

Mode = Literal["reverse", "forward"]


# -- what is asked for -------------------------------------------------------------------------------
def _wanted(wrt: object, op: str) -> tuple[list[Tensor], Structure]:
    leaves, structure = flatten(wrt, op)
    for node in leaves:
        if not is_float(node.dtype):
            raise DTypeError(
                f"{node!r} has dtype {node.dtype}: a derivative by it has no meaning",
                op=op, location=user_location(), remedy='differentiate by floats, e.g. x.astype("float32")',
            )  # fmt: skip
    return leaves, structure


def _scalar(y: object, op: str) -> Tensor:
    if not isinstance(y, Tensor):
        raise GraphError(
            f"a tensor is needed, but {type(y).__name__} was given", op=op, location=user_location(),
            remedy="pass the loss as one 0-dimensional tensor",
        )  # fmt: skip
    if y.shape:
        raise ShapeError(
            f"the shape of {y!r} is {format_shape(y.shape)}, where a 0-dimensional tensor is needed",
            op=op, location=user_location(),
            remedy="reduce it with .mean() or .sum(), or use gc.vjp or gc.jacobian",
        )  # fmt: skip
    return _real(y, op)


def _real(y: Tensor, op: str) -> Tensor:
    if not is_float(y.dtype):
        raise DTypeError(
            f"{y!r} has dtype {y.dtype}, which has no derivative",
            op=op, location=user_location(), remedy='convert it with .astype("float32")',
        )  # fmt: skip
    return y


def _directions(
    given: object, nodes: Sequence[Tensor], structure: Structure, what: str, op: str
) -> list[Tensor]:
    """Cotangents or tangents as nodes, of the shapes and dtypes they belong to."""
    values = _matched(given, structure)
    if values is None:
        raise GraphError(
            f"the {what}s do not have the structure of what they belong to",
            op=op, location=user_location(),
            remedy=f"give one {what} for each, in the same tuple, list or dict",
        )  # fmt: skip
    found = []
    for value, node in zip(values, nodes, strict=True):
        direction = astype(as_tensor(value), node.dtype)
        if not same_shape(direction.shape, node.shape):
            raise ShapeError(
                f"the {what} of {node!r} has shape {format_shape(direction.shape)}",
                op=op, location=user_location(), remedy=f"a {what} has the shape of what it belongs to",
            )  # fmt: skip
        found.append(direction)
    return found


def _matched(given: Any, structure: Structure) -> list[Any] | None:
    """The values that stand where a structure has its leaves (an array may be a nested list), or None."""
    if structure.kind == "leaf":
        return None if isinstance(given, dict) else [given]
    if structure.kind == "dict":
        if not isinstance(given, dict) or set(given) != set(structure.keys):
            return None
        members = [given[key] for key in structure.keys]
    else:
        if not isinstance(given, (tuple, list)) or len(given) != len(structure.parts):
            return None
        members = list(given)
    values: list[Any] = []
    for member, part in zip(members, structure.parts, strict=True):
        found = _matched(member, part)
        if found is None:
            return None
        values += found
    return values


def _user() -> tuple[Origin, ...]:
    """Nodes that stand for no forward node come from the line that asked for the derivative."""
    return (Origin(current_scope(), user_location(), "backward"),)


# -- first order -------------------------------------------------------------------------------------
def grad(y: Tensor, wrt: Any) -> Any:
    """The gradient of a 0-dimensional ``y``: for each tensor of ``wrt`` one of its shape and dtype.

    A tensor that y does not depend on has a gradient of zeros. Raises ShapeError where y is not
    0-dimensional and DTypeError where y or a tensor of ``wrt`` is no float.

    >>> import graphc as gc
    >>> x = gc.input("x", (3,), "float64")
    >>> g = gc.grad((x * x).sum(), x)
    >>> gc.interpret([g], {x: [1.0, 2.0, 3.0]})
    [array([2., 4., 6.])]
    """
    nodes, structure = _wanted(wrt, "grad")
    return structure.unflatten(_gradients(_scalar(y, "grad"), nodes))


def _gradients(y: Tensor, nodes: Sequence[Tensor]) -> list[Tensor]:
    with inheriting(_user()):
        seed = filled(1, y.dtype)
    return _pulled_back({y: seed}, nodes)


def _pulled_back(seeds: dict[Tensor, Tensor], nodes: Sequence[Tensor]) -> list[Tensor]:
    found = reverse_sweep(seeds, nodes)
    with inheriting(_user()):
        return [found[n] if n in found else like(n, 0.0) for n in nodes]


def _pushed_forward(seeds: dict[Tensor, Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
    found = forward_sweep(seeds, outputs)
    with inheriting(_user()):
        return [found[o] if o in found else like(o, 0.0) for o in outputs]


def _summed(nodes: Sequence[Tensor], directions: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The direction of each node; the directions of one that was named twice add up."""
    seeds: dict[Tensor, Tensor] = {}
    with inheriting(_user()):
        for node, direction in zip(nodes, directions, strict=True):
            seeds[node] = add(seeds[node], direction) if node in seeds else direction
    return seeds


def value_and_grad(y: Tensor, wrt: Any) -> tuple[Tensor, Any]:
    """``(y, grad(y, wrt))``."""
    return y, grad(y, wrt)


def vjp(outputs: Any, wrt: Any, cotangents: Any) -> Any:
    """The product of cotangents with the Jacobian, by one reverse sweep: ``cotangentsᵀ · ∂outputs/∂wrt``.

    ``cotangents`` has the structure and shapes of ``outputs``; the result those of ``wrt``.

    >>> import graphc as gc
    >>> x = gc.input("x", (2,), "float64")
    >>> gc.interpret([gc.vjp(x ** 3, x, [1.0, 10.0])], {x: [1.0, 2.0]})
    [array([  3., 120.])]
    """
    nodes, structure = _wanted(wrt, "vjp")
    results, form = flatten(outputs, "vjp")
    directions = _directions(cotangents, results, form, "cotangent", "vjp")
    for result in results:
        _real(result, "vjp")
    return structure.unflatten(_pulled_back(_summed(results, directions), nodes))


def jvp(outputs: Any, wrt: Any, tangents: Any) -> Any:
    """The product of the Jacobian with tangents, by one forward sweep: ``∂outputs/∂wrt · tangents``.

    ``tangents`` has the structure and shapes of ``wrt``; the result those of ``outputs``.

    >>> import graphc as gc
    >>> x = gc.input("x", (2,), "float64")
    >>> gc.interpret([gc.jvp(x ** 3, x, [1.0, 10.0])], {x: [1.0, 2.0]})
    [array([  3., 120.])]
    """
    nodes, structure = _wanted(wrt, "jvp")
    results, form = flatten(outputs, "jvp")
    directions = _directions(tangents, nodes, structure, "tangent", "jvp")
    for result in results:
        _real(result, "jvp")
    return form.unflatten(_pushed_forward(_summed(nodes, directions), results))


# -- Jacobians ---------------------------------------------------------------------------------------
def jacobian(y: Tensor, wrt: Any, mode: Mode | None = None) -> Any:
    """All partial derivatives of ``y``: for each tensor of ``wrt`` one of shape ``y.shape + wrt.shape``.

    Reverse mode pulls back every element of y, forward mode pushes every element of ``wrt``, either all
    at once along a new first axis, so that sizes may be symbolic. Left out, the mode with fewer of them
    is taken.

    >>> import graphc as gc
    >>> x = gc.input("x", (2,), "float64")
    >>> gc.interpret([gc.jacobian(gc.stack([x[0] * x[1], x[1]]), x)], {x: [2.0, 3.0]})
    [array([[3., 2.],
           [0., 1.]])]
    """
    nodes, structure = _wanted(wrt, "jacobian")
    _real(y, "jacobian")
    if mode not in (None, "reverse", "forward"):
        raise GraphError(
            f"mode={mode!r} is unknown", op="jacobian", location=user_location(),
            remedy='choose "reverse", "forward", or None for the one with fewer sweeps',
        )  # fmt: skip
    backward = [n for n in nodes if mode == "reverse" or (mode is None and _is_wide(y, n))]
    found = dict(zip(backward, _by_reverse(y, backward), strict=True))
    for node in nodes:
        if node not in found:
            (found[node],) = _by_forward([y], node)
    return structure.unflatten([found[n] for n in nodes])


def _is_wide(y: Tensor, node: Tensor) -> bool:
    """Whether y has no more elements than the node, as far as the sizes tell."""
    return is_nonnegative(simplified(element_count(node.shape) - element_count(y.shape)))


def _placeholder(node: Tensor, name: str) -> Tensor:
    """Stands for any cotangent or tangent of a node until values are put in its place."""
    return apply(INPUT, (), name, name=name, shape=node.shape, dtype=node.dtype)


def _by_reverse(y: Tensor, nodes: Sequence[Tensor]) -> list[Tensor]:
    """The Jacobians of y by several tensors, from one reverse sweep."""
    if not y.shape:
        rows = _gradients(y, nodes)
    elif nodes:
        with inheriting(_user()):
            cotangent, units = _placeholder(y, "cotangent"), identity(y.shape, y.dtype)
        rows = batched(_pulled_back({y: cotangent}, nodes), cotangent, units)
    else:
        rows = []
    with inheriting(_user()):
        return [
            astype(reshape(row, (*y.shape, *node.shape)), y.dtype)
            for row, node in zip(rows, nodes, strict=True)
        ]


def _by_forward(outputs: Sequence[Tensor], node: Tensor) -> list[Tensor]:
    """The Jacobians of several outputs by one tensor, from one forward sweep."""
    with inheriting(_user()):
        tangent = _placeholder(node, "tangent") if node.shape else filled(1, node.dtype)
    columns = _pushed_forward({node: tangent}, outputs)
    if not node.shape:
        return columns
    with inheriting(_user()):
        units = identity(node.shape, node.dtype)
    columns = batched(columns, tangent, units)
    with inheriting(_user()):
        return [
            reshape(transpose(column, (*range(1, column.ndim), 0)), (*output.shape, *node.shape))
            for column, output in zip(columns, outputs, strict=True)
        ]


# -- second order --------------------------------------------------------------------------------------
def hessian(y: Tensor, wrt: Any) -> Any:
    """The second derivatives of a 0-dimensional ``y``: the Jacobian of its gradient.

    For one tensor a tensor of shape ``wrt.shape + wrt.shape``; for a structure the structure of
    structures, ``result[a][b] = ∂²y/∂a∂b``. Forward mode over reverse mode.

    >>> import graphc as gc
    >>> x = gc.input("x", (2,), "float64")
    >>> gc.interpret([gc.hessian(x[0] ** 2 * x[1], x)], {x: [1.0, 3.0]})
    [array([[6., 2.],
           [2., 0.]])]
    """
    nodes, structure = _wanted(wrt, "hessian")
    gradients = _gradients(_scalar(y, "hessian"), nodes)
    columns = [_by_forward(gradients, node) for node in nodes]
    return structure.unflatten([structure.unflatten(list(row)) for row in zip(*columns, strict=True)])


def hvp(y: Tensor, wrt: Any, vector: Any) -> Any:
    """The Hessian of a 0-dimensional ``y`` times a vector of the structure and shapes of ``wrt``.

    Forward mode over reverse mode: about twice the work of a gradient, whatever the size of ``wrt``.
    Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994).

    >>> import graphc as gc
    >>> x = gc.input("x", (2,), "float64")
    >>> gc.interpret([gc.hvp(x[0] ** 2 * x[1], x, [1.0, 0.0])], {x: [1.0, 3.0]})
    [array([6., 2.])]
    """
    nodes, structure = _wanted(wrt, "hvp")
    directions = _directions(vector, nodes, structure, "vector", "hvp")
    gradients = _gradients(_scalar(y, "hvp"), nodes)
    return structure.unflatten(_pushed_forward(_summed(nodes, directions), gradients))
