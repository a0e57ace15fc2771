"""All workloads, in the order in which they run."""

from graphc.bench.workload import Workload
from graphc.bench.workloads.dilated import DILATED
from graphc.bench.workloads.lenet import LENET
from graphc.bench.workloads.resblock import RESBLOCK
from graphc.bench.workloads.transposed import TRANSPOSED

WORKLOADS: dict[str, Workload] = {w.name: w for w in (LENET, RESBLOCK, DILATED, TRANSPOSED)}
