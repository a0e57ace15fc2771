"""Every error graphc raises on purpose: what was seen, which rule it broke, the user's line, the remedy."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphc.ir.origin import Location


class GraphError(ValueError):
    """A graph that cannot be built, differentiated, compiled or called as asked.

    The message reads, line by line: the op and the broken rule with what was seen, the user's file
    and line, the remedy. The parts are kept as attributes for programs that want them.
    """

    def __init__(
        self, message: str, *, remedy: str = "", op: str = "", location: Location | None = None
    ) -> None:
        self.message = message
        self.remedy = remedy
        self.op = op
        self.location = location
        super().__init__(message)

    def located(self, op: str, location: Location | None) -> GraphError:
        """The same error with the op and the user's line filled in where they were still unknown."""
        self.op = self.op or op
        self.location = self.location or location
        return self

    def __str__(self) -> str:
        lines = [f"{self.op}: {self.message}" if self.op else self.message]
        if self.location is not None:
            where = f"  at {self.location}"
            source = linecache.getline(self.location.filename, self.location.line).strip()
            lines.append(f"{where}: {source}" if source else where)
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.message, self.remedy, self.op, self.location)


def _restore(
    kind: type[GraphError], message: str, remedy: str, op: str, location: Location | None
) -> GraphError:
    return kind(message, remedy=remedy, op=op, location=location)


class ShapeError(GraphError):
    """Shapes that do not fit the op, or an array whose shape is not the declared one."""


class DTypeError(GraphError, TypeError):
    """A dtype the op has no meaning for, or an array whose dtype is not the declared one."""


class UnsupportedError(GraphError, NotImplementedError):
    """Something graphc does not do, named, with what to use in its place."""


class DifferentiationError(GraphError):
    """A derivative that does not exist or that no rule states."""


class NonFiniteError(GraphError, ArithmeticError):
    """A NaN or infinity met under ``debug="nan"``, with the node that made it."""
