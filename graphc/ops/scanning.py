"""The loop as users write it: a step function, first values and sequences enter; nested results leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import Dim, format_shape, same, same_shape
from graphc.ir.dtype import FLOAT32, DType, is_float, result_dtype
from graphc.ir.origin import user_location
from graphc.ir.structure import Structure, flatten
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import one_size
from graphc.ops.elementwise import astype, is_weak
from graphc.ops.loop import Loop, looped, placeholder
from graphc.ops.sources import as_tensor


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: Dim | str | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A loop as one node: ``carry, y = step(carry, x)`` for each x along the first axis of ``xs``.

    Returns the last carry and the y of all steps, stacked. ``init`` is the first carry; carry, ``xs``
    and y may each be a tensor or nested tuples, lists and dicts of them, and y may be None. ``length``
    gives the number of steps where there are no ``xs``; it may be symbolic, as the first axis of
    ``xs``, and 0. With ``reverse`` the steps run from the last to the first, y staying at its x's place.

    The step is traced once. It may read tensors from outside; what does not change from step to step is
    computed once, before the loop, and a random draw is such: give one draw for all steps as one of
    ``xs``. Carries and y are of one float dtype, and a carry keeps its shape and dtype. A layer that
    moves state of its own, as running statistics, cannot do so inside a step. The loop's derivatives,
    of any order, are loops again: the carries are kept, and so are those inner values of a step that cost
    more than a sum or a product; others are computed once more. With ``optimize="none"`` all are.

    Raises GraphError where the step returns another structure than the carry's, ShapeError and DTypeError
    where a carry changes shape or dtype or sequences differ in length. As ``jax.lax.scan``.

    >>> import numpy as np, graphc as gc
    >>> x = gc.input("x", ("T",), "float64")
    >>> total, totals = gc.scan(lambda carry, x_t: (carry + x_t, carry + x_t), 0.0, x)
    >>> gc.compile((total, totals), [x])(np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([1., 3., 6.]))
    """
    first, carry_form = flatten(init, "scan", _is_leaf)
    sequences, form = ([], None) if xs is None else flatten(xs, "scan", _is_leaf)
    sequences = [as_tensor(s) for s in sequences]
    x_labels = [] if form is None else list(_paths(form, "xs"))
    steps = _length(sequences, x_labels, length)
    first = _starts(first, sequences)
    labels = list(_paths(carry_form, "init"))
    carries = [
        placeholder(_word(label, v, "carry"), v.shape, v.dtype)
        for label, v in zip(labels, first, strict=True)
    ]
    slices = [
        placeholder(f"{_word(label, s, 'x')}_t", s.shape[1:], s.dtype)
        for label, s in zip(x_labels, sequences, strict=True)
    ]
    returned = step(carry_form.unflatten(carries), None if form is None else form.unflatten(slices))
    new, ys, y_form = _returned(returned, carry_form)
    new = [_fitting(v, carry, label) for v, carry, label in zip(new, carries, labels, strict=True)]
    y_labels = [] if y_form is None else list(_paths(y_form, "y"))
    _check_dtypes([*zip(labels, carries, strict=True), *zip(y_labels, ys, strict=True)])
    # What a carry is before or after a step is kept anyway; only other results are stacked.
    stacked = [y for y in dict.fromkeys(ys) if not any(y is n for n in (*new, *carries))]
    loop = looped(
        list(zip(carries, first, strict=True)), list(zip(slices, sequences, strict=True)), new, stacked,
        length=steps, reverse=reverse, record=[True] * len(carries),
    )  # fmt: skip
    finals = [loop.final(k) for k in range(len(carries))]
    results = [_stack_of(loop, y, carries, new, stacked) for y in ys]
    return carry_form.unflatten(finals), None if y_form is None else y_form.unflatten(results)


def _stack_of(
    loop: Loop, y: Tensor, carries: Sequence[Tensor], new: Sequence[Tensor], stacked: Sequence[Tensor]
) -> Tensor:
    """The values of one output at all steps."""
    for number, node in enumerate(new):
        if node is y:
            return loop.after(number)
    for number, node in enumerate(carries):
        if node is y:
            return loop.before(number)
    return loop.output(next(k for k, node in enumerate(stacked) if node is y))


def _is_leaf(value: object) -> bool:
    return value is not None and not isinstance(value, (tuple, list, dict))


