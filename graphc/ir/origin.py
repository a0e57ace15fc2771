"""Where a node comes from: the user's scope and source line, and which engine made it.

The state lives in context variables, so threads and coroutines that build graphs do not disturb
each other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Literal

from graphc.errors import GraphError

Role = Literal["forward", "backward", "tangent", "update"]

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"
# The demo is written as a user would write it: its own lines are the ones to show.
_WRITTEN_AS_USER = _PACKAGE + "demo/"


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the user's source."""

    filename: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line} in {self.function}"

    @property
    def short(self) -> str:
        """File name without folders, and line."""
        return f"{Path(self.filename).name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Origin:
    """One user-level source of a node."""

    scope: tuple[str, ...]
    location: Location
    role: Role = "forward"


_scope: ContextVar[tuple[str, ...]] = ContextVar("graphc_scope", default=())
_inherited: ContextVar[tuple[Origin, ...] | None] = ContextVar("graphc_inherited", default=None)
_locations: dict[tuple[CodeType, int], Location] = {}


def user_location() -> Location:
    """The innermost line that is not graphc's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) or name.startswith(_WRITTEN_AS_USER):
            break
        frame = frame.f_back
    key = (frame.f_code, frame.f_lineno)
    found = _locations.get(key)
    if found is None:
        found = Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        _locations[key] = found
    return found


def current_scope() -> tuple[str, ...]:
    """The names of the scopes that are open, outermost first."""
    return _scope.get()


def current_origins() -> tuple[Origin, ...]:
    """What a node built now records: the inherited origins, else the open scope and the user's line."""
    inherited = _inherited.get()
    if inherited is not None:
        return inherited
    return (Origin(_scope.get(), user_location()),)


def qualified(name: str) -> str:
    """The name with the open scopes before it, joined by ``/``."""
    return "/".join((*_scope.get(), name))


class scope:  # noqa: N801  (used as `with gc.scope("block1"):`, a keyword-like name)
    """Name a part of the network: nodes and parameters built inside carry it.

    Scopes nest; a parameter ``w`` built inside ``block1`` is called ``block1/w``, and the drawing
    shows the scope as a cluster.

    >>> import graphc as gc
    >>> with gc.scope("block1"):
    ...     w = gc.parameter("w", (3, 4))
    >>> w.name
    'block1/w'
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise GraphError(
                f"a scope needs a non-empty string as its name, but {name!r} was given",
                op="scope",
                location=user_location(),
                remedy='write e.g. with gc.scope("block1"):',
            )
        self.name = name
        self._tokens: list[Token[tuple[str, ...]]] = []

    def __enter__(self) -> scope:
        self._tokens.append(_scope.set((*_scope.get(), self.name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _scope.reset(self._tokens.pop())


class inheriting:  # noqa: N801  (a context manager, like scope)
    """Nodes built inside take over these origins, each in the given role (None keeps the roles)."""

    __slots__ = ("_origins", "_token")

    def __init__(self, origins: Sequence[Origin], role: Role | None = None) -> None:
        if role is None:
            self._origins = tuple(origins)
        else:
            self._origins = tuple(o if o.role == role else Origin(o.scope, o.location, role) for o in origins)

    def __enter__(self) -> None:
        self._token = _inherited.set(self._origins)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _inherited.reset(self._token)


def merged_origins(*groups: Sequence[Origin], limit: int = 16) -> tuple[Origin, ...]:
    """The union in order of first occurrence; bounded, so that merging a long chain stays linear."""
    found: dict[Origin, None] = {}
    for group in groups:
        for origin in group:
            found.setdefault(origin)
            if len(found) == limit:
                return tuple(found)
    return tuple(found)
