"""Expression swell: a family of functions by depth enters; the size of each one's derivatives leaves.

A derivative written out as one formula grows exponentially with depth where the function uses a value
twice, though neither the function nor its derivative as a graph does: A. Griewank, A. Walther,
*Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 1; A. Baydin et al., "Automatic differentiation in
machine learning: a survey", JMLR 18 (2018), table 1 and figure 2.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from graphc import autodiff, symbolic
from graphc.compare.costs import tree_size
from graphc.compare.figures import COLOURS, write
from graphc.compare.plot import logarithm, powers_of_ten
from graphc.compare.table import aligned, count, seconds
from graphc.errors import GraphError
from graphc.ir.graph import Graph
from graphc.ir.structure import flatten
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run

Build = Callable[[int], tuple[Tensor, Any]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The nodes of one function and of its derivatives; None where the symbolic engine did not come so far.

    ``function`` counts the function's own graph, ``written_out`` its formula. Of the derivatives,
    ``symbolic_tree`` counts the closed form written out, ``symbolic`` the same with what is equal shared,
    ``reverse`` reverse mode's graph; ``…_optimised`` what the compiler's default passes leave of each. Every
    graph holds the function too. ``ended`` says why the symbolic engine stopped.
    """

    depth: int
    function: int
    written_out: int
    symbolic_tree: int | None
    symbolic: int | None
    symbolic_optimised: int | None
    reverse: int
    reverse_tree: int
    reverse_optimised: int | None
    symbolic_seconds: float | None
    reverse_seconds: float
    ended: str = ""


