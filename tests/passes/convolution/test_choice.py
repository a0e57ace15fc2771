"""The choice: which algorithm a layer gets, and that exact levels keep to sums of products."""

from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.convolution import ConvolutionLowering, candidates, choose
from graphc.passes.convolution.cook_toom import matrices
from graphc.passes.convolution.cost import Problem
from graphc.passes.convolution.discrete_fourier import stages
from graphc.passes.pipelines import DEFAULT, run


def _chosen(x: tuple, w: tuple, dtype: str = "float32", trained: bool = True, **options: object) -> str:
    node = gc.nn.conv2d(gc.input("x", x, dtype), gc.input("w", w, dtype), **options)
    kinds = ("convolution", "transposed_convolution", "filter_gradient") if trained else ("convolution",)
    problems = [replace(Problem.of(node), kind=kind) for kind in kinds]
    return choose(problems, candidates(node)).name


def test_layers_get_the_algorithm_that_was_measured_fastest() -> None:
    assert _chosen((64, 1, 28, 28), (32, 1, 5, 5)) == "batch_last"
    assert _chosen((64, 32, 12, 12), (64, 32, 5, 5)) == "fourier"
    assert _chosen((16, 16, 32, 32), (16, 16, 11, 11), padding=5) == "fourier"
    assert _chosen((1, 1, 256, 256), (1, 1, 15, 15), padding=7) == "fourier"
    assert _chosen((16, 64, 32, 32), (64, 64, 3, 3), padding=1) == "winograd_4_3"
    assert _chosen((8, 32, 48, 48), (32, 32, 3, 3), padding=2, dilation=2) == "winograd_4_3"
    assert _chosen((64, 32, 12, 12), (64, 32, 5, 5), trained=False) == "fourier"
    assert _chosen((1, 32, 12, 12), (64, 32, 5, 5)) == "windows"
    assert _chosen((1, 64, 56, 56), (64, 64, 3, 3), padding=1) == "winograd_4_3"
    assert _chosen((1, 1, 28, 28), (32, 1, 5, 5)) == "windows"
    assert _chosen((16, 32, 32, 32), (64, 32, 3, 3), stride=2, padding=1) == "batch_last"
    assert _chosen((16, 64, 32, 32), (64, 1, 3, 3), groups=64, padding=1) == "depthwise"


def test_a_symbolic_batch_is_taken_for_a_large_one() -> None:
    assert _chosen(("N", 1, 28, 28), (32, 1, 5, 5)) == "batch_last"


def test_a_depthwise_layer_that_is_not_differentiated_by_its_input_copies_windows() -> None:
    node = gc.nn.conv2d(gc.input("x", (16, 64, 32, 32)), gc.input("w", (64, 1, 3, 3)), groups=64, padding=1)
    problems = [replace(Problem.of(node), kind=kind) for kind in ("convolution", "filter_gradient")]
    assert choose(problems, candidates(node)).name == "batch_last"


def test_whole_numbers_are_not_filtered() -> None:
    assert _chosen((64, 32, 12, 12), (64, 32, 5, 5), dtype="int32") == "batch_last"


def test_the_costs_of_a_problem_grow_with_it() -> None:
    w = gc.input("w", (8, 8, 3, 3))
    nodes = [gc.nn.conv2d(gc.input("x", (16, 8, n, n)), w) for n in (12, 24)]
    small, large = map(Problem.of, nodes)
    for algorithm in candidates(nodes[1]):
        assert 0 < algorithm.seconds(small) < algorithm.seconds(large)


