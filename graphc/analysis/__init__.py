"""Analysis: a graph enters, what can be told of it without running it leaves.

Needs only nodes and ops, so that layers, engines and pictures may all ask.
"""

from graphc.analysis.fields import ReceptiveField, ReceptiveFields
from graphc.analysis.operations import multiply_adds, operations
from graphc.analysis.receptive_field import receptive_field, receptive_fields

__all__ = [
    "ReceptiveField",
    "ReceptiveFields",
    "multiply_adds",
    "operations",
    "receptive_field",
    "receptive_fields",
]
