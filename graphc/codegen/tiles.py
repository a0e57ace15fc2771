"""A region in the program: it enters; a function of one tile and the call that runs all tiles are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.codegen.names import comment, suggested_name
from graphc.codegen.overwriting import added_up
from graphc.codegen.text import tuple_lines, tuple_source
from graphc.codegen.tiling.parts import Part
from graphc.codegen.tiling.region import Operand, Region, Result
from graphc.codegen.tiling.sizes import TILE_ROWS
from graphc.ir.dimension import Dim, Shape, symbols_of
from graphc.ir.tensor import Tensor

if TYPE_CHECKING:
    from graphc.codegen.module import Line
    from graphc.codegen.writer import Writer


class RegionWriter:
    """Writes one region as a function that makes a thread's buffers and gives one that computes a tile."""

    def __init__(self, writer: Writer, region: Region) -> None:
        self.writer, self.region, self.module = writer, region, writer.module
        self.schedule, self.plan = writer.schedule.regions[region], writer.plan.regions[region]
        self.name = self.module.names.unique(f"tile{len(self.module.regions) + 1}")
        self.module.regions.append(self.name)
        self.parameters: dict[str, None] = {}  # variables around that the function gets, under their names

    def write(self) -> None:
        """Append the functions to the module and the call to the program's statements."""
        writer, region = self.writer, self.region
        opening: list[str] = []
        targets = [self._target(r) for r in region.results]
        variables = self._operands(opening, targets)
        body = type(writer)(self.module, self.schedule, self.plan, variables)
        for line in opening:
            body.emit(line, None)
        copies: list[tuple[Result, str]] = []
        added = added_up(region)
        for result, target in zip(region.results, targets, strict=True):
            place = self._place(result, target)
            if result.inside in self.plan.fresh and result.inside not in body.variables:
                name = target if result.part else self.module.names.unique(suggested_name(result.inside))
                body.variables[result.inside] = name
                body.emit(f"{name} = {place}", None)
            elif result.inside in added:
                body.added[result.inside] = place
            else:
                copies.append((result, place))
        body.write_steps()
        for result, place in copies:
            body.emit(f"np.copyto({place}, {self._shaped(body, result)})", result.inside)
        sizes = self._sizes()
        self._append(body, sizes)
        self._call(sizes, targets)

    # -- operands and results ------------------------------------------------------------------------
    def _operands(self, opening: list[str], targets: Sequence[str]) -> dict[Tensor, str]:
        """The variables inside of what comes from around; lines that take the rows go to ``opening``."""
        found: dict[Tensor, str] = {}
        taken = {self.writer.reference(o.outside) for o in self.region.operands if o.part is None}
        taken.update(targets)
        renamed: list[str] = []
        kept: list[str] = []
        for operand in self.region.operands:
            name = found[operand.inside] = self.writer.reference(operand.outside)
            self.parameters.setdefault(name)
            if operand.part is None:
                continue
            if name in taken:  # the same array is read in another way too, or written
                found[operand.inside] = self.module.names.unique(f"{name}_rows")
            taken.add(name)
            line = f"{found[operand.inside]} = {self._rows(name, operand.part)}"
            (kept if found[operand.inside] == name else renamed).append(line)
        opening += renamed + kept
        return found

    def _rows(self, name: str, part: Part) -> str:
        first, end = self._times("first_row", part.inner), self._times("end_row", part.inner)
        return f"{name}[{':, ' * part.axis}{first}:{end}]"

    def _times(self, variable: str, factor: Dim) -> str:
        return variable if factor == 1 else f"{variable} * {self.writer.size(factor)}"

    def _target(self, result: Result) -> str:
        """The variable of the array around that the tiles write into."""
        writer, node = self.writer, result.outside
        parameter = writer.plan.in_parameter.get(node)
        if parameter is not None:
            writer.variables[node] = writer.variables[parameter]
        elif node in writer.plan.fresh:
            writer.allocate(node)
        name = writer.reference(node)
        if result.part is None:
            parts = writer.plan.parts[node]
            name = writer.array(parts, parts.shape, f"{name}_parts")
        self.parameters.setdefault(name)
        return name

    def _place(self, result: Result, target: str) -> str:
        """Where a tile's value goes."""
        if result.part is None:
            return f"{target}[lane]" if result.outside.ndim else f"{target}[lane, ...]"
        part = result.part
        if part.outer == 1:
            return self._rows(target, part)
        rows = f"[{':, ' * (part.axis + 1)}first_row:end_row]"
        return f"{target}.reshape({self.writer.shape(self._apart(result))}){rows}"

    def _apart(self, tie: Operand | Result) -> Shape:
        """The shape of a value around with its rows as an axis, where that takes a reshape."""
        part, shape = tie.part, tie.outside.shape
        if part is None or part.outer == 1:
            return ()
        return (*shape[: part.axis], part.outer, self.region.rows, part.inner, *shape[part.axis + 1 :])

    def _shaped(self, body: Writer, result: Result) -> str:
        """A tile's value in the shape of its place."""
        value = body.reference(result.inside)
        part = result.part
        if part is None or part.outer == 1:
            return value
        shape = result.outside.shape
        apart = (*shape[: part.axis], part.outer, self.region.tiles.rows, part.inner, *shape[part.axis + 1 :])
        return f"{value}.reshape({body.shape(apart)})"

    # -- text ----------------------------------------------------------------------------------------
    def _sizes(self) -> dict[str, str]:
        """The symbolic sizes of the body, but for that of the tile, and their variables."""
        used = symbols_of([s for n in self.schedule.order for s in n.shape])
        values = symbols_of([n.attrs["value"] for n in self.schedule.order if n.op.name == "dimension"])
        ties: list[Operand | Result] = [*self.region.operands, *self.region.results]
        around = symbols_of([s for t in ties for s in self._apart(t)])
        around += symbols_of([t.part.inner for t in ties if t.part is not None])
        names = dict.fromkeys(s.name for s in (*used, *values, *around) if s.name != TILE_ROWS)
        return {name: self.module.symbols[name] for name in names}

    def _tile_rows(self) -> str:
        """The rows of a tile in the call."""
        most = self.region.tiles.most
        if isinstance(self.region.rows, int):
            return str(most)
        self.module.kernels.setdefault("tile_rows")
        return f"tile_rows({self.writer.size(self.region.rows)}, {most})"

    def _append(self, body: Writer, sizes: dict[str, str]) -> None:
        rows = self.module.symbols[TILE_ROWS]
        lines: list[Line] = [("", None), ("", None)]
        lines.append((f"def {self.name}({', '.join(['thread', rows, *sizes.values()])}):", None))
        lines.append(
            ('    """The buffers of one thread for so many rows, and the function of a tile."""', None)
        )
        lines += [(f"    {text}", None) for text in (*body.memory_lines("thread.memory"), *body.setup)]
        arguments = ["lane", "first_row", "end_row", *self.parameters]
        lines += [("", None), *[(f"    {text}", None) for text in tuple_lines("def compute", arguments, ":")]]
        lines.append((f'        """Rows first_row to end_row of {comment(str(self.region.rows))}."""', None))
        lines += [(f"        {text}", node) for text, node in body.statements or [("pass", None)]]
        lines.append(("    return compute", None))
        self.module.functions += lines

    def _call(self, sizes: dict[str, str], targets: list[str]) -> None:
        writer, region = self.writer, self.region
        self.module.kernels.setdefault("in_tiles")
        memory = writer.thread_memory()
        given = tuple_source([*sizes.values()]) if sizes else "()"
        call = f"in_tiles({self.name}, {memory}, {writer.size(region.rows)}, {self._tile_rows()}, {given}, "
        even = isinstance(region.tiles.rows, int)
        sums = [(r, t) for r, t in zip(region.results, targets, strict=True) if r.part is None]
        if sums and not even:
            lanes = self.module.names.unique("lanes")
            call = f"{lanes} = {call}"
        remark = f"{region.tiles.count} tiles of {region.tiles.rows} rows" if even else ""
        end = ")"
        if region.lanes is not None:
            end = f", lanes={region.lanes}, sums={tuple_source([parts for _, parts in sums])})"
        for text in tuple_lines(call, [*self.parameters], end):
            writer.emit(text, None, remark)
            remark = ""
        for result, parts in sums:
            node = result.outside
            some = parts if even else f"{parts}[:{lanes}]"
            writer.emit(f"np.add.reduce({some}, axis=0, out={writer.reference(node)})", node)
