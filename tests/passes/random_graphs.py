"""Random graphs for property tests: hypothesis enters; inputs, an output and arrays leave.

All functions are bounded and sums are halved, so that neither values nor derivatives grow without limit and
rounding is not amplified. Sizes are 1, 3 and the symbolic N.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.dimension import same_shape

SHAPES: tuple[tuple[int | str, ...], ...] = (("N", 3), (3, 3), (1, 3), ("N", 1), (3,), ("N",), ())
SMOOTH = (gc.tanh, gc.sigmoid, gc.sin, gc.negative, gc.softplus, gc.stop_gradient)
KINKED = (gc.relu, gc.abs)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A random graph and arguments for it."""

    inputs: list[gc.Tensor]
    output: gc.Tensor
    size: int
    seed: int

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        shapes = [[s if isinstance(s, int) else self.size for s in i.shape] for i in self.inputs]
        return [rng.uniform(-1.5, 1.5, shape) for shape in shapes]


def _compatible(draw: st.DrawFn, nodes: list[gc.Tensor], a: gc.Tensor) -> gc.Tensor:
    """A node that broadcasts with a; a itself where the drawn one does not."""
    b = nodes[draw(st.integers(0, len(nodes) - 1))]
    try:
        gc.add(a, b)
    except GraphError:
        return a
    return b


def _combined(draw: st.DrawFn, a: gc.Tensor, b: gc.Tensor, kinks: bool) -> gc.Tensor:
    kinds: list[Callable[[gc.Tensor, gc.Tensor], gc.Tensor]] = [
        lambda p, q: (p + q) * 0.5,
        lambda p, q: (p - q) / 2.0,
        lambda p, q: gc.tanh(p * q),
        lambda p, q: p / (1.0 + q * q),
        lambda p, q: gc.tanh((p * 0.5) * (0.25 * q)) * (1.0 - p * 0.125),
    ]
    if kinks:
        kinds += [gc.maximum, gc.minimum, lambda p, q: gc.where(p > q, p, q)]
    return draw(st.sampled_from(kinds))(a, b)


def _reduced(draw: st.DrawFn, a: gc.Tensor, kinks: bool) -> gc.Tensor:
    if a.ndim == 0:
        return gc.tanh(a)
    axis, keep = draw(st.integers(0, a.ndim - 1)), draw(st.booleans())
    kinds = [
        gc.mean,
        gc.logsumexp,
        lambda x, axis, keepdims: (x - x.mean(axis=axis, keepdims=True)).sum(axis=axis, keepdims=keepdims),
        lambda x, axis, keepdims: gc.tanh(gc.square(x) * 0.5).sum(axis=axis, keepdims=keepdims),
        lambda x, axis, keepdims: (x * gc.tanh(x)).sum(axis=axis, keepdims=keepdims) * 0.3,
        lambda x, axis, keepdims: gc.tanh(gc.sum(x, axis=axis, keepdims=keepdims)),
    ]
    if kinks:
        kinds += [gc.max, gc.min]
    return gc.tanh(draw(st.sampled_from(kinds))(a, axis=axis, keepdims=keep))


def _rearranged(draw: st.DrawFn, a: gc.Tensor) -> gc.Tensor:
    """Views and copies that keep the elements, or some of them, twice or in another order."""
    if a.ndim == 0:
        return gc.broadcast_to(a, (1, 3))
    kinds: list[Callable[[gc.Tensor], gc.Tensor]] = [
        lambda x: gc.transpose(gc.reshape(gc.transpose(x), tuple(reversed(x.shape)))),
        lambda x: x[::-1],
        lambda x: x[:1],
        lambda x: x[-1],
        lambda x: gc.expand_dims(x, 0) if x.ndim == 1 else gc.reshape(x, (-1,)),
        lambda x: gc.softmax(x, axis=-1),
    ]
    if isinstance(a.shape[0], int):
        kinds.append(lambda x: gc.take(x, [0, -1, 0], axis=0))
        kinds.append(lambda x: gc.concatenate([x, x * 0.5], axis=0)[1::2])
    if a.ndim == 2:
        kinds.append(lambda x: gc.tanh((x @ x.T) @ x))
        kinds.append(lambda x: gc.softmax((x @ x.T) * 0.3, axis=-1) @ x)
        kinds.append(lambda x: gc.tanh(gc.einsum("ab,cb->ca", x, x)).sum(axis=0, keepdims=True) * 0.1)
    return draw(st.sampled_from(kinds))(a)


@st.composite
def graphs(draw: st.DrawFn, *, kinks: bool = True, most: int = 60) -> Drawn:
    """A graph of 5 to ``most`` draws; ``kinks=False`` leaves out what has no derivative everywhere."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=2, max_size=4))
    inputs = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(shapes)]
    nodes = list(inputs)
    for _ in range(draw(st.integers(5, most))):
        a = nodes[draw(st.integers(0, len(nodes) - 1))]
        match draw(st.integers(0, 6)):
            case 0 | 1:
                node = draw(st.sampled_from((*SMOOTH, *KINKED) if kinks else SMOOTH))(a)
            case 2 | 3:
                node = _combined(draw, a, _compatible(draw, nodes, a), kinks)
            case 4:
                number = draw(st.sampled_from(NUMBERS))
                node = draw(st.sampled_from((a * number, number + a, a - number, gc.tanh(a * number))))
            case 5:
                node = _reduced(draw, a, kinks)
            case _:
                node = _rearranged(draw, a)
        if node.ndim <= 2:
            nodes.append(gc.tanh(node) if draw(st.integers(0, 3)) == 0 else node)
    # Every input counts, and so do some nodes that nothing else uses.
    ends = [*inputs, nodes[-1], *nodes[-1 - draw(st.integers(0, 3)) :]]
    output = ends[0].sum()
    for end in ends[1:]:
        output = output + (end.sum() if end.ndim else end) * 0.5
    assert same_shape(output.shape, ())
    return Drawn(inputs, output, draw(st.sampled_from((1, 2, 5))), draw(st.integers(0, 2**16)))
