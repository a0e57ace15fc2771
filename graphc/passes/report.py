"""What the passes did, as text: nodes before and after, rules fired, and the difference."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from graphc.ir.printer import text_form
from graphc.passes.pipelines import PassRecord

# A longer graph would make a difference nobody reads; its counts are still given.
_LONGEST = 5_000


def explain(records: Sequence[PassRecord], stats: Mapping[str, Any]) -> str:
    """The report of a compilation."""
    parts = []
    for record in records:
        before, after = len(record.before.nodes), len(record.after.nodes)
        parts.append(f"== {record.name}: {before} nodes -> {after} nodes, {record.seconds * 1e3:.1f} ms")
        parts += [f"   {count} × {what}" for what, count in sorted(record.fired.items())]
        if max(before, after) <= _LONGEST:
            parts += _difference(record)
    seconds = ", ".join(f"{stage} {value * 1e3:.1f}" for stage, value in stats["seconds"].items())
    parts += [f"== measured: {layer}" for layer in stats["tuned"]]
    tiles = f", {stats['regions']} of them regions in tiles" if stats["regions"] else ""
    parts.append(f"== {stats['steps']} steps{tiles}, in {stats['planned_bytes']:,} bytes; ms: {seconds}")
    return "\n".join(parts)


def _difference(record: PassRecord) -> list[str]:
    old, new = text_form(record.before).splitlines(), text_form(record.after).splitlines()
    lines = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
    return [f"   {line}" for line in lines if not line.startswith("@@")]
