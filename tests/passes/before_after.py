"""Small graphs as text: outputs enter a pass, the text form of what leaves is compared."""

from collections import Counter
from collections.abc import Mapping
from textwrap import dedent

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import Pass


def check_text(
    step: Pass,
    inputs: list[gc.Tensor],
    outputs: list[gc.Tensor],
    before: str,
    after: str,
    updates: Mapping[gc.Tensor, gc.Tensor] | None = None,
) -> Counter[str]:
    """Assert both texts; return what the pass counted."""
    graph = Graph(tuple(inputs), tuple(outputs), tuple((updates or {}).items()))
    assert gc.text_form(graph) == dedent(before).strip()
    fired: Counter[str] = Counter()
    changed = step(graph, fired)
    Verifier().verify(changed, step.name)
    assert gc.text_form(changed) == dedent(after).strip()
    assert gc.text_form(graph) == dedent(before).strip(), "the pass changed its argument"
    return fired
