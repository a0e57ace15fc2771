"""An emitter: how the statements of one op are written, and what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from graphc.ir.dimension import Dim, Shape
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor


class At(Protocol):
    """A step's place in the program: how to write its operands, its result and its sizes."""

    step: Tensor
    out: str
    overwritten: int | None

    def operand(self, position: int) -> str:
        """The operand as an expression: a variable, a view, or a literal."""

    def array(self, position: int) -> str:
        """The operand as an expression that is an array, never a Python number."""

    def size(self, size: Dim) -> str:
        """A size as an expression."""

    def scratch(self, number: int) -> str:
        """The variable of a scratch array."""

    def filled(self, shape: Shape, value: float) -> str:
        """The variable of an array of the step's dtype that holds one value for good."""

    def place(self) -> int:
        """The number of a random draw in its graph."""

    def where(self) -> str:
        """The user's line, as a string literal."""

    def loop(self) -> None:
        """Write the step as a loop over the steps of its body."""


Lines = Callable[[At], list[str]]
Positions = Callable[[Tensor], tuple[int, ...]]
Scratch = Callable[[Tensor], list[tuple[Shape, DType]]]


def _nothing(step: Tensor) -> tuple[int, ...]:
    return ()


@dataclass(frozen=True)
class Emitter:
    """How one op is written."""

    lines: Lines
    overwrites: Positions = _nothing
    scratch: Scratch = lambda step: []
    kernel: str | None = None  # the name of a function of codegen.kernels that the lines call
