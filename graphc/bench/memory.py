"""Memory: a workload and a peer enter, the peak bytes that it takes in a process of its own leave."""

from __future__ import annotations

import gc as garbage
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from graphc.bench.peers import GRAPHC, PEERS, TUNED, Peer
from graphc.bench.workload import Workload

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_CHILD = "from graphc.bench.memory import child; child()"


@dataclass(frozen=True)
class Peak:
    """Peak bytes above what the process held when the library was loaded and the data were made.

    ``first`` until the end of the first call, with whatever compiling took; ``steady`` in the calls after it.
    """

    first: int
    steady: int


def peak_of(workload: Workload, peer: Peer, threads: int, steps: int = 3, small: bool = False) -> Peak:
    """The peak of one peer on one workload, in a fresh process; RuntimeError if it fails."""
    arguments = [workload.name, peer.name, str(threads), str(steps), "small" if small else "full"]
    ran = subprocess.run([sys.executable, "-c", _CHILD, *arguments], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "it was stopped")
    return Peak(**json.loads(ran.stdout.splitlines()[-1]))


def child() -> None:
    """What the fresh process does: prints its peaks as JSON."""
    from graphc.bench.workloads import WORKLOADS

    name, peer_name, threads, steps, size = sys.argv[1:]
    workload = WORKLOADS[name]
    peer = next(p for p in (GRAPHC, TUNED, *PEERS) if p.name == peer_name)
    with threadpool_limits(int(threads), "blas"):
        peer.limit(int(threads))
        data = workload.data(size == "small")
        garbage.collect()
        _forget_peak()
        before = _peak_bytes()
        step = peer.prepare(workload, data, workload.rate)
        del data  # a peer with arrays of its own need not pay for both
        step()
        first = _peak_bytes()
        _forget_peak()
        for _ in range(int(steps)):
            step()
        steady = _peak_bytes()
    print(json.dumps({"first": first - before, "steady": steady - before}))


def _peak_bytes() -> int:
    """The most memory this process had resident.

    Linux keeps in ``ru_maxrss`` what the process that started this one had: there, the kernel's own record.
    """
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _forget_peak() -> None:
    """Let the peak begin anew from what is held now, where the system can do that."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")
