"""The command ``graphc bench``: its options enter, tables and figures leave."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from graphc.bench.deep_networks import deep_rows
from graphc.bench.depth import depth_rows
from graphc.bench.engines import engine_rows
from graphc.bench.network import compile_seconds, steady_bytes, step_rows
from graphc.bench.neuron import neuron_rows
from graphc.bench.peers import Peer, installed_peers
from graphc.bench.report import Report
from graphc.bench.runner import checked_small, measured
from graphc.bench.workload import Workload
from graphc.bench.workloads import WORKLOADS


def _chosen(names: str) -> list[Workload]:
    unknown = [name for name in names.split(",") if name not in WORKLOADS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no workload {unknown[0]!r}: there are {', '.join(WORKLOADS)}")
    return [WORKLOADS[name] for name in names.split(",")]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables; ``--smoke`` takes seconds and only shows that it runs."""
    parser = argparse.ArgumentParser(prog="graphc bench", description=main.__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--peers", action="store_true", help="measure installed peers in the same run")
    parser.add_argument(
        "--work", type=_chosen, metavar="NAMES", help=f"only these workloads, of {','.join(WORKLOADS)}"
    )
    parser.add_argument("--threads", type=_positive, default=2, help="threads for each library (default: 2)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="seconds each library is timed on a workload (default: 3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file too")
    options = parser.parse_args(argv)
    report = Report(Console())
    peers = installed_peers() if options.peers else []
    if options.smoke:  # PyTorch, where it is installed, is the check
        peers = [p for p in installed_peers() if p.name == "PyTorch" or p in peers]
    with threadpool_limits(options.threads, "blas"):
        report.environment(options.threads)
        for peer in peers:
            peer.limit(options.threads)
        if options.work is None:
            _compiler_tables(report, smoke=options.smoke, peers=options.peers)
        works = options.work or list(WORKLOADS.values())
        if options.smoke:
            _agreement_table(report, works, peers)
        else:
            for work in works:
                report.workload(measured(work, peers, options.seconds))
    if options.json is not None:
        report.write(options.json)
    return 0


def _compiler_tables(report: Report, smoke: bool, peers: bool) -> None:
    rows = depth_rows((1_000, 10_000) if smoke else (1_000, 10_000, 100_000))
    stages = ["build", "grad", "compile", "draw", "total"]
    report.table(
        "depth", "µs a node of a chain", ["length", "nodes", *stages, "total / shortest"],
        [[r["length"], r["nodes"], *(r[s] for s in stages), r["total"] / rows[0]["total"]] for r in rows],
    )  # fmt: skip
    seconds, by_stage = compile_seconds(3 if smoke else 15)
    report.table(
        "compile", "ms to declare, differentiate and compile the step of a 784–512–256–10 network",
        ["total", *by_stage], [[seconds * 1e3, *(v * 1e3 for v in by_stage.values())]],
    )  # fmt: skip
    report.table(
        "deep", "s to build, differentiate and compile", ["", "nodes", "build", "grad", "compile", "total"],
        [list(row) for row in deep_rows(10 if smoke else 100)],
    )  # fmt: skip
    report.table(
        "engines", "The symbolic engine beside reverse mode: s to derive, ms to run a compiled gradient",
        ["", "parameters", "mode", "residue", "derive", "(reverse)", "run", "(reverse)", "ratio"],
        [list(row) for row in engine_rows(smoke)],
    )  # fmt: skip
    neuron = neuron_rows(peers)
    report.table(
        "neuron", "µs a call of σ(wx + b) with its gradient, on floats", ["", "µs", "ratio"],
        [[n, v, v / neuron[0][1]] for n, v in neuron],
    )  # fmt: skip
    steps = step_rows()
    report.table(
        "step", "ms a training step of 784–512–256–10, batch 256", ["", "ms", "ratio"],
        [[n, v, v / steps[0][1]] for n, v in steps],
    )  # fmt: skip
    report.line("steady_bytes", "bytes allocated by a training step in steady state", steady_bytes())


def _agreement_table(report: Report, works: Sequence[Workload], peers: Sequence[Peer]) -> None:
    against = ", ".join(["the interpreter", *(f"{p.name} {p.version}" for p in peers)])
    report.table(
        "agreement", "Small workloads: graphc against the rest", ["", "against", "differs by"],
        [[work.name, against, checked_small(work, peers)] for work in works],
    )  # fmt: skip
