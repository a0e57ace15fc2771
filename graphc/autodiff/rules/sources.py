"""Nodes without inputs: a derivative may be asked by them, and none passes through them."""

from __future__ import annotations

from graphc.autodiff.rule import Rule, not_differentiable
from graphc.ir.op import Op
from graphc.ops import sources as s

_LEAF = "it has no inputs"

RULES: dict[Op, Rule] = {op: not_differentiable(_LEAF) for op in s.OPS}
