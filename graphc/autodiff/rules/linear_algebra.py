"""Derivatives of products of tensors: bilinear, so each adjoint is another product.

Below a ``where`` the cotangent of a matrix product is zero for whole rows or columns that were not
taken; the matching rows or columns of the other operand may hold NaN, and 0 · NaN is NaN. So there
the other operand is read as zero wherever every cotangent that it would multiply is zero.
"""

from __future__ import annotations

from graphc.autodiff.pieces import broadcast_to, expand_axes, reshape, sum_over, transpose, unbroadcast
from graphc.autodiff.rule import Linear, Rule
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, element_count, same, simplified
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops.einsum_equation import LETTERS
from graphc.ops.elementwise import equal, logical_and, multiply, not_equal, where
from graphc.ops.linear_algebra import EINSUM, MATMUL
from graphc.ops.reductions import ANY
from graphc.ops.shape import EMBED
from graphc.ops.sources import arange


# -- zeros that win ----------------------------------------------------------------------------------
def _seen(other: Tensor, term: str, cotangent: Tensor, output: str) -> Tensor:
    """``other`` where any cotangent that it multiplies is not zero, else 0."""
    gone = tuple(axis for axis, letter in enumerate(output) if letter not in term)
    alive = not_equal(cotangent, 0)
    if gone:
        alive = apply(ANY, (alive,), axis=gone, keepdims=False)
    kept = [letter for letter in output if letter in term]
    # One axis of `alive` for each axis of `other`; a letter that the result lacks was summed: size 1.
    places = [kept.index(letter) for letter in dict.fromkeys(term) if letter in kept]
    alive = transpose(alive, tuple(places))
    sizes = dict(zip([kept[p] for p in places], alive.shape, strict=True))
    seen: set[str] = set()
    shape: list[Dim] = []
    for letter in term:
        shape.append(sizes.get(letter, 1) if letter not in seen else 1)
        seen.add(letter)
    return where(reshape(alive, tuple(shape)), other, 0.0)


# -- matmul ----------------------------------------------------------------------------------------
def _matmul_terms(x: Tensor, y: Tensor) -> tuple[str, str, str]:
    """Letters of the axes of x, y and x @ y: r rows, k summed, c columns, the rest batch axes.

    A batch axis of size 1 that broadcasts has a letter of its own, which the result does not have.
    """
    batch = [c for c in LETTERS if c not in "rkc"]
    rank = max(x.ndim, y.ndim, 2) - 2
    names = batch[:rank]
    x_batch = names[rank - max(x.ndim - 2, 0) :]
    y_batch = names[rank - max(y.ndim - 2, 0) :]
    rows = "r" if x.ndim > 1 else ""
    columns = "c" if y.ndim > 1 else ""
    return (
        "".join(x_batch) + rows + "k",
        "".join(y_batch) + "k" + columns,
        "".join(names) + rows + columns,
    )


def _seen_in_matmul(node: Tensor, cotangent: Tensor, index: int) -> Tensor:
    """The operand that is not ``index``, read as zero where no cotangent meets it."""
    x, y = node.inputs
    *terms, output = _matmul_terms(x, y)
    other, term = node.inputs[1 - index], terms[1 - index]
    if any(
        not same(other.shape[axis], node.shape[output.index(letter)])
        for axis, letter in enumerate(term)
        if letter in output
    ):  # a batch axis that broadcasts: give the operand its full batch first
        other = broadcast_to(other, (*node.shape[: node.ndim - _matrix_axes(node)], *other.shape[-2:]))
        term = output[: node.ndim - _matrix_axes(node)] + term[-2:]
    return _seen(other, term, cotangent, output)


def _matrix_axes(node: Tensor) -> int:
    x, y = node.inputs
    return (x.ndim > 1) + (y.ndim > 1)


