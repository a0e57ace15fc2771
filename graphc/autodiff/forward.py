"""Forward mode: tensors and their tangents enter, the tangents of the outputs leave.

One walk from the inputs towards the outputs.

Source: Wengert 1964; Griewank & Walther, *Evaluating Derivatives*, chapter 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.autodiff.pieces import fitted, total
from graphc.autodiff.reverse import differentiable_paths, rule_of, walked
from graphc.autodiff.rule import ForwardWalks, JointRule
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor


def forward_sweep(seeds: Mapping[Tensor, Tensor], outputs: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """The tangent of each output that moves with the tensors of ``seeds``, which holds their tangents.

    One of these that depends on another moves by its own seed and with the other: the transpose of
    what reverse mode does.
    """
    order = walked(outputs, seeds)
    active = differentiable_paths(order, seeds)
    tangents: dict[Tensor, Tensor] = {}
    for node in order:
        if node not in active:
            continue
        parts = [seeds[node]] if node in seeds else []
        if not parts or len(seeds) > 1:
            moved = [tangents.get(i) for i in node.inputs]
            if any(tangent is not None for tangent in moved):
                with inheriting(node.origins, role="tangent"):
                    rule = rule_of(node.op)
                    if isinstance(rule, JointRule):
                        part = rule.tangent(node, moved, _WALKS)
                    else:
                        part = rule.jvp(node, moved)
                    if part is not None:
                        parts.append(fitted(part, node))
        if parts:
            with inheriting(node.origins, role="tangent"):
                tangents[node] = total(parts)
    return {output: tangents[output] for output in outputs if output in tangents}


_WALKS = ForwardWalks(forward_sweep, differentiable_paths)
