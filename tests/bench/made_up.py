"""Results with made-up figures, for the tests of what is done with them."""

from graphc.bench.clock import Timing
from graphc.bench.memory import Peak
from graphc.bench.runner import Failure, Measurement, Result


def made_up(name, times, failures=(), peaks=None, planned=3 << 20):
    """A result of peers' names and seconds turn by turn; graphc's come first."""
    timings = {peer: Timing(tuple(turns), 10 * len(turns)) for peer, turns in times.items()}
    own = timings["graphc"]
    measurements = [Measurement(peer, "1.2", 0.5, t, own.ratio(t)) for peer, t in timings.items()]
    return Result(
        name, f"about {name}", tuple(measurements), tuple(failures), 2e-7, 1e-4, planned, peaks or {}
    )


# graphc takes twice PyTorch's time, half of JAX's; then a quarter and an eighth.
SLOW = made_up(
    "slow",
    {"graphc": [2e-3, 4e-3, 2e-3], "PyTorch": [1e-3, 2e-3, 1e-3], "JAX": [4e-3, 8e-3, 4e-3]},
    peaks={"graphc": Peak(3 << 20, 1 << 20), "PyTorch": Peak(8 << 20, 4 << 20)},
)
FAST = made_up(
    "fast",
    {"graphc": [1e-6, 1e-6, 1e-6], "PyTorch": [8e-6, 8e-6, 8e-6], "JAX": [4e-6, 2e-6, 8e-6]},
    failures=[
        Failure("PyTensor", "3.0", "TypeError: [no] such op", disagrees=False),
        Failure("autograd", "1.9", "DisagreementError: x differs", disagrees=True),
    ],
)
ALONE = made_up("alone", {"graphc": [1.0, 1.0]})
