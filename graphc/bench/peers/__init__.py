"""Peers: a workload's form and data enter, a call that computes it with its gradients leaves.

One file a library; each says whether it is installed and how it is held to a number of threads. graphc is
one of them.
"""

from graphc.bench.peers.autograd import AUTOGRAD
from graphc.bench.peers.casadi import CASADI
from graphc.bench.peers.jax import JAX
from graphc.bench.peers.numpy import NUMPY
from graphc.bench.peers.own import GRAPHC, TUNED, planned_bytes, source_of
from graphc.bench.peers.peer import Peer, Step, arrays_of
from graphc.bench.peers.pytensor import PYTENSOR
from graphc.bench.peers.pytorch import PYTORCH, TORCH_COMPILE

__all__ = [
    "GRAPHC",
    "NUMPY",
    "PEERS",
    "PYTORCH",
    "TUNED",
    "Peer",
    "Step",
    "arrays_of",
    "installed_peers",
    "planned_bytes",
    "source_of",
]

PEERS: tuple[Peer, ...] = (PYTORCH, TORCH_COMPILE, JAX, PYTENSOR, AUTOGRAD, NUMPY, CASADI)


def installed_peers() -> list[Peer]:
    """The peers that can be measured here."""
    return [peer for peer in PEERS if peer.is_installed]
