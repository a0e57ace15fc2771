"""A loop in the program: a loop's step and the plan of its body enter; a plain ``for`` statement leaves.

The body's buffers belong to the workspace and are made once. What a step computes is written straight
into its place in the packed results where it can be: a recorded carry is read at slot t and written at
slot t + 1 of one array, so that nothing is copied from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.codegen.names import suggested_name
from graphc.codegen.views import is_literal, owner
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor
from graphc.ops.loop import Loop
from graphc.ops.loop_layout import Part

if TYPE_CHECKING:
    from graphc.codegen.writer import Writer


class LoopWriter:
    """Writes one loop; ``packed`` is the variable of its results."""

    def __init__(self, writer: Writer, step: Tensor, packed: str) -> None:
        self.writer, self.step, self.packed = writer, step, packed
        self.loop = Loop(step)
        self.body = self.loop.body
        self.record: tuple[bool, ...] = step.attrs["record"]
        self.reverse: bool = step.attrs["reverse"]
        self.schedule, self.plan = writer.schedule.loops[step], writer.plan.loops[step]

    def write(self) -> None:
        """Append the loop to the program's statements."""
        writer, body = self.writer, self.body
        starts, sequences, constants = self.loop.operands
        read = set(self.schedule.order)
        carried = [
            self._part(part, f"{c.name}_steps" if recorded else c.name or "carry")
            for c, part, recorded in zip(body.carries, self.loop.layout.whole, self.record, strict=True)
        ]
        stacks = [
            self._part(part, o.name or "stacked")
            for o, part in zip(body.outputs, self.loop.layout.outputs, strict=True)
        ]
        for name, carry, recorded, start in zip(carried, body.carries, self.record, starts, strict=True):
            first = self._slot(name, carry, "-1" if self.reverse else "0") if recorded else name
            self._copy(first, start, carry)
        outer = [writer.reference(s) if x in read else "" for x, s in zip(body.xs, sequences, strict=True)]
        variables = {
            p: writer.typed_number(c) if is_literal(c) else writer.reference(c)
            for p, c in zip(body.constants, constants, strict=True)
            if p in read
        }
        length = writer.size(self.step.attrs["length"])
        t = writer.names.unique("t")
        turns = f"reversed(range({length}))" if self.reverse else f"range({length})"
        writer.emit(f"for {t} in {turns}:", self.step)
        early, late = (f"{t} + 1", t) if self.reverse else (t, f"{t} + 1")
        with writer.inside(self.schedule, self.plan, variables):
            for name, carry, recorded in zip(carried, body.carries, self.record, strict=True):
                if not recorded:
                    variables[carry] = name
                elif carry in read:
                    variables[carry] = self._define(carry, f"{name}[{early}]")
            for x, name in zip(body.xs, outer, strict=True):
                if x in read:
                    variables[x] = self._define(x, f"{name}[{t}]")
            slots = [
                (n, self._slot(name, n, late))
                for name, n, recorded in zip(carried, body.next, self.record, strict=True)
                if recorded
            ] + [(o, self._slot(name, o, t)) for name, o in zip(stacks, body.outputs, strict=True)]
            self._write_steps(slots, variables)

    def _write_steps(self, slots: Sequence[tuple[Tensor, str]], variables: dict[Tensor, str]) -> None:
        writer = self.writer
        copies = []
        for (result, slot), node in zip(slots, self.schedule.graph.outputs, strict=True):
            if node in self.plan.fresh and node not in variables:
                variables[node] = self._define(node, slot, suggested_name(node))
            else:
                copies.append((result, slot))
        before = len(writer.statements)
        writer.write_steps()
        for result, slot in copies:
            self._copy(slot, result, result)
        writer.write_updates()
        if len(writer.statements) == before:
            writer.emit("pass", None)

    def _part(self, part: Part, suggestion: str) -> str:
        """A variable for a piece of the packed results."""
        shape = self.writer.shape
        size = self.writer.size

        places = f"{size(part.start)}:{size(part.start + part.size)}"
        expression = f"{self.packed}[{places}].reshape({shape(part.shape)})"
        return self.writer.alias(suggestion, expression, self.packed, self.step)

    def _slot(self, name: str, node: Tensor, index: str) -> str:
        """One element along the first axis of a stack, to be written: an array also where it is a number."""
        return f"{name}[{index}]" if node.ndim else f"{name}[{index}, ...]"

    def _define(self, node: Tensor, expression: str, suggestion: str | None = None) -> str:
        name = self.writer.names.unique(suggestion or node.name or "x")
        self.writer.emit(f"{name} = {expression}", node, format_type(node))
        return name

    def _copy(self, target: str, value: Tensor, node: Tensor) -> None:
        base = owner(value)
        if is_literal(base):
            text = f"{target}.fill({self.writer.number(base)})"
        else:
            text = f"np.copyto({target}, {self.writer.reference(value)})"
        self.writer.emit(text, node)