def _flipped(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _matmul(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    x, y = node.inputs
    other = _seen_in_matmul(node, cotangent, index) if masked else node.inputs[1 - index]
    wanted = node.inputs[index]
    if x.ndim == 1 and y.ndim == 1:
        return multiply(cotangent, other)
    if index == 0:
        return _matmul_by_left(wanted, other, cotangent)
    return _matmul_by_right(wanted, other, cotangent)


def _matmul_by_left(x: Tensor, y: Tensor, cotangent: Tensor) -> Tensor:
    if y.ndim == 1:  # (…, r, k) @ (k,): an outer product
        return multiply(expand_axes(cotangent, (cotangent.ndim,)), y)
    if x.ndim == 1 and y.ndim == 2:  # (k,) @ (k, c)
        return apply(MATMUL, (y, cotangent))
    g = expand_axes(cotangent, (cotangent.ndim - 1,)) if x.ndim == 1 else cotangent
    full = apply(MATMUL, (g, _flipped(y)))
    if x.ndim == 1:  # (…, 1, k)
        return sum_over(full, tuple(range(full.ndim - 1)))
    return unbroadcast(full, x.shape)


def _matmul_by_right(y: Tensor, x: Tensor, cotangent: Tensor) -> Tensor:
    if x.ndim == 1:  # (k,) @ (…, k, c): an outer product
        return multiply(expand_axes(x, (1,)), expand_axes(cotangent, (cotangent.ndim - 1,)))
    if y.ndim <= 2 and x.ndim >= 2:  # one matrix for all rows: join the batch axes with the rows
        rows = simplified(element_count(x.shape[:-1]))
        joined = reshape(x, (rows, x.shape[-1]))
        if y.ndim == 1:
            return apply(MATMUL, (reshape(cotangent, (rows,)), joined))
        return apply(MATMUL, (_flipped(joined), reshape(cotangent, (rows, y.shape[-1]))))
    return unbroadcast(apply(MATMUL, (_flipped(x), cotangent)), y.shape)


# -- einsum ----------------------------------------------------------------------------------------
def _einsum(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    """The operand's letters become the result's, the cotangent takes the operand's place.

    Letters that nothing else has were summed out alone: the cotangent is the same for all of them.
    Letters that the operand has twice read a diagonal: the cotangent is written on that diagonal.
    """
    left, output = node.attrs["equation"].split("->")
    terms = left.split(",")
    operand, own = node.inputs[index], terms[index]
    others = [
        (_seen(x, term, cotangent, output) if masked else x, term)
        for number, (x, term) in enumerate(zip(node.inputs, terms, strict=True))
        if number != index
    ]
    letters = "".join(dict.fromkeys(own))
    available = set(output).union(*(term for _, term in others))
    known = "".join(c for c in letters if c in available)
    equation = f"{','.join((output, *(term for _, term in others)))}->{known}"
    result = apply(EINSUM, (cotangent, *(x for x, _ in others)), equation=equation)
    sizes = dict(zip(own, operand.shape, strict=True))
    if known != letters:
        result = reshape(result, tuple(sizes[c] if c in available else 1 for c in letters))
        result = broadcast_to(result, tuple(sizes[c] for c in letters))
    return result if letters == own else _on_diagonal(result, letters, own, sizes)


def _on_diagonal(x: Tensor, letters: str, term: str, sizes: dict[str, Dim]) -> Tensor:
    """x, of distinct letters, written on the diagonal that a term with repeated letters names."""
    grouped = "".join(c for letter in letters for c in letter * term.count(letter))
    for letter in letters:
        copies = term.count(letter)
        if copies > 1:
            x = _spread(x, grouped.index(letter), copies, sizes[letter])
    # `grouped` and `term` hold the same letters: the n-th copy of one is the n-th copy of the other.
    place = {letter: grouped.index(letter) for letter in letters}
    axes = []
    for letter in term:
        axes.append(place[letter])
        place[letter] += 1
    return transpose(x, tuple(axes))


def _spread(x: Tensor, axis: int, copies: int, size: Dim) -> Tensor:
    """An axis of n elements as the diagonal of ``copies`` axes of n."""
    shape = (*x.shape[:axis], *(size,) * copies, *x.shape[axis + 1 :])
    if not isinstance(size, int):
        spread = expand_axes(x, tuple(range(axis + 1, axis + copies)))
        return where(_all_equal(axis, copies, size, len(shape)), spread, 0.0)
    # In C order the diagonal of n × n is every (n + 1)-th element: no mask is needed.
    step = sum(size**k for k in range(copies))
    flat = (*x.shape[:axis], size**copies, *x.shape[axis + 1 :])
    start = (0,) * x.ndim
    steps = tuple(step if a == axis else 1 for a in range(x.ndim))
    return reshape(apply(EMBED, (x,), shape=flat, start=start, step=steps), shape)


def _all_equal(axis: int, copies: int, size: Dim, rank: int) -> Tensor:
    """Where the indices on ``copies`` neighbouring axes are equal."""

    def along(a: int) -> Tensor:
        return reshape(arange(size), tuple(size if b == a else 1 for b in range(rank)))

    conditions = [equal(along(axis), along(axis + k)) for k in range(1, copies)]
    result = conditions[0]
    for condition in conditions[1:]:
        result = logical_and(result, condition)
    return result


RULES: dict[Op, Rule] = {
    MATMUL: Linear(_matmul),
    EINSUM: Linear(_einsum),
}
