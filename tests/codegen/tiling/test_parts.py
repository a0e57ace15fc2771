"""What rows of an op need, by brute force: computed from that alone they equal the rows of the whole."""

from collections.abc import Mapping

import numpy as np
import pytest

from graphc.codegen.tiling.parts import WHOLE, Part, attrs_for, needs
from graphc.ir.body import resolved
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops import REGISTRY
from graphc.ops.loop import placeholder
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES

Array = np.ndarray
SEEN: set[str] = set()


def rows_of(value: Array, part: Part, rows: int, chosen: slice) -> Array:
    """The rows of a value, by the definition of a part."""
    a = part.axis
    apart = value.reshape(*value.shape[:a], part.outer, rows, part.inner, *value.shape[a + 1 :])
    taken = apart[(slice(None),) * (a + 1) + (chosen,)]
    size = part.outer * taken.shape[a + 1] * part.inner
    return taken.reshape(*value.shape[:a], size, *value.shape[a + 1 :])


def splits(shape: tuple[int, ...]) -> list[tuple[Part, int]]:
    """Every way to see an axis as outer · rows · inner with more than one row."""
    found = []
    for axis, size in enumerate(shape):
        for outer in range(1, size + 1):
            for inner in range(1, size // outer + 1):
                rows, left = divmod(size, outer * inner)
                if left == 0 and rows > 1:
                    found.append((Part(axis, outer, inner), rows))
    return found


def check(node: Tensor, values: list[Array], whole: Array, sizes: Mapping[str, int]) -> int:
    """Every split of the node's value that has a rule; how many there are."""
    count = 0
    fixed = [placeholder("x", v.shape, v.dtype) for v in values]
    attrs = {k: resolved(v, sizes) for k, v in node.attrs.items()}
    shape, dtype = node.op.infer(tuple(fixed), attrs)
    node = Tensor(node.op, tuple(fixed), attrs, shape, dtype, None, node.origins)
    for part, rows in splits(whole.shape):
        found = needs(node, part, rows)
        if found is None:
            continue
        count += 1
        for chosen in (slice(0, 1), slice(1, rows)):
            size = chosen.stop - chosen.start
            operands = []
            for value, need in zip(values, found, strict=True):
                if need is not None:
                    assert need.is_in(value.shape, rows)
                operands.append(value if need is None else rows_of(value, need, rows, chosen))
            got = np.asarray(node.op.evaluate(attrs_for(node, part, size), *operands))
            np.testing.assert_allclose(
                got, rows_of(whole, part, rows, chosen), rtol=1e-12, atol=1e-12, err_msg=f"{node} {part}"
            )
    return count


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op != "scan"], ids=lambda s: s.id)
def test_rows_alone_equal_the_rows_of_the_whole(sample) -> None:
    inputs = sample.inputs()
    arrays = sample.arrays(np.random.default_rng(0))
    output = sample.build(*inputs)
    order = [n for n in topological_order([output]) if n.inputs]
    nodes = list(dict.fromkeys([*order, *[i for n in order for i in n.inputs]]))
    found = interpret(nodes, dict(zip(inputs, arrays, strict=True)), sizes=sample.sizes)
    values = dict(zip(nodes, found, strict=True))
    for node in order:
        count = check(node, [values[i] for i in node.inputs], values[node], sample.sizes)
        if count:
            SEEN.add(node.op.name)


def test_every_op_can_be_split_or_has_a_reason() -> None:
    missing = set(REGISTRY) - SEEN - set(WHOLE)
    assert not missing, f"no sample of {missing} was computed for some rows alone"
    assert not {n for n in WHOLE if n in SEEN}
