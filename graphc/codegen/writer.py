"""One function of the program: a schedule and a plan enter; its statements and those of its buffers leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate

from graphc.codegen.emitters import EMITTERS
from graphc.codegen.footprint import Buffer
from graphc.codegen.loops import LoopWriter
from graphc.codegen.memory import Plan
from graphc.codegen.module import Line, Module
from graphc.codegen.names import comment, suggested_name
from graphc.codegen.schedule import Schedule
from graphc.codegen.text import dtype_source, literal_source, slice_source, tuple_source
from graphc.codegen.tiles import RegionWriter
from graphc.codegen.tiling.region import Region
from graphc.codegen.views import is_literal, is_view, owner
from graphc.ir.dimension import Dim, Shape, dim_source, same_shape
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor

_COMMENT_COLUMN = 72
_MOST_NAMES = 3  # of one buffer on the line that makes it
_TABLE_WIDTH = 106  # of the lines of spans that are packed


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

    def filled(self, shape: Shape, value: float) -> str:
        return self.writer.module.filled(shape, value, self.step.dtype)

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
        self.buffers: dict[Buffer, str] = {}  # the first variable that is kept in each
        # Of an expression in the setup its line and variables.
        self.made: dict[str, tuple[int, list[str]]] = {}
        self.scratch_names: dict[tuple[Tensor, int], str] = {}
        self.statements: list[Line] = []
        self.depth = 0  # of loops around what is written
        self.resident: set[str] = set()  # variables that are made once, with the buffers
        self.counted: Schedule | None = None
        self.uses: Counter[Tensor] = Counter()  # of the nodes of that schedule
        self.added: dict[Tensor, str] = {}  # what is added up as soon as it is there, and to what

    # -- expressions -------------------------------------------------------------------------------
    def size(self, size: Dim) -> str:
        text = dim_source(size, self.module.symbols)
        return text[1:-1] if _in_brackets(text) else text

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
            return known
        chain = []
        while node not in self.variables and is_view(node):
            chain.append(node)
            node = node.inputs[0]
        if node not in self.variables:
            self._define(node)
        base = text = self.variables[node]
        for view in reversed(chain):
            text = self._view(view, text)
            if view is chain[0] or self._uses(view) > 1:
                if text != base:
                    text = self._define_view(view, text, base)
                self.variables[view] = base = text
        return text

    def _define(self, node: Tensor) -> None:
        """Give a value that is no view its variable."""
        if is_literal(node):
            self.variables[node] = self.typed_number(node)
        elif node.op.name == "constant":
            self.variables[node] = self.module.constant(node)
        elif node.op.name == "arange":
            name = self.variables[node] = self.names.unique(suggested_name(node))
            self.setup.append(
                f"{name} = np.arange({self.size(node.shape[0])}, dtype={dtype_source(node.dtype)})"
            )
            self.resident.add(name)
        else:
            self.variables[node] = self.array(self.plan.buffer[node], node.shape, suggested_name(node))

    def array(self, buffer: Buffer, shape: Shape, suggestion: str) -> str:
        """A variable for what is kept in a buffer."""
        if buffer in self.buffers and not same_shape(shape, buffer.shape):
            return self._set_up(suggestion, f"{self.buffers[buffer]}.reshape({self.shape(shape)})")
        self.module.kernels.setdefault("view")
        layout = self.memory.layout
        place = f"places[{buffer.number}]" if layout is None else f"{layout[1][buffer.number]:_}"
        text = f"view(memory, {place}, {self.shape(shape)}, {dtype_source(buffer.dtype)})"
        name = self._set_up(suggestion, text)
        self.buffers.setdefault(buffer, name)
        return name

    def _set_up(self, suggestion: str, expression: str) -> str:
        """A variable that is made with the buffers: a line of its own, a name more on the line of the same.

        Where there are enough names there, it is the first of them.
        """
        line, names = self.made.setdefault(expression, (len(self.setup), []))
        if len(names) == _MOST_NAMES:
            return names[0]
        name = self.names.unique(suggestion)
        names.append(name)
        self.resident.add(name)
        self.setup[line : line + 1] = [" = ".join([*names, expression])]
        return name

    def memory_lines(self, source: str) -> list[str]:
        """The lines that make the memory of the buffers, by a function of its bytes."""
        if not self.buffers:
            return []
        if self.memory.layout is not None:
            return [f"memory = {source}({self.memory.layout[0]:_})"]
        self.module.kernels.setdefault("packed")
        lines = [
            "# Of each buffer the first step and the last that need it, and its bytes.",
            "memory_bytes, places = packed((",
        ]
        row = "   "
        for first, last, size in self.memory.spans:
            span = f" ({first}, {last}, {self.size(size)}),"
            if len(row) + len(span) > _TABLE_WIDTH:
                lines.append(row)
                row = "   "
            row += span
        return [*lines, row, "))", f"memory = {source}(memory_bytes)"]

    def allocate(self, node: Tensor) -> None:
        """Give a value that is returned new memory at each call."""
        name = self.variables[node] = self.names.unique(suggested_name(node))
        self.emit(f"{name} = {self._empty(node)}", node)

    def _empty(self, node: Tensor) -> str:
        return f"np.empty({self.shape(node.shape)}, {dtype_source(node.dtype)})"

    def thread_memory(self) -> str:
        """The variable of the threads' memory, which all regions share."""
        name = "thread_memory"
        if name not in self.resident:
            self.module.kernels.setdefault("ThreadMemory")
            self.setup.append(f"{name} = ThreadMemory()")
            self.resident.add(name)
        return name

    def scratch(self, step: Tensor, number: int) -> str:
        buffer = self.plan.scratch[step][number]
        key = (step, number)
        if key not in self.scratch_names:
            self.scratch_names[key] = self.array(buffer, buffer.shape, "scratch")
        return self.scratch_names[key]

    def _uses(self, view: Tensor) -> int:
        if self.counted is not self.schedule:
            self.counted, self.uses = self.schedule, Counter(i for n in self.schedule.order for i in n.inputs)
        return self.uses[view]

    def _define_view(self, view: Tensor, text: str, base: str) -> str:
        """A view of a workspace buffer is made once, with the buffer; others at each call."""
        whose = owner(view)
        once = base in self.resident or whose.op.name == "constant" or is_literal(whose)
        return self._view_variable(suggested_name(view), text, once, view)

    def _view_variable(self, suggestion: str, expression: str, once: bool, node: Tensor) -> str:
        if once:
            return self._set_up(suggestion, expression)
        name = self.names.unique(suggestion)
        self.emit(f"{name} = {expression}", node)
        return name

    def alias(self, suggestion: str, expression: str, base: str, node: Tensor) -> str:
        """A variable for a view of what ``base`` holds, made with it."""
        return self._view_variable(suggestion, expression, base in self.resident, node)

    def _view(self, view: Tensor, base: str) -> str:
        match view.op.name:
            case "stop_gradient":
                return base
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
        new = parameter is None and step in self.plan.fresh and step not in self.variables
        if new and step.op.family == "loop":  # its lines are written as they are found
            self.allocate(step)
            new = False
        elif new:
            self.variables[step] = self.names.unique(suggested_name(step))
        out = self.reference(step)
        emitter = EMITTERS[step.op.name]
        if emitter.kernel is not None:
            self.module.kernels.setdefault(emitter.kernel)
        lines = emitter.lines(_At(self, step, out, self.plan.overwrites.get(step)))
        if new:
            lines = _allocating(lines, out, self._empty(step))
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


def _in_brackets(text: str) -> bool:
    """Whether the bracket that opens the text closes at its end."""
    depth = list(accumulate((c == "(") - (c == ")") for c in text))
    return text.startswith("(") and 0 not in depth[:-1]


def _allocating(lines: list[str], out: str, empty: str) -> list[str]:
    """The lines of a step whose result gets new memory: NumPy's functions give back what they write into."""
    if len(lines) == 1:
        head, found, rest = lines[0].partition(f", out={out})")
        if head.startswith("np.") and found and not rest:
            return [f"{out} = {head}, out={empty})"]
    return [f"{out} = {empty}", *lines]
