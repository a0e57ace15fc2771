"""Loops: the derivative by a loop's packed result enters; that by each of its operands leaves.

A loop is the recurrence h' = f(h, x, c), y = g(h, x, c). With λ the derivative by the carry and ȳ that by an
output, its derivative is the recurrence turned round,

    λ = (∂f/∂h)ᵀ λ' + (∂g/∂h)ᵀ ȳ,   x̄ = (∂f/∂x)ᵀ λ' + (∂g/∂x)ᵀ ȳ,   c̄ = Σ_t (∂f/∂c)ᵀ λ' + (∂g/∂c)ᵀ ȳ,

which is back-propagation through time (Werbos 1990). The step's own derivative is derived by the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add, astype
from graphc.ops.loop import Loop, looped, placeholder
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import filled

Derive = Callable[[Mapping[Tensor, Tensor], Sequence[Tensor]], Mapping[Tensor, Tensor]]
"""Of outputs with their cotangents and nodes, the derivatives by those nodes that have one."""


def loop_cotangents(
    node: Tensor, cotangent: Tensor, wanted: Iterable[int], derive: Derive
) -> dict[int, Tensor]:
    """The derivative by each wanted operand, by its position; one that has none is left out."""
    loop = Loop(node)
    body, at, dtype = loop.body, loop.layout, node.dtype
    chosen = {p for p in wanted if is_float(node.inputs[p].dtype)}
    count, sequences = len(body.carries), len(body.xs)
    later = [placeholder(f"{c.name} later", c.shape, dtype) for c in body.carries]
    seeds: dict[Tensor, Tensor] = {}
    xs = [(c, loop.before(k)) for k, c in enumerate(body.carries)]
    xs += list(zip(body.xs, loop.operands[1], strict=True))
    for number, output in enumerate(body.outputs):
        given = placeholder(f"output {number}", output.shape, dtype)
        xs.append((given, at.outputs[number].of(cotangent)))
        _seed(seeds, output, given)
    for new, lam in zip(body.next, later, strict=True):
        _seed(seeds, new, lam)
    sources = [p for i, p in enumerate(body.placeholders) if i < count or i in chosen]
    found = derive(seeds, sources)

    earlier = []
    for k, carry in enumerate(body.carries):
        value = found.get(carry, _zeros(carry, dtype))
        part = at.before[k]
        if part is not None:
            given = placeholder(f"{carry.name} before", carry.shape, dtype)
            xs.append((given, part.of(cotangent)))
            value = add(value, given)
        earlier.append(astype(value, dtype))
    totals = [p for i, p in enumerate(body.placeholders) if i >= count + sequences and i in chosen]
    sums = [placeholder(f"{p.name} so far", p.shape, dtype) for p in totals]
    steps = [i for i in range(count, count + sequences) if i in chosen]
    outputs = [
        astype(found.get(body.placeholders[i], _zeros(body.placeholders[i], dtype)), dtype) for i in steps
    ]
    back = looped(
        [
            *zip(later, [part.of(cotangent) for part in at.final], strict=True),
            *[(s, _zeros(p, dtype)) for s, p in zip(sums, totals, strict=True)],
        ],
        xs,
        [*earlier, *[_accumulated(s, found.get(p), dtype) for s, p in zip(sums, totals, strict=True)]],
        outputs,
        length=node.attrs["length"],
        reverse=not node.attrs["reverse"],
        record=[False] * (count + len(sums)),
        bound=dict(zip(body.constants, loop.operands[2], strict=True)),
    )
    made = {k: back.final(k) for k in range(count) if k in chosen}
    made |= {position: back.output(number) for number, position in enumerate(steps)}
    positions = [i for i in range(count + sequences, len(body.placeholders)) if i in chosen]
    made |= {position: back.final(count + number) for number, position in enumerate(positions)}
    return {p: astype(v, node.inputs[p].dtype) for p, v in made.items()}


def _seed(seeds: dict[Tensor, Tensor], node: Tensor, given: Tensor) -> None:
    seeds[node] = add(seeds[node], given) if node in seeds else given


def _zeros(like: Tensor, dtype: object) -> Tensor:
    return broadcast_to(filled(0.0, dtype), like.shape)  # type: ignore[arg-type]


def _accumulated(total: Tensor, value: Tensor | None, dtype: object) -> Tensor:
    return total if value is None else add(total, astype(value, dtype))
