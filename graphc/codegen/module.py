"""What the functions of one program share: its constants, its names, and the lines written so far."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.names import Namespace, comment
from graphc.codegen.text import dtype_source, literal_source, tuple_source
from graphc.ir.dimension import Shape
from graphc.ir.dtype import DType
from graphc.ir.origin import Location
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor

Line = tuple[str, Tensor | None]
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
    filled_names: dict[str, str] = field(default_factory=dict)  # by what makes them
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

    def filled(self, shape: Shape, value: float, dtype: DType) -> str:
        """The variable of an array of known sizes that holds one value, and is never written."""
        kind = {0.0: "zeros", 1.0: "ones"}[value]
        text = f"np.{kind}({tuple_source([str(s) for s in shape])}, {dtype_source(dtype)})"
        if text not in self.filled_names:
            self.filled_names[text] = self.names.unique(kind)
            self.constant_lines.append(f"{self.filled_names[text]} = {text}")
        return self.filled_names[text]

    def heading(self, step: Tensor) -> str:
        """A comment with the user's line."""
        location = step.location
        line = self.source_lines.get(location)
        if line is None:
            line = linecache.getline(location.filename, location.line).strip()
            self.source_lines[location] = line
        parts = ["/".join(step.scope), step.role if step.role != "forward" else "", location.short, line]
        return comment("# " + " | ".join(p for p in parts if p))
