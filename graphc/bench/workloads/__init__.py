"""All workloads, in the order in which they run."""

from graphc.bench.workload import Workload
from graphc.bench.workloads.attention import ATTENTION
from graphc.bench.workloads.dilated import DILATED
from graphc.bench.workloads.elementwise import ELEMENTWISE
from graphc.bench.workloads.layernorm import LAYERNORM
from graphc.bench.workloads.lenet import LENET, LENET_INFERENCE
from graphc.bench.workloads.logistic import LOGISTIC
from graphc.bench.workloads.lstm import LSTM
from graphc.bench.workloads.mlp import MLP, MLP_SMALL
from graphc.bench.workloads.neuron import NEURON
from graphc.bench.workloads.resblock import RESBLOCK
from graphc.bench.workloads.separable import SEPARABLE
from graphc.bench.workloads.transformer import TRANSFORMER
from graphc.bench.workloads.transposed import TRANSPOSED
from graphc.bench.workloads.unet import UNET
from graphc.bench.workloads.vgg import VGG
from graphc.bench.workloads.wavenet import WAVENET

_ALL = (
    ELEMENTWISE, MLP, MLP_SMALL, LENET, LENET_INFERENCE, RESBLOCK, DILATED, TRANSPOSED, VGG, SEPARABLE, UNET,
    WAVENET, LAYERNORM, ATTENTION, TRANSFORMER, LSTM, LOGISTIC, NEURON,
)  # fmt: skip
WORKLOADS: dict[str, Workload] = {w.name: w for w in _ALL}
