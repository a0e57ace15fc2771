"""The loop: a body, first values of its carries, sequences and constants enter; packed results leave.

The op, and ``looped``, with which every engine builds one: it takes a step as nodes over placeholders
and finds by itself what the step reads from outside. ``graphc.ops.loops`` has the function for users.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.body import Body
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, format_shape, same_shape
from graphc.ir.dtype import DType, is_float
from graphc.ir.op import Attrs, Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, substitute, topological_order, transformed
from graphc.ops.loop_layout import Layout, layout
from graphc.ops.sources import CONSTANT, DIMENSION, INPUT

Array = np.ndarray[Any, Any]
# Ops under which a plain number stays one.
_NUMBERS_STAY = frozenset({"broadcast_to", "reshape", "astype"})


# -- the op ------------------------------------------------------------------------------------------
def _infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    body: Body = attrs["body"]
    length: Dim = attrs["length"]
    if len(inputs) != len(body.placeholders):
        raise GraphError(f"{len(inputs)} operands are given for {len(body.placeholders)} placeholders")
    wanted = [
        *[c.shape for c in body.carries], *[(length, *x.shape) for x in body.xs],
        *[c.shape for c in body.constants],
    ]  # fmt: skip
    for operand, placeholder, shape in zip(inputs, body.placeholders, wanted, strict=True):
        if operand.dtype != placeholder.dtype or not same_shape(operand.shape, shape):
            raise ShapeError(
                f"{placeholder.name!r} is {placeholder.dtype}{format_shape(shape)}, "
                f"its operand {operand.dtype}{format_shape(operand.shape)}"
            )
    for carry, new in zip(body.carries, body.next, strict=True):
        if carry.dtype != new.dtype or not same_shape(carry.shape, new.shape):
            raise ShapeError(
                f"the carry {carry.name!r} is {carry.dtype}{format_shape(carry.shape)}, "
                f"its next value {new.dtype}{format_shape(new.shape)}"
            )
    dtypes = {r.dtype for r in body.results}
    if len(dtypes) != 1 or not is_float(min(dtypes, key=str)):
        raise DTypeError(
            f"carries and outputs have the dtypes {', '.join(sorted(map(str, dtypes))) or 'of nothing'}",
            remedy="give all of them one float dtype",
        )
    return (layout(body, length, attrs["record"], attrs["reverse"]).total,), dtypes.pop()


def step_values(attrs: Attrs, *operands: Array) -> Iterator[dict[Tensor, Array]]:
    """The values of all nodes of the body, step by step: a plain Python loop."""
    body: Body = attrs["body"]
    length: int = attrs["length"]
    carried, sequences = len(body.carries), len(body.xs)
    state: Sequence[Array] = operands[:carried]
    xs, constants = operands[carried : carried + sequences], operands[carried + sequences :]
    for t in reversed(range(length)) if attrs["reverse"] else range(length):
        known = body.evaluate([*state, *[x[t] for x in xs], *constants])
        state = [known[n] for n in body.next]
        yield known


def _evaluate(attrs: Attrs, *operands: Array) -> Array:
    body, record, reverse = attrs["body"], attrs["record"], attrs["reverse"]
    slots: list[list[Array]] = [[value] for value in operands[: len(body.carries)]]
    stacks: list[list[Array]] = [[] for _ in body.outputs]
    for known in step_values(attrs, *operands):
        for kept, result in zip(slots + stacks, body.results, strict=True):
            kept.append(known[result])
    for number, recorded in enumerate(record):
        if not recorded:
            slots[number] = slots[number][-1:]
    parts = [v for kept in slots + stacks for v in (reversed(kept) if reverse else kept)]
    if not parts:
        return np.zeros(0, body.results[0].dtype)
    return np.concatenate([np.ravel(p) for p in parts])


# Attributes: `body`; `length`, the number of steps; `record`, which carries keep all their values;
# `reverse`, whether the steps run from the last to the first.
SCAN = Op("scan", "loop", _infer, _evaluate)
OPS = (SCAN,)


# -- building one ------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Loop:
    """A loop's node and the parts of its packed result, each a view."""

    node: Tensor

    @property
    def body(self) -> Body:
        """What is repeated."""
        body: Body = self.node.attrs["body"]
        return body

    @cached_property
    def layout(self) -> Layout:
        """Where the parts lie."""
        at = self.node.attrs
        return layout(at["body"], at["length"], at["record"], at["reverse"])

    @property
    def operands(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The carries' first values, the sequences, the constants."""
        first, second = len(self.body.carries), len(self.body.carries) + len(self.body.xs)
        inputs = self.node.inputs
        return inputs[:first], inputs[first:second], inputs[second:]

    def final(self, number: int) -> Tensor:
        """A carry's last value."""
        return self.layout.final[number].of(self.node)

    def before(self, number: int) -> Tensor:
        """A carry's value before each step, stacked."""
        return self._recorded(number).layout.before[number].of(self._recorded(number).node)  # type: ignore[union-attr]

    def after(self, number: int) -> Tensor:
        """A carry's value after each step, stacked."""
        return self._recorded(number).layout.after[number].of(self._recorded(number).node)  # type: ignore[union-attr]

    def output(self, number: int) -> Tensor:
        """An output of all steps, stacked."""
        return self.layout.outputs[number].of(self.node)

    def _recorded(self, number: int) -> Loop:
        """This loop, or one like it that records the carry too."""
        record: tuple[bool, ...] = self.node.attrs["record"]
        if record[number]:
            return self
        every = (*record[:number], True, *record[number + 1 :])
        with inheriting(self.node.origins):
            return Loop(apply(SCAN, self.node.inputs, self.node.name, **{**self.node.attrs, "record": every}))


def placeholder(name: str, shape: Shape, dtype: DType) -> Tensor:
    """An input of a body."""
    return apply(INPUT, (), name, name=name, shape=shape, dtype=dtype)


def looped(
    carries: Sequence[tuple[Tensor, Tensor]],
    xs: Sequence[tuple[Tensor, Tensor]],
    next: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    length: Dim,
    reverse: bool,
    record: Sequence[bool],
    bound: Mapping[Tensor, Tensor] | None = None,
    name: str | None = None,
) -> Loop:
    """The loop over a step that is given as nodes.

    ``carries`` pairs each placeholder with its first value, ``xs`` each with its sequence; a sequence
    that the step does not read is left out. Of what depends on neither, the largest pieces become
    constants of the loop, computed once; plain numbers stay in the step. ``bound`` says for which
    tensors outside some placeholders in the step stand.
    """
    changing = [p for p, _ in (*carries, *xs)]
    numbers = {p: value for p, value in (bound or {}).items() if value.op is CONSTANT and not value.shape}
    bound = {p: value for p, value in (bound or {}).items() if p not in numbers}
    results = [*next, *outputs]
    if numbers:
        results = substitute(results, {p: p for p in (*changing, *bound)} | numbers)
    order = topological_order(results, stop=[*changing, *bound])
    varying = depends_on(order, changing)
    constants = _invariants(order, varying, results, bound)
    operands = transformed(constants, lambda node: node, bound) if bound else {c: c for c in constants}
    start = dict(zip(changing, changing, strict=True)) | constants
    results = substitute(results, start)
    read = set(topological_order(results, stop=changing))
    kept = [(p, sequence) for p, sequence in xs if p in read]
    body = Body(
        tuple(p for p, _ in carries), tuple(p for p, _ in kept), tuple(constants.values()),
        tuple(results[: len(next)]), tuple(results[len(next) :]),
    )  # fmt: skip
    inputs = (*[v for _, v in carries], *[s for _, s in kept], *[operands[c] for c in constants])
    return Loop(
        apply(SCAN, inputs, name, body=body, length=length, reverse=bool(reverse), record=tuple(record))
    )


def _invariants(
    order: Sequence[Tensor], varying: set[Tensor], results: Sequence[Tensor], bound: Mapping[Tensor, Tensor]
) -> dict[Tensor, Tensor]:
    """The largest nodes that are the same at every step, each with its placeholder."""
    plain: set[Tensor] = set()
    for node in order:
        number = node.op in (CONSTANT, DIMENSION) and not node.shape
        if number or (node.op.name in _NUMBERS_STAY and node.inputs[0] in plain):
            plain.add(node)
    read = [i for node in order if node in varying and node.inputs for i in node.inputs]
    found: dict[Tensor, Tensor] = {}
    for node in (*read, *results):
        if node not in varying and node not in plain and node not in found:
            if node in bound:
                found[node] = node
            else:
                with inheriting(node.origins):
                    found[node] = placeholder(node.name or node.op.name, node.shape, node.dtype)
    return found
