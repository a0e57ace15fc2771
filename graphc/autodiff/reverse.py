"""Reverse mode: outputs and their cotangents enter, the cotangents of the nodes asked for leave.

One walk from the outputs towards the inputs. A node that is asked for may be any tensor, and one may
depend on another: each gets its total derivative.

Source: Linnainmaa 1970; Griewank & Walther, *Evaluating Derivatives*, chapter 3.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from graphc.autodiff.masking import Masking, has_branches
from graphc.autodiff.pieces import as_cotangent, total
from graphc.autodiff.rule import JointRule, ReverseWalks, Rule
from graphc.autodiff.rules import RULES
from graphc.errors import DifferentiationError
from graphc.ir.dtype import is_float
from graphc.ir.op import Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


def rule_of(op: Op) -> Rule:
    """The derivative rule of an op."""
    try:
        return RULES[op]
    except KeyError:
        raise DifferentiationError(
            "no derivative rule is stated", op=op.name, remedy="add one to graphc/autodiff/rules"
        ) from None


def differentiable_paths(order: Iterable[Tensor], wrt: Iterable[Tensor]) -> set[Tensor]:
    """Those nodes of a topological order that a derivative reaches from ``wrt``, these included."""
    reached = set(wrt)
    for node in order:
        if (
            node not in reached
            and is_float(node.dtype)
            and any(i in reached for i in node.inputs)
            and rule_of(node.op).flows
        ):
            reached.add(node)
    return reached


def walked(outputs: Iterable[Tensor], wrt: Iterable[Tensor]) -> list[Tensor]:
    """The nodes a sweep has to look at, inputs before users.

    Below a single tensor there is nothing to see; below one of several another of them may lie.
    """
    wrt = tuple(dict.fromkeys(wrt))
    return topological_order(outputs, stop=wrt if len(wrt) == 1 else ())


def masked_nodes(
    seeds: Mapping[Tensor, Tensor], wrt: Sequence[Tensor], masked: Collection[Tensor]
) -> set[Tensor]:
    """Those of ``wrt`` that only masked cotangents reach, ``masked`` telling which of the seeds are."""
    order = topological_order(seeds)
    active = differentiable_paths(order, wrt)
    masking = Masking(order, seeds, masked)
    reached, wanted = set(seeds), set(wrt)
    found = set()
    for node in reversed(order):
        if node not in active or node not in reached:
            continue
        if node in wanted and masking.is_masked(node):
            found.add(node)
        masking.enter(node)
        inside = has_branches(node, rule_of)
        for index, operand in enumerate(node.inputs):
            if operand in active:
                masking.descend(node, index, rule_of(node.op), inside)
                reached.add(operand)
    return found


def reverse_sweep(
    seeds: Mapping[Tensor, Tensor], wrt: Sequence[Tensor], masked: Collection[Tensor] = ()
) -> dict[Tensor, Tensor]:
    """The cotangent of each tensor of ``wrt`` that a derivative reaches.

    ``seeds`` holds outputs and their cotangents, ``masked`` those of the outputs whose cotangents came
    through a ``where``. Each node built carries the scope and line of the forward node that it stands for.
    """
    order = walked(seeds, wrt)
    active = differentiable_paths(order, wrt)
    contributions: dict[Tensor, list[Tensor]] = {output: [seed] for output, seed in seeds.items()}
    masking = Masking(order, seeds, masked)
    wanted = set(wrt)
    found: dict[Tensor, Tensor] = {}
    for node in reversed(order):
        if node not in active or node not in contributions:
            continue
        parts = contributions.pop(node)
        rule = rule_of(node.op)
        zeros_win = masking.enter(node)
        with inheriting(node.origins, role="backward"):
            cotangent = total(parts)
            if node in wanted:
                found[node] = cotangent
                if len(wanted) == 1:
                    break
            asked = [operand in active for operand in node.inputs]
            owed, inside = _cotangents(rule, node, cotangent, asked, zeros_win)
            for index, (operand, part) in enumerate(zip(node.inputs, owed, strict=True)):
                if part is None:
                    continue
                masking.descend(node, index, rule, index in inside)
                contributions.setdefault(operand, []).append(as_cotangent(part, operand))
    return found


def _cotangents(
    rule: Rule, node: Tensor, cotangent: Tensor, wanted: Sequence[bool], zeros_win: bool
) -> tuple[list[Tensor | None], set[int]]:
    """What each wanted operand is owed: from one call of a rule that gives all, else operand by operand.

    And the operands whose cotangents were masked inside the op.
    """
    if isinstance(rule, JointRule):
        return rule.cotangents(node, cotangent, wanted, zeros_win, _WALKS)
    owed = [rule.vjp(node, cotangent, k, zeros_win) if asked else None for k, asked in enumerate(wanted)]
    return owed, set()


_WALKS = ReverseWalks(reverse_sweep, masked_nodes, differentiable_paths)
