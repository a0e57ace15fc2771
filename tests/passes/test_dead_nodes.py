"""What does nothing leaves."""

from collections import Counter

import graphc as gc
from graphc.ir.build import apply
from graphc.ir.graph import Graph
from graphc.ops import REGISTRY
from graphc.passes.dead_nodes import DeadNodes
from tests.passes.before_after import check_text


def _ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes]


def test_casts_to_the_same_dtype_leave() -> None:
    """The declaration drops such casts itself; a rewrite may make one."""
    x = gc.input("x", (3,))
    cast = apply(REGISTRY["astype"], (x,), dtype=x.dtype)
    fired = check_text(
        DeadNodes(),
        [x],
        [gc.exp(gc.stop_gradient(cast))],
        """
        x : float32[3] = input
        %1 : float32[3] = astype(x, dtype=float32)
        %2 : float32[3] = stop_gradient(%1)
        %3 : float32[3] = exp(%2)
        return %3
        """,
        """
        x : float32[3] = input
        %1 : float32[3] = exp(x)
        return %1
        """,
    )
    assert fired == {"astype": 1, "stop_gradient": 1}


def test_identities_and_updates_to_itself_leave() -> None:
    p, q = gc.parameter("p", (2,)), gc.parameter("q", (2,))
    fired: Counter[str] = Counter()
    after = DeadNodes()(Graph((), (gc.stop_gradient(p) * 2.0,), ((p, p), (q, q + 1.0))), fired)
    assert "stop_gradient" not in _ops(after)
    assert [parameter.name for parameter, _ in after.updates] == ["q"]
    assert fired == {"stop_gradient": 1, "update to itself": 1}