@dataclass(frozen=True, eq=False)
class Swell:
    """How the size of a derivative grows with depth: a row of ``Sizes`` for each."""

    rows: tuple[Sizes, ...]
    budget: int

    @property
    def ended(self) -> str:
        """Why the symbolic engine stopped, and at which depth; empty where it did not."""
        return next((f"depth {r.depth}: {r.ended}" for r in self.rows if r.ended), "")

    def table(self) -> str:
        """The sizes as aligned text, a row for each depth."""
        header = ["depth", "function", "written out", "symbolic tree", "symbolic", "optimised", "reverse",
                  "optimised", "derive symbolic", "derive reverse"]  # fmt: skip
        rows = [
            [str(r.depth), count(r.function), count(r.written_out), count(r.symbolic_tree), count(r.symbolic),
             count(r.symbolic_optimised), count(r.reverse), count(r.reverse_optimised),
             seconds(r.symbolic_seconds), seconds(r.reverse_seconds)]
            for r in self.rows
        ]  # fmt: skip
        text = aligned(header, rows)
        return f"{text}\nthe symbolic engine ended at {self.ended}" if self.ended else text

    def to_dict(self) -> dict[str, Any]:
        """The rows as plain dicts, with the budget."""
        return {"budget": self.budget, "rows": [asdict(r) for r in self.rows]}

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw sizes against depth into an image file, whose ending chooses the format.

        Raises UnsupportedError where Matplotlib (the extra ``plot``) is not installed.
        """
        write(lambda: _drawn(self), path, "Swell.plot", "swell.table()")

    def __str__(self) -> str:
        return self.table()


def expression_swell(
    build: Build, depths: Iterable[int], *, budget: int = 20_000, optimise: bool = True, **options: Any
) -> Swell:
    """The size of a derivative by depth: as a formula written out, as symbolic graph, by reverse mode.

    ``build(depth)`` gives a 0-dimensional float tensor and what to differentiate by (a tensor, or a
    tuple, list or dict of them). Trees are counted without being built. Where the symbolic derivative
    has more than ``budget`` nodes, or the engine refuses, deeper ones are left out: the report says why.
    ``optimise=False`` leaves out the sizes behind the compiler's passes. ``options`` go to
    ``symbolic.grad``, such as ``mode``.

    >>> import graphc as gc
    >>> def logistic(depth):
    ...     value = x = gc.input("x", (), "float64")
    ...     for _ in range(depth):
    ...         value = 4 * value * (1 - value)
    ...     return value, x
    >>> swell = gc.compare.expression_swell(logistic, [1, 2, 3], optimise=False)
    >>> [row.symbolic_tree for row in swell.rows], [row.reverse for row in swell.rows]
    ([...], [...])
    """
    if "budget" in inspect.signature(symbolic.grad).parameters:
        options = {"budget": budget, **options}
    rows: list[Sizes] = []
    ended = False
    for depth in depths:
        y, wrt = build(depth)
        sizes = _reverse(depth, y, wrt, optimise)
        if not ended:
            sizes = _symbolic(sizes, y, wrt, budget, optimise, options)
            ended = bool(sizes.ended)
        rows.append(sizes)
    return Swell(tuple(rows), budget)


def _reverse(depth: int, y: Tensor, wrt: Any, optimise: bool) -> Sizes:
    start = perf_counter()
    gradients = _leaves(autodiff.grad(y, wrt))
    derived = perf_counter() - start
    return Sizes(
        depth=depth,
        function=len(topological_order([y])),
        written_out=tree_size([y]),
        symbolic_tree=None,
        symbolic=None,
        symbolic_optimised=None,
        reverse=len(topological_order(gradients)),
        reverse_tree=tree_size(gradients),
        reverse_optimised=_optimised(gradients) if optimise else None,
        symbolic_seconds=None,
        reverse_seconds=derived,
    )


def _symbolic(
    sizes: Sizes, y: Tensor, wrt: Any, budget: int, optimise: bool, options: dict[str, Any]
) -> Sizes:
    start = perf_counter()
    try:
        gradients = _leaves(symbolic.grad(y, wrt, **options).result)
    except GraphError as error:
        return replace(sizes, ended=error.message)
    derived = perf_counter() - start
    nodes = len(topological_order(gradients))
    over = f"{nodes} nodes are over the budget of {budget}" if nodes > budget else ""
    return replace(
        sizes,
        symbolic_tree=tree_size(gradients),
        symbolic=nodes,
        symbolic_optimised=_optimised(gradients) if optimise and not over else None,
        symbolic_seconds=derived,
        ended=over,
    )


def _leaves(gradients: Any) -> list[Tensor]:
    leaves, _ = flatten(gradients, "expression_swell")
    return list(leaves)


def _optimised(outputs: Sequence[Tensor]) -> int:
    inputs = tuple(n for n in topological_order(outputs) if n.op.name == "input")
    graph, _ = run(Graph(inputs, tuple(outputs), ()), PIPELINES["default"], Verifier())
    return len(graph.nodes)


def _drawn(swell: Swell) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    series = (
        ("symbolic, written out as a formula", [r.symbolic_tree for r in swell.rows], "o-", COLOURS[1]),
        ("symbolic graph", [r.symbolic for r in swell.rows], "D-", COLOURS[0]),
        ("reverse mode's graph", [r.reverse for r in swell.rows], "^-", COLOURS[2]),
        ("reverse mode, optimised", [r.reverse_optimised for r in swell.rows], "v:", COLOURS[2]),
        ("the function, written out", [r.written_out for r in swell.rows], "--", "#888888"),
        ("the function's graph", [r.function for r in swell.rows], ":", "#888888"),
    )
    depths = [r.depth for r in swell.rows]
    for label, values, style, colour in series:
        known = [(d, logarithm(v)) for d, v in zip(depths, values, strict=True) if v is not None]
        if known:
            size = 8 if style == "D-" else 4  # two curves are often one: both are to be seen
            axes.plot(
                *zip(*known, strict=True), style, color=colour, label=label, markersize=size,
                fillstyle="none" if style == "D-" else "full",
            )  # fmt: skip
    axes.set_xlabel("depth")
    axes.set_ylabel("nodes")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    powers_of_ten(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return figure
