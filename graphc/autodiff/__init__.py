"""Automatic differentiation: graphs enter, graphs of their derivatives leave, by sweeps over the graph."""

from graphc.autodiff.chain import Chain, Factor, chain
from graphc.autodiff.conventions import CONVENTIONS, Convention
from graphc.autodiff.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from graphc.autodiff.rules import RULES
from graphc.autodiff.sweeps import SweepCounts, sweep_counts

__all__ = [
    "CONVENTIONS",
    "RULES",
    "Chain",
    "Convention",
    "Factor",
    "SweepCounts",
    "chain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "sweep_counts",
    "value_and_grad",
    "vjp",
]
