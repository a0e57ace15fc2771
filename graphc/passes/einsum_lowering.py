"""Einsum: an equation on any number of operands enters; matrix products, sums and transposes leave.

Three operands or more are contracted pair by pair, in the order opt_einsum finds cheapest (D. G. A. Smith
and J. Gray, "opt_einsum", JOSS 2018). What stays an einsum: a diagonal of one operand, and booleans, whose
sum is a logical or.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import opt_einsum

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, element_count, same_shape, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import astype, multiply
from graphc.ops.linear_algebra import EINSUM, matmul
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import reshape, transpose
from graphc.rewrite.cost import hinted

Term = tuple[Tensor, str]


def lowered_einsum(node: Tensor) -> Tensor:
    """The same value by simpler ops; the node itself where it has no simpler form."""
    left, output = node.attrs["equation"].split("->")
    terms = left.split(",")
    if node.dtype == BOOL:
        return node
    if len(terms) == 1 and len(output) == len(set(terms[0])) < len(terms[0]):
        return node  # a plain diagonal
    operands = [_without_repeats(astype(x, node.dtype), t) for x, t in zip(node.inputs, terms, strict=True)]
    for first, second in _pairs([t for _, t in operands], output, node):
        y, x = operands.pop(second), operands.pop(first)
        rest = set(output).union(*[t for _, t in operands])
        operands.append(_product(_summed(x, rest | set(y[1])), _summed(y, rest | set(x[1])), rest, output))
    value, term = _summed(operands[0], set(output))
    return _transposed(value, term, output)


def _pairs(terms: Sequence[str], output: str, node: Tensor) -> list[tuple[int, int]]:
    """The operands to contract, pair by pair; each product goes to the end of the list."""
    if len(terms) <= 2:
        return [(0, 1)] * (len(terms) - 1)
    sizes = _sizes(node)
    hints = {c: hinted(s) for c, s in sizes.items()}
    shapes = [tuple([hints[c] for c in t]) for t in terms]
    path, _ = opt_einsum.contract_path(f"{','.join(terms)}->{output}", *shapes, shapes=True)
    pairs: list[tuple[int, int]] = []
    count = len(terms)
    for step in path:
        group = sorted(step)
        while len(group) > 1:  # more than two at once are taken two by two
            second, first = group.pop(), group.pop()
            pairs.append((first, second))
            count -= 1
            group = [*[k for k in group if k < first], count - 1] if group else []
    return pairs


def _sizes(node: Tensor) -> dict[str, Dim]:
    terms = node.attrs["equation"].split("->")[0].split(",")
    return {c: s for t, x in zip(terms, node.inputs, strict=True) for c, s in zip(t, x.shape, strict=True)}


def _without_repeats(x: Tensor, term: str) -> Term:
    """Letters that an operand has twice, taken along their diagonal."""
    letters = "".join(dict.fromkeys(term))
    return (x, term) if letters == term else (apply(EINSUM, (x,), equation=f"{term}->{letters}"), letters)


def _summed(operand: Term, kept: set[str]) -> Term:
    """The sum over letters that nothing else needs."""
    x, term = operand
    axes = tuple([a for a, c in enumerate(term) if c not in kept])
    if not axes:
        return operand
    # NumPy widens the sum of small integers; the equation's meaning does not.
    return astype(sum_over(x, axis=axes), x.dtype), "".join([c for c in term if c in kept])


def _transposed(x: Tensor, term: str, wanted: Iterable[str]) -> Tensor:
    axes = tuple([term.index(c) for c in wanted])
    return x if axes == tuple(range(x.ndim)) else transpose(x, axes)


def _reshaped(x: Tensor, sizes: Sequence[Dim]) -> Tensor:
    return x if same_shape(x.shape, sizes) else reshape(x, tuple(sizes))


def _product(x: Term, y: Term, rest: set[str], output: str) -> Term:
    """Two operands as one: a batched matrix product, or a product of elements where nothing is summed."""
    sizes = dict(zip(x[1] + y[1], x[0].shape + y[0].shape, strict=True))
    summed = [c for c in x[1] if c in y[1] and c not in rest]
    if not summed:
        order = sorted(sizes, key=lambda c: output.find(c) % (len(output) + 1))
        wide = [
            _reshaped(_transposed(t, term, [c for c in order if c in term]),
                      [sizes[c] if c in term else 1 for c in order])
            for t, term in (x, y)
        ]  # fmt: skip
        return multiply(*wide), "".join(order)
    batch = [c for c in x[1] if c in y[1] and c in rest]
    rows, columns = ([c for c in t[1] if c not in summed and c not in batch] for t in (x, y))
    if rows and columns and output.find(columns[0]) < output.find(rows[0]):
        x, y, rows, columns = y, x, columns, rows  # so that the result has the order that is wanted
    lead = [sizes[c] for c in batch]
    left = _reshaped(
        _transposed(*x, [*batch, *rows, *summed]), [*lead, _count(rows, sizes), _count(summed, sizes)]
    )
    right = _reshaped(
        _transposed(*y, [*batch, *summed, *columns]), [*lead, _count(summed, sizes), _count(columns, sizes)]
    )
    letters = [*batch, *rows, *columns]
    return _reshaped(matmul(left, right), [sizes[c] for c in letters]), "".join(letters)


def _count(letters: Sequence[str], sizes: dict[str, Dim]) -> Dim:
    return simplified(element_count([sizes[c] for c in letters]))