def _paths(form: Structure, path: str) -> Iterator[str]:
    """How a user writes each leaf: ``init[0]['h']``."""
    if form.kind == "leaf":
        yield path
    keys = form.keys if form.kind == "dict" else range(len(form.parts))
    for key, part in zip(keys, form.parts, strict=True):
        yield from _paths(part, f"{path}[{key!r}]")


def _word(path: str, value: Tensor, default: str) -> str:
    """A short name for a placeholder: its key in a dict, else the tensor's own."""
    if path.endswith("']"):
        return path.rsplit("'", 2)[-2]
    return value.name.rsplit("/", 1)[-1] if value.name else default


def _length(sequences: Sequence[Tensor], labels: Sequence[str], length: object) -> Dim:
    """The number of steps, from the sequences and from what is given."""
    known = None if length is None else one_size(length, "scan")
    source = "length"
    for label, sequence in zip(labels, sequences, strict=True):
        if not sequence.shape:
            raise ShapeError(
                f"{label} is 0-dimensional: it has no axis to step along", op="scan",
                location=user_location(), remedy="close the step over what is the same at every step",
            )  # fmt: skip
        if known is None:
            known, source = sequence.shape[0], label
        elif not same(known, sequence.shape[0]):
            raise ShapeError(
                f"{label} has shape {format_shape(sequence.shape)}, which gives {sequence.shape[0]} steps, "
                f"but {source} gives {known}",
                op="scan", location=user_location(), remedy="steps run along the first axis: make it equal",
            )  # fmt: skip
    if known is None:
        raise GraphError(
            "neither xs nor length tells the number of steps", op="scan", location=user_location(),
            remedy='give xs, or e.g. length=10 or length="T"',
        )  # fmt: skip
    return known


def _starts(values: Sequence[object], sequences: Sequence[Tensor]) -> list[Tensor]:
    """The first carries; a bare number takes the dtype of the other floats."""
    nodes = [as_tensor(v) for v in values]
    floats = [n.dtype for n in (*nodes, *sequences) if is_float(n.dtype) and not is_weak(n)]
    dtype: DType = result_dtype(*floats) if floats else FLOAT32
    return [astype(n, dtype) if is_weak(n) else n for n in nodes]


def _returned(returned: object, form: Structure) -> tuple[list[Any], list[Tensor], Structure | None]:
    """The next carries as given, the outputs, and the outputs' form (None where there are none)."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise GraphError(
            f"the step returned {type(returned).__name__}, where a pair is needed", op="scan",
            location=user_location(), remedy="return carry, y; y may be None",
        )  # fmt: skip
    new, new_form = flatten(returned[0], "scan", _is_leaf)
    if new_form != form:
        raise GraphError(
            "the carry that the step returned does not have the structure of init", op="scan",
            location=user_location(), remedy="return the same tuples, lists and dicts, in the same order",
        )  # fmt: skip
    if returned[1] is None:
        return new, [], None
    ys, y_form = flatten(returned[1], "scan", _is_leaf)
    return new, [as_tensor(y) for y in ys], y_form


def _fitting(value: object, carry: Tensor, label: str) -> Tensor:
    """A carry's next value as a node of the carry's shape and dtype."""
    node = as_tensor(value)
    if is_weak(node):
        node = astype(node, carry.dtype)
    if node.dtype != carry.dtype:
        raise DTypeError(
            f"the carry {label} has dtype {carry.dtype}, its next value {node.dtype}", op="scan",
            location=user_location(),
            remedy=f"convert it in the step with .astype({carry.dtype.name!r}), or start from {node.dtype}",
        )  # fmt: skip
    if not same_shape(node.shape, carry.shape):
        raise ShapeError(
            f"the carry {label} has shape {format_shape(carry.shape)}, its next value "
            f"{format_shape(node.shape)}",
            op="scan", location=user_location(),
            remedy="a carry keeps its shape: broadcast init to the shape that the step gives",
        )  # fmt: skip
    return node


def _check_dtypes(results: Sequence[tuple[str, Tensor]]) -> None:
    """Refuse results that are not of one float dtype."""
    if not results:
        raise GraphError(
            "the loop has neither a carry nor an output", op="scan", location=user_location(),
            remedy="return what is wanted from the step",
        )  # fmt: skip
    wanted = next((n.dtype for _, n in results if is_float(n.dtype)), FLOAT32)
    for label, node in results:
        if node.dtype != wanted:
            raise DTypeError(
                f"{label} has dtype {node.dtype}, other results of the loop {wanted}", op="scan",
                location=user_location(),
                remedy=f"carries and outputs are of one float dtype: convert with .astype({wanted.name!r})",
            )  # fmt: skip
