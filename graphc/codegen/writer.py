"""One function of the program: a schedule and a plan enter; its statements and those of its buffers leave."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.emitters import EMITTERS, dtype_source, literal_source, slice_source, tuple_source
from graphc.codegen.footprint import Buffer
from graphc.codegen.loops import LoopWriter
from graphc.codegen.memory import Plan
from graphc.codegen.names import Namespace, comment, suggested_name
from graphc.codegen.schedule import Schedule
from graphc.codegen.tiles import RegionWriter
from graphc.codegen.tiling.region import Region
from graphc.codegen.views import is_literal, is_view, owner
from graphc.ir.dimension import Dim, Shape, dim_source, same_shape
from graphc.ir.origin import Location
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor

Line = tuple[str, Tensor | None]
_COMMENT_COLUMN = 72
_MOST_NAMES = 3  # of one buffer on the line that makes it
_INLINE_CONSTANT = 16  # elements of a constant that still stands in the source


@dataclass(eq=False)
class Module:
    """What all functions of a program share; ``functions`` are the lines of those already written."""

    names: Namespace
    symbols: Mapping[str, str]  # the variable of each symbolic size
    places: Mapping[Tensor, int]  # of random draws
    nan_checks: str | None
    constants: list[np.ndarray] = field(default_factory=list)
    constant_names: dict[Tensor, str] = field(default_factory=dict)
    constant_lines: list[str] = field(default_factory=list)
    kernels: dict[str, None] = field(default_factory=dict)
    functions: list[Line] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)  # the names of their functions
    source_lines: dict[Location, str] = field(default_factory=dict)

    def constant(self, node: Tensor) -> str:
        """The variable of a constant array."""
        if node not in self.constant_names:
            self.constant_names[node] = self._define(node)
        return self.constant_names[node]

    def _define(self, node: Tensor) -> str:
        value = node.attrs["value"]
        name = self.names.unique(node.name or "constant")
        if 0 < value.size <= _INLINE_CONSTANT:
            flat = [literal_source(v) for v in value.reshape(-1)]
            text = f"np.array([{', '.join(flat)}], {dtype_source(value.dtype)})"
            if value.ndim != 1:
                text += f".reshape({value.shape})"
        else:
            text = f"constants[{len(self.constants)}]"
            self.constants.append(value)
        self.constant_lines.append(f"{name} = {text}  # {comment(format_type(node))}")
        return name

    def heading(self, step: Tensor) -> str:
        """A comment with the user's line."""
        location = step.location
        line = self.source_lines.get(location)
        if line is None:
            line = linecache.getline(location.filename, location.line).strip()
            self.source_lines[location] = line
        parts = ["/".join(step.scope), step.role if step.role != "forward" else "", location.short, line]
        return comment("# " + " | ".join(p for p in parts if p))


class _At:
    """A step's place in the program (see ``emitters.At``)."""

    def __init__(self, writer: Writer, step: Tensor, out: str, overwritten: int | None) -> None:
        self.writer, self.step, self.out, self.overwritten = writer, step, out, overwritten

    def operand(self, position: int) -> str:
        node = self.step.inputs[position]
        if self.step.op.family == "elementwise":
            while node.op.name == "broadcast_to":  # the statement broadcasts by itself
                node = node.inputs[0]
        if not is_literal(node):
            return self.writer.reference(node)
        partners = [i for i in self.step.inputs if i is not self.step.inputs[position]]
        if any(p.dtype == node.dtype and not is_literal(owner(p)) for p in partners):
            return self.writer.number(node)
        return self.writer.typed_number(node)

    def array(self, position: int) -> str:
        node = self.step.inputs[position]
        return self.writer.typed_number(node) if is_literal(node) else self.writer.reference(node)

    def size(self, size: Dim) -> str:
        return self.writer.size(size)

    def scratch(self, number: int) -> str:
        return self.writer.scratch(self.step, number)

    def place(self) -> int:
        return self.writer.module.places[self.step]

    def where(self) -> str:
        return repr(comment(self.step.location.short))

    def loop(self) -> None:
        LoopWriter(self.writer, self.step, self.out).write()


