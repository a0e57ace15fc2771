"""Diagnosis: a network and a point enter, figures of what happens inside it leave."""

from graphc.diagnosis.flow import gradient_flow
from graphc.diagnosis.report import GradientFlow, LayerFlow

__all__ = ["GradientFlow", "LayerFlow", "gradient_flow"]
