"""``graphc bench``: what the compiler costs and what its functions cost, measured side by side.

Every figure is printed with what it was measured against in the same process; absolute times do not
carry over to another machine. ``depth``, ``neuron`` and ``network`` measure the compiler itself;
``workloads`` are computations that peers run too: each a ``Workload``, which ``peers`` prepares,
``agreement`` checks and ``runner`` times.
"""

from graphc.bench.command import main

__all__ = ["main"]
