"""The command ``graphc bench``: its options enter, tables and figures leave."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from graphc.bench.ablation import ablated
from graphc.bench.deep_networks import deep_rows
from graphc.bench.depth import depth_rows
from graphc.bench.engines import engine_rows
from graphc.bench.memory import Peak, peak_of
from graphc.bench.network import compile_seconds, steady_bytes, step_rows
from graphc.bench.peers import GRAPHC, NUMPY, PEERS, PYTORCH, TUNED, Peer, installed_peers
from graphc.bench.plot import plot
from graphc.bench.report import Report
from graphc.bench.runner import Result, checked_small, measured
from graphc.bench.workload import Workload
from graphc.bench.workloads import WORKLOADS

_CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def _chosen(names: str) -> list[Workload]:
    unknown = [name for name in names.split(",") if name not in WORKLOADS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no workload {unknown[0]!r}: there are {', '.join(WORKLOADS)}")
    return [WORKLOADS[name] for name in names.split(",")]


def _chosen_peers(names: str) -> list[Peer]:
    known = {peer.name.replace(" ", "-").lower(): peer for peer in PEERS}
    wanted = names.lower().split(",")
    for name in wanted:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no peer {name!r}: there are {', '.join(known)}")
        if not known[name].is_installed:
            package = known[name].package
            raise argparse.ArgumentTypeError(f"{name} is not installed here: pip install {package}")
    return [known[name] for name in wanted]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphc bench", description=main.__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument(
        "--peers", nargs="?", type=_chosen_peers, const=None, default=[], metavar="NAMES",
        help="measure installed peers in the same run: all, or those named",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=_chosen, metavar="NAMES", help=f"only these workloads, of {','.join(WORKLOADS)}"
    )
    parser.add_argument("--threads", type=_positive, default=2, help="threads for each library (default: 2)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="seconds each library is timed on a workload (default: 3)"
    )
    parser.add_argument(
        "--clock", choices=_CLOCKS, default="wall",
        help="what a call is timed by: the time that passes, or the seconds of all processors, which other "
        "work on the machine disturbs less",
    )  # fmt: skip
    parser.add_argument(
        "--memory", action="store_true", help="also the peak memory of each peer, in a process of its own"
    )
    parser.add_argument(
        "--ablation", action="store_true", help="time the workloads without each pass of the compiler"
    )
    parser.add_argument(
        "--tune", action="store_true",
        help="also graphc with the algorithms of convolutions by measurement, as one more peer",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file too")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the ratios to a file (.png, .svg, .pdf)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables; ``--smoke`` takes seconds and only shows that it runs.

    The exit code is 1 where a peer computes other numbers than graphc.
    """
    options = _parser().parse_args(argv)
    # A file or a pipe has no width, and 80 columns are too few for a row with memory.
    report = Report(Console(width=None if sys.stdout.isatty() else 130))
    peers = installed_peers() if options.peers is None else options.peers
    if options.smoke:  # what is at hand is the check: it compiles nothing
        peers = [p for p in installed_peers() if p in (PYTORCH, NUMPY) or p in peers]
    if options.tune:
        peers = [TUNED, *peers]
    results: list[Result] = []
    with threadpool_limits(options.threads, "blas"):
        report.environment(options.threads, peers, options.clock)
        for peer in peers:
            peer.limit(options.threads)
        works = options.work or list(WORKLOADS.values())
        if options.ablation:
            seconds = 0.02 if options.smoke else options.seconds
            bar = tqdm(works, desc="workloads", leave=False, disable=None)
            report.ablation([ablated(work, seconds, options.smoke) for work in bar])
        else:
            if options.work is None:
                _compiler_tables(report, smoke=options.smoke)
            if options.smoke:
                _agreement_table(report, works, peers)
            else:
                results = _workload_tables(report, works, peers, options)
    if options.json is not None:
        report.write(options.json)
    if options.plot is not None:
        plot(results, options.plot)
    return int(any(failure.disagrees for result in results for failure in result.failures))


def _workload_tables(
    report: Report, works: Sequence[Workload], peers: Sequence[Peer], options: argparse.Namespace
) -> list[Result]:
    results = []
    for work in works:
        result = measured(work, peers, options.seconds, _CLOCKS[options.clock])
        if options.memory:
            result = replace(result, peaks=_peaks(report, work, result, peers, options.threads))
        report.workload(result)
        results.append(result)
    report.summary(results)
    return results


def _peaks(
    report: Report, work: Workload, result: Result, peers: Sequence[Peer], threads: int
) -> dict[str, Peak]:
    """The peak memory of all that were timed."""
    timed, peaks = {m.peer for m in result.measurements}, {}
    for peer in (GRAPHC, *peers):
        if peer.name in timed:
            try:
                peaks[peer.name] = peak_of(work, peer, threads)
            except RuntimeError as error:
                report.console.print(f"the memory of {peer.name} is not known: {error}", markup=False)
    return peaks


def _compiler_tables(report: Report, smoke: bool) -> None:
    rows = depth_rows((1_000, 3_000) if smoke else (1_000, 10_000, 100_000))
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
