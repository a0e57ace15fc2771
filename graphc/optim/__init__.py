"""Symbolic update rules: a loss enters, new values of parameters and of the optimiser's state leave."""

from graphc.optim import schedules
from graphc.optim.adam import Adam, Adamax, AdamW, NAdam
from graphc.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from graphc.optim.optimizer import Optimizer
from graphc.optim.rules import SGD, AdaDelta, AdaGrad, RMSProp
from graphc.optim.schedules import (
    cosine_decay,
    exponential_decay,
    inverse_sqrt,
    inverse_time_decay,
    linear_warmup,
    piecewise_constant,
    step_decay,
)

__all__ = [
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RMSProp",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "cosine_decay",
    "exponential_decay",
    "global_norm",
    "inverse_sqrt",
    "inverse_time_decay",
    "linear_warmup",
    "piecewise_constant",
    "schedules",
    "step_decay",
]