@pytest.mark.parametrize("level", ["none", "exact"])
def test_exact_levels_sum_products_alone(level: str) -> None:
    """With whole numbers every sum of products is exact, a Winograd transform by halves and thirds is not."""
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (16, 16, 12, 12)).astype("float32")
    w = rng.integers(-9, 9, (16, 16, 3, 3)).astype("float32")
    a, b = gc.input("x", x.shape), gc.input("w", w.shape)
    found = gc.compile(gc.nn.conv2d(a, b), [a, b], optimize=level)(x, w)
    (wanted,) = gc.interpret([gc.nn.conv2d(a, b)], {a: x, b: w})
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("places, elements", [(1, 3), (2, 3), (4, 3), (2, 5), (3, 2), (4, 1)])
def test_the_matrices_filter(places: int, elements: int) -> None:
    """Aᵀ ((G w) ⊙ (Bᵀ x)) is NumPy's correlation."""
    a_t, g, b_t = matrices(places, elements)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(places + elements - 1), rng.standard_normal(elements)
    np.testing.assert_allclose(
        a_t @ ((g @ w) * (b_t @ x)), np.correlate(x, w, "valid"), rtol=1e-12, atol=1e-13
    )


def _chosen_1d(x: tuple, w: tuple, **options: object) -> str:
    node = gc.nn.conv1d(gc.input("x", x), gc.input("w", w), **options)
    return choose([Problem.of(node)], candidates(node)).name


def test_signals_are_filtered_by_long_filters_at_their_frequencies() -> None:
    assert _chosen_1d((8, 16, 1024), (16, 16, 63), padding=31) == "fourier"
    assert _chosen_1d((1, 1, 100_000), (1, 1, 127)) == "fourier"
    assert _chosen_1d((8, 32, 1024), (64, 32, 2)) == "batch_last"
    assert _chosen_1d((8, 16, 1024), (16, 16, 3)) == "batch_last"


@pytest.mark.parametrize("factors, split", [((6,), False), ((9, 4), False), ((4, 3), True), ((5, 6), True)])
def test_the_matrices_of_fourier_are_numpys_transform(factors: tuple[int, ...], split: bool) -> None:
    """Every stage in turn, on all elements, is numpy.fft at the frequencies that are kept."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(factors)
    found = x.reshape(factors[0], -1)
    count = 1
    for k, matrix in enumerate(stages(factors, factors, split)):
        found = matrix @ found.reshape(*(() if k == 0 else (count,)), matrix.shape[-1], -1)
        count = factors[0] // 2 + 1 if k == 0 else count * factors[k]
    pairs = found.reshape(-1, 2)
    kept = np.arange(factors[0] // 2 + 1)
    if split:  # the element q·j + i stands at (j, i), the frequency k + s·l behind k
        whole = np.fft.fft(x.reshape(-1))
        wanted = whole[kept[:, None] + factors[0] * np.arange(factors[1])]
    else:
        wanted = np.fft.fftn(x)[kept]
    np.testing.assert_allclose(pairs[:, 0] + 1j * pairs[:, 1], wanted.reshape(-1), rtol=0, atol=1e-13)


def test_a_layer_has_one_algorithm_forward_and_backward() -> None:
    x, w = gc.input("x", (64, 32, 12, 12)), gc.input("w", (64, 32, 5, 5))
    loss = gc.sum(gc.nn.conv2d(x, w) ** 2)
    _, records = run(Graph((x, w), (loss, *gc.grad(loss, [x, w]))), (ConvolutionLowering(),), Verifier())
    assert records[0].fired == {
        "convolution by fourier": 1,
        "transposed_convolution by fourier": 1,
        "filter_gradient by fourier": 1,
    }


def test_a_layer_shares_its_transforms() -> None:
    """Tiles of the input are transformed once for two uses, as are the cotangent's and the filter."""
    x, w = gc.input("x", (16, 64, 14, 14)), gc.input("w", (64, 64, 3, 3))
    loss = gc.sum(gc.nn.conv2d(x, w) ** 2)
    after, _ = run(Graph((x, w), (loss, *gc.grad(loss, [x, w]))), DEFAULT, Verifier())
    # Three products; three transforms, and one back of each.
    assert [n.op.name for n in after.nodes].count("matmul") == 9
