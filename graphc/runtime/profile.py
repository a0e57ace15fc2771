"""Where a call's time goes: measured statements enter; tables by line and by scope leave."""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from graphc.analysis.columns import aligned
from graphc.errors import GraphError
from graphc.files import write_atomically
from graphc.ir.origin import Location, Origin
from graphc.ir.printer import printable
from graphc.runtime.profile_page import page

ITSELF = "(the program itself)"


@dataclass(frozen=True)
class Row:
    """A line of the generated source, with its figures of one call.

    ``calls`` is how often it ran (in each tile, in each turn of a loop), ``seconds`` its time, that of all
    threads together; ``read`` and ``written`` are bytes, ``operations`` multiplications and additions of
    products; ``alive`` the bytes of computed values in use while it runs. ``op`` and ``origins`` tell what
    it computes and for which lines of the user's; they are empty for what the program does for itself.
    """

    line: int
    text: str
    function: str
    op: str
    origins: tuple[Origin, ...]
    calls: int
    seconds: float
    share: float
    read: int
    written: int
    operations: int
    alive: int
    memory_share: float

    @property
    def location(self) -> Location | None:
        """The user's line."""
        return self.origins[0].location if self.origins else None

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes of the user's, outermost first."""
        return self.origins[0].scope if self.origins else ()

    @property
    def role(self) -> str:
        """The engine that asked for it: forward, backward, tangent or update."""
        return self.origins[0].role if self.origins else ""

    @property
    def gigabytes_per_second(self) -> float | None:
        """Bytes read and written in its time, where there are any."""
        return _per(self.read + self.written, self.seconds)

    @property
    def gigaflops(self) -> float | None:
        """10⁹ multiplications and additions a second, where it is a product."""
        return _per(self.operations, self.seconds)


@dataclass(frozen=True)
class Part:
    """What a line or a scope of the user's takes of a call; ``role`` says for which engine.

    ``bytes`` are read and written; ``memory_share`` is the largest of its generated lines.
    """

    name: str
    text: str
    role: str
    seconds: float
    share: float
    bytes: float
    operations: float
    memory_share: float


