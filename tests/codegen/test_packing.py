"""Laws of the packing of buffers: nothing that is in use at once overlaps, and little is wasted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.codegen.packing import ALIGNMENT, Piece, ThreadMemory, arena, most_alive, packed, view

times = st.tuples(st.integers(0, 30), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
spans = st.lists(st.tuples(times, st.integers(0, 3000)).map(lambda s: (*s[0], s[1])), max_size=40)


def alive_by_counting(found: list[tuple[int, int, int]]) -> int:
    sizes = [-(-size // ALIGNMENT) * ALIGNMENT for _, _, size in found]
    moments = range(max([last for _, last, _ in found], default=0) + 1)
    each = [
        sum(size for (first, last, _), size in zip(found, sizes, strict=True) if first <= t <= last)
        for t in moments
    ]
    return max(each)


@settings(max_examples=300, deadline=None)
@given(spans)
def test_nothing_that_is_in_use_at_once_overlaps(found: list[tuple[int, int, int]]) -> None:
    total, offsets = packed(found)
    assert len(offsets) == len(found)
    for k, (first, last, size) in enumerate(found):
        assert offsets[k] % ALIGNMENT == 0 and 0 <= offsets[k] <= total - size
        for j, (begin, end, other) in enumerate(found[:k]):
            if first <= end and begin <= last:
                assert offsets[k] + size <= offsets[j] or offsets[j] + other <= offsets[k]
    assert most_alive(found) == alive_by_counting(found) <= total
    assert packed(found) == (total, offsets)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["any", "powers", "few"])
def test_little_is_wasted(kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    count, steps = generator.integers(5, 120, 2)
    first = generator.integers(0, steps, count)
    last = first + generator.integers(0, 1 + (steps if seed % 2 else 6), count)
    size = {
        "any": generator.integers(1, 100_000, count),
        "powers": 64 * 2 ** generator.integers(0, 12, count),
        "few": 64 * generator.choice([1, 5, 15, 75], count),
    }[kind]
    found = list(zip(first.tolist(), last.tolist(), size.tolist(), strict=True))
    total, _ = packed(found)
    assert total <= 1.1 * most_alive(found)


def test_the_values_of_back_propagation_fit_exactly() -> None:
    """Values of a forward pass, each alive until its turn in the backward pass, with its cotangents."""
    count = 500
    size = [64 * (1 + k * 7 % 13) for k in range(count)]
    found = [(k, 2 * count - k, size[k]) for k in range(count)]
    found += [(2 * count - k, 2 * count - k + 1, size[k]) for k in range(count)]
    assert packed(found)[0] <= 1.02 * most_alive(found)


def test_views_lie_in_their_memory() -> None:
    memory = arena(256)
    assert memory.nbytes == 256
    assert memory.ctypes.data % ALIGNMENT == 0
    x, y, empty = (
        view(memory, 64, (2, 3), np.float64),
        view(memory, 128, (), np.int64),
        view(memory, 0, (0, 3), np.int8),
    )
    x[...], y[...] = 1.5, 7
    assert x.shape == (2, 3) and empty.shape == (0, 3)
    assert memory[64:112].view(np.float64).tolist() == [1.5] * 6
    assert memory[128:136].view(np.int64).tolist() == [7]


def test_a_thread_makes_buffers_once_and_grows_with_the_largest_tile() -> None:
    made = []

    def make(thread: Piece, rows: int, factor: int):
        made.append(rows)
        mine = view(thread.memory(rows * factor), 0, (rows * factor,), np.uint8)
        return lambda: mine

    memory = ThreadMemory()
    memory.reserve(2, make, 100, (3,))
    memory.reserve(2, make, 100, (3,))
    assert made == [100, 100]
    piece = memory.take()
    large = piece.tile(make, 100, (3,))()
    small = piece.tile(make, 10, (3,))()
    assert np.shares_memory(large, small) and made == [100, 100, 10]
    piece.tile(make, 200, (3,))
    assert made == [100, 100, 10, 200]
    again = piece.tile(make, 100, (3,))()
    assert not np.shares_memory(again, large) and made[-1] == 100