class Writer:
    """Writes one function; inside a loop, its body, whose nodes have variables of their own."""

    def __init__(
        self, module: Module, schedule: Schedule, plan: Plan, variables: Mapping[Tensor, str]
    ) -> None:
        self.module, self.schedule, self.plan = module, schedule, plan
        self.memory = plan  # of the whole function, also while a loop's body is written
        self.names = module.names
        self.variables = dict(variables)
        self.setup: list[str] = []  # the lines that make the buffers
        self.handed_over: dict[str, None] = {}  # buffers that the function gets, in order
        self.buffers: dict[Buffer, str] = {}  # the first variable that is kept in each
        self.buffer_lines: dict[Buffer, int] = {}  # and its line among those of the setup
        self.scratch_names: dict[tuple[Tensor, int], str] = {}
        self.statements: list[Line] = []
        self.depth = 0  # of loops around what is written
        self.sizes_in_compute = False
        self.writing_setup = False
        self.resident: set[str] = set()  # variables that live in the workspace
        self.added: dict[Tensor, str] = {}  # what is added up as soon as it is there, and to what

    # -- expressions -------------------------------------------------------------------------------
    def size(self, size: Dim) -> str:
        if not isinstance(size, int) and not self.writing_setup:
            self.sizes_in_compute = True
        text = dim_source(size, self.module.symbols)
        return text[1:-1] if text.startswith("(") and text.endswith(")") and text.count("(") == 1 else text

    def shape(self, shape: Shape) -> str:
        return tuple_source([self.size(s) for s in shape]) if shape else "()"

    def number(self, node: Tensor) -> str:
        if node.op.name == "dimension":
            return self.size(node.attrs["value"])
        return literal_source(node.attrs["value"])

    def typed_number(self, node: Tensor) -> str:
        return f"{dtype_source(node.dtype)}({self.number(node)})"

    def reference(self, node: Tensor) -> str:
        """A variable that holds the node's value; views on the way get theirs."""
        known = self.variables.get(node)
        if known is not None:
            if known in self.resident:
                self.handed_over.setdefault(known)
            return known
        chain = []
        while node not in self.variables and is_view(node):
            chain.append(node)
            node = node.inputs[0]
        if node not in self.variables:
            self._define(node)
        for view in reversed(chain):
            self._define_view(view)
        return self.reference(chain[0] if chain else node)

    def _define(self, node: Tensor) -> None:
        """Give a value that is no view its variable."""
        if is_literal(node):
            self.variables[node] = self.typed_number(node)
        elif node.op.name == "constant":
            self.variables[node] = self.module.constant(node)
        elif node.op.name == "arange":
            name = self.variables[node] = self.names.unique(suggested_name(node))
            with _Setup(self):
                self.setup.append(
                    f"{name} = np.arange({self.size(node.shape[0])}, dtype={dtype_source(node.dtype)})"
                )
            self.resident.add(name)
        else:
            self.variables[node] = self.array(self.plan.buffer[node], node.shape, suggested_name(node))

    def array(self, buffer: Buffer, shape: Shape, suggestion: str) -> str:
        """A variable for what is kept in a buffer."""
        name = self.names.unique(suggestion)
        self.resident.add(name)
        with _Setup(self):
            if buffer not in self.buffers:
                self.buffers[buffer] = name
                self.module.kernels.setdefault("view")
                layout = self.memory.layout
                place = f"places[{buffer.number}]" if layout is None else f"{layout[1][buffer.number]:_}"
                text = f"{name} = view(memory, {place}, {self.shape(shape)}, {dtype_source(buffer.dtype)})"
                self.buffer_lines[buffer] = len(self.setup)
            elif same_shape(shape, buffer.shape):
                made = self.buffer_lines[buffer]
                if self.setup[made].count(" = ") < _MOST_NAMES:  # another name of the same
                    self.setup[made] = self.setup[made].replace(" = view(", f" = {name} = view(")
                    return name
                text = f"{name} = {self.buffers[buffer]}"
            else:
                text = f"{name} = {self.buffers[buffer]}.reshape({self.shape(shape)})"
            self.setup.append(text)
        return name

    def memory_lines(self, source: str) -> list[str]:
        """The lines that make the memory of the buffers, by a function of its bytes."""
        if not self.buffers:
            return []
        if self.memory.layout is not None:
            return [f"memory = {source}({self.memory.layout[0]:_})"]
        self.module.kernels.setdefault("packed")
        lines = ["# Of each buffer the first step and the last that need it, and its bytes."]
        lines.append("memory_bytes, places = packed((")
        with _Setup(self):
            for buffer, (first, last, size) in zip(self.memory.buffers, self.memory.spans, strict=True):
                row = f"    ({first}, {last}, {self.size(size)}),"
                lines.append(f"{row.ljust(36)}  # {comment(self.buffers.get(buffer, ''))}".rstrip(" #"))
        return [*lines, "))", f"memory = {source}(memory_bytes)"]

    def handed_array(self, buffer: Buffer, shape: Shape, suggestion: str) -> str:
        """A variable for what is kept in a buffer, ready to be used."""
        name = self.array(buffer, shape, suggestion)
        self.handed_over.setdefault(name)
        return name

    def allocate(self, node: Tensor) -> None:
        """Give a value that is returned new memory at each call."""
        name = self.variables[node] = self.names.unique(suggested_name(node))
        self.emit(f"{name} = np.empty({self.shape(node.shape)}, {dtype_source(node.dtype)})", node)

    def thread_memory(self) -> str:
        """The variable of the threads' memory, which all regions share."""
        name = "thread_memory"
        if name not in self.resident:
            self.module.kernels.setdefault("ThreadMemory")
            self.setup.append(f"{name} = ThreadMemory()")
            self.resident.add(name)
            self.handed_over.setdefault(name)
        return name

    def scratch(self, step: Tensor, number: int) -> str:
        buffer = self.plan.scratch[step][number]
        key = (step, number)
        if key not in self.scratch_names:
            self.scratch_names[key] = self.handed_array(buffer, buffer.shape, "scratch")
        self.handed_over.setdefault(self.scratch_names[key])
        return self.scratch_names[key]

    def _define_view(self, view: Tensor) -> None:
        """A view of a workspace buffer is made once, with the buffer; others at each call."""
        base = self.variables[view.inputs[0]]
        if view.op.name == "stop_gradient":
            self.variables[view] = base
            return
        whose = owner(view)
        always = whose.op.name == "constant" or is_literal(whose)
        self.variables[view] = self._view_variable(
            suggested_name(view), lambda: self._view(view, base), base in self.resident or always, view
        )

    def _view_variable(self, suggestion: str, expression: Callable[[], str], once: bool, node: Tensor) -> str:
        name = self.names.unique(suggestion)
        if once:
            with _Setup(self):
                self.setup.append(f"{name} = {expression()}")
            self.resident.add(name)
        else:
            self.emit(f"{name} = {expression()}", node)
        return name

    def alias(self, suggestion: str, expression: Callable[[], str], base: str, node: Tensor) -> str:
        """A variable for a view of what ``base`` holds, made with it; ready to be used."""
        name = self._view_variable(suggestion, expression, base in self.resident, node)
        if name in self.resident:
            self.handed_over.setdefault(name)
        return name

    def _view(self, view: Tensor, base: str) -> str:
        match view.op.name:
            case "transpose":
                axes = view.attrs["axes"]
                if len(axes) == 2:
                    return f"{base}.T" if axes == (1, 0) else base
                return f"{base}.transpose({axes})"
            case "reshape":
                return f"{base}.reshape({self.shape(view.shape)})"
            case "broadcast_to":
                return f"np.broadcast_to({base}, {self.shape(view.shape)})"
            case "window":
                self.module.kernels.setdefault("window_view")
                a = view.attrs
                return f"window_view({base}, {a['axes']}, {a['size']}, {a['stride']}, {a['dilation']})"
            case "flip":
                parts = ["::-1" if a in view.attrs["axes"] else ":" for a in range(view.ndim)]
                return f"{base}[{', '.join(parts)}]"
            case _:
                attrs = view.attrs
                at = _At(self, view, "", None)
                index = slice_source(at, attrs["start"], attrs["size"], attrs["step"], view.inputs[0].shape)
                return f"{base}[{index or '...'}]"

    # -- statements --------------------------------------------------------------------------------
    def emit(self, text: str, node: Tensor | None, remark: str = "") -> None:
        """Append a statement, with what is worth a comment."""
        text = f"{'    ' * self.depth}{text}"
        if remark:
            text = f"{text.ljust(_COMMENT_COLUMN)}  # {comment(remark)}"
        self.statements.append((text, node))

    @contextmanager
    def inside(self, schedule: Schedule, plan: Plan, variables: dict[Tensor, str]) -> Iterator[None]:
        """While open, the body of a loop is written."""
        kept = self.schedule, self.plan, self.variables, self.scratch_names
        self.schedule, self.plan, self.variables, self.scratch_names = schedule, plan, variables, {}
        self.depth += 1
        yield
        self.depth -= 1
        self.schedule, self.plan, self.variables, self.scratch_names = kept

    def write_steps(self) -> None:
        """The steps of the program or of the body, under the user's lines that they come from."""
        previous: object = None
        for step in self.schedule.steps:
            if isinstance(step, Region):
                RegionWriter(self, step).write()
                previous = None
                continue
            place = (step.scope, step.location, step.role)
            if place != previous:
                self.emit(self.module.heading(step), None)
                previous = place
            self._write_step(step)

    def write_updates(self) -> None:
        """New values that could not be written straight over the old ones."""
        for parameter, new in self.schedule.graph.updates:
            if new not in self.plan.in_parameter:
                self.emit(f"np.copyto({self.variables[parameter]}, {self.reference(new)})", new)

    def _write_step(self, step: Tensor) -> None:
        parameter = self.plan.in_parameter.get(step)
        if parameter is not None:
            self.variables[step] = self.variables[parameter]
        elif step in self.plan.fresh and step not in self.variables:
            self.allocate(step)
        out = self.reference(step)
        emitter = EMITTERS[step.op.name]
        if emitter.kernel is not None:
            self.module.kernels.setdefault(emitter.kernel)
        lines = emitter.lines(_At(self, step, out, self.plan.overwrites.get(step)))
        for k, line in enumerate(lines):
            self.emit(line, step, "" if k else format_type(step))
        if step in self.added:
            place = self.added[step]
            self.emit(f"np.add({place}, {out}, out={place})", step)
        if self.module.nan_checks and step.dtype.kind == "f":
            self.module.kernels.setdefault("check_finite")
            where = repr(comment(step.location.short))
            both = self.module.nan_checks == "inf"
            self.emit(f"check_finite({out}, {step.op.name!r}, {where}, {both})", step)

    def result(self, output: Tensor) -> str:
        whose = owner(output)
        if is_literal(output):
            return self.typed_number(output)
        value = self.reference(output)
        if output.ndim == 0:
            value = f"{value}[()]"
        elif whose not in self.plan.fresh:
            value = f"{value}.copy()"
        if whose.op.name == "parameter":
            name = self.names.unique(f"old_{suggested_name(output)}")
            self.emit(f"{name} = {value}", None)
            return name
        return value


class _Setup:
    """While open, sizes are written for workspace(), which has them as arguments."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def __enter__(self) -> None:
        self.before, self.writer.writing_setup = self.writer.writing_setup, True

    def __exit__(self, *details: object) -> None:
        self.writer.writing_setup = self.before