@dataclass(frozen=True)
class Profile:
    """The times of a function's lines, each the least of ``calls`` calls on ``threads`` threads.

    ``seconds`` is the time of a call, ``remains`` what of it no line takes: checking the arguments, giving
    the results their structure, and, on a busy machine, interruptions of every call. ``clock`` is what one
    reading of the clock takes, which the times are free of. ``planned`` are the bytes of the buffers and
    results of a call on one thread. ``numbers`` says that the function computes on plain numbers, and its
    form on arrays was measured.
    """

    rows: tuple[Row, ...]
    calls: int
    threads: int
    seconds: float
    remains: float
    clock: float
    planned: int
    numbers: bool
    source: str

    # -- sums --------------------------------------------------------------------------------------------
    def by_line(self) -> list[Part]:
        """The times of the user's lines, the longest first; roles apart.

        What serves several lines counts for each in equal parts. Raises GraphError for a function that was
        pickled, which has no map to the user's lines.
        """

        def key(origin: Origin) -> tuple[str, str]:
            location = origin.location
            return location.short, linecache.getline(location.filename, location.line).strip()

        return self._by(key)

    def by_scope(self) -> list[Part]:
        """The times of the user's scopes, the longest first; roles apart. Raises as ``by_line`` does."""
        return self._by(lambda origin: ("/".join(origin.scope) or "(no scope)", ""))

    def _by(self, key: Callable[[Origin], tuple[str, str]]) -> list[Part]:
        self._need_origins()
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in self.rows:
            keys = [(*key(o), str(o.role)) for o in row.origins] or [(ITSELF, "", "")]
            for each in keys:
                *sums, memory = found.get(each, [0.0] * 5)
                figures = (row.seconds, row.share, row.read + row.written, row.operations)
                sums = [s + f / len(keys) for s, f in zip(sums, figures, strict=True)]
                found[each] = [*sums, max(memory, row.memory_share)]
        parts = [Part(*names, *figures) for names, figures in found.items()]
        return sorted(parts, key=lambda p: -p.seconds)

    @cached_property
    def heat(self) -> Mapping[tuple[Origin, str], float]:
        """The share of each origin and op: what ``gc.draw(…, heat=profile)`` reads."""
        self._need_origins()
        found: dict[tuple[Origin, str], float] = {}
        for row in self.rows:
            for origin in row.origins:
                key = (origin, row.op)
                found[key] = found.get(key, 0.0) + row.share / len(row.origins)
        return found

    def _need_origins(self) -> None:
        if not any(row.origins for row in self.rows):
            raise GraphError(
                "no line of this function is known to come from a line of the user's", op="profile",
                remedy="a pickled function has lost its graph: profile it where it was compiled; "
                "profile.rows and profile.table() have the generated lines",
            )  # fmt: skip

    # -- forms -------------------------------------------------------------------------------------------
    @property
    def headline(self) -> str:
        """What was measured, in a sentence."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads (times of all added)"
        return (
            f"{_seconds(self.seconds)} a call: the least of {self.calls} on {threads}; "
            f"{_seconds(self.remains)} of it in no line (entry, interruptions); "
            f"{self.clock * 1e9:.0f} ns a reading of the clock, taken off"
            + ("; measured in its form on arrays, for calls with numbers run faster" if self.numbers else "")
        )

    def table(
        self, limit: int | None = 20, *, by: Literal["generated", "line", "scope"] = "generated"
    ) -> str:
        """What takes longest, ``limit`` rows of it (None: all), as text.

        ``by`` is what the rows are: generated lines, the user's lines, or the user's scopes.
        """
        choices: dict[str, Callable[[], Sequence[Row | Part]]] = {
            "generated": lambda: sorted(self.rows, key=lambda r: -r.seconds),
            "line": self.by_line,
            "scope": self.by_scope,
        }
        if by not in choices:
            raise GraphError(
                f"there is no table by {by!r}", op="profile",
                remedy=f"use one of {', '.join(map(repr, choices))}",
            )  # fmt: skip
        every = choices[by]()
        longest = every[:limit]
        rest = sum([r.share for r in every[len(longest) :]])
        more = (
            [f"… and {len(every) - len(longest)} more with {rest:.1%}"] if len(every) > len(longest) else []
        )
        header = HEADER if by == "generated" else PART_HEADER
        cells = [header, *[cells_of(r) if isinstance(r, Row) else part_cells(r) for r in longest]]
        right = range(7 if by == "generated" else 5)
        return "\n".join([self.headline, "", aligned(cells, right=right), *more])

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain data."""
        rows = [
            {
                "line": row.line, "text": row.text, "function": row.function, "op": row.op,
                "location": None if row.location is None else str(row.location), "scope": list(row.scope),
                "role": row.role, "calls": row.calls, "seconds": row.seconds, "share": row.share,
                "read": row.read, "written": row.written, "operations": row.operations,
                "alive": row.alive, "memory_share": row.memory_share,
            }
            for row in self.rows
        ]  # fmt: skip
        return {
            "calls": self.calls, "threads": self.threads, "seconds": self.seconds, "remains": self.remains,
            "clock": self.clock, "planned": self.planned, "numbers": self.numbers, "rows": rows,
        }  # fmt: skip

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """One page that needs nothing from elsewhere: sums, and the generated source with its heat.

        Written to ``path`` if given.
        """
        sections = []
        if any(row.origins for row in self.rows):
            for title, parts in (("User's lines", self.by_line()), ("Scopes", self.by_scope())):
                sections.append((title, PART_HEADER, [part_cells(part) for part in parts]))
        figures = {row.line: (_seconds(row.seconds), row.share) for row in self.rows}
        text = page(self.headline, sections, self.source, figures)
        if path is not None:
            write_atomically(path, lambda file: file.write(text.encode()))
        return text

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<profile of {len(self.rows)} lines: {_seconds(self.seconds)} a call>"

    def _repr_html_(self) -> str:
        return self.to_html()


# -- cells ---------------------------------------------------------------------------------------------------
HEADER = ["line", "time", "share", "calls", "GB/s", "GFLOP/s", "memory", "op", "user's line", "statement"]


def cells_of(row: Row) -> list[str]:
    """A row of the table as text."""
    where = "" if row.location is None else " ".join([row.location.short, row.role.removeprefix("forward")])
    return [
        str(row.line), _seconds(row.seconds), f"{row.share:.1%}", str(row.calls),
        _figure(row.gigabytes_per_second), _figure(row.gigaflops),
        f"{row.memory_share:.0%}", row.op, printable(where.strip(), 40), printable(row.text, 72),
    ]  # fmt: skip


PART_HEADER = ["time", "share", "GB/s", "GFLOP/s", "memory", "role", "where", "line"]


def part_cells(part: Part) -> list[str]:
    """A line or a scope of the user's as text."""
    return [
        _seconds(part.seconds), f"{part.share:.1%}", _figure(_per(part.bytes, part.seconds)),
        _figure(_per(part.operations, part.seconds)), f"{part.memory_share:.0%}", part.role,
        printable(part.name, 60), printable(part.text, 90),
    ]  # fmt: skip


def _per(amount: float, seconds: float) -> float | None:
    return amount / seconds / 1e9 if amount and seconds > 0 else None


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _seconds(value: float) -> str:
    """A time in the unit that reads best."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if abs(value) * factor >= 1:
            return f"{value * factor:.2f} {unit}"
    return f"{value * 1e6:.1f} µs"
