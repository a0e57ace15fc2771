"""Verdicts on graphs: identities, near misses, traps, random graphs; the two engines against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import process_time

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from graphc.symbolic.exact import Beyond, exact_values, is_undefined
from graphc.symbolic.index.affine import ZERO, of
from graphc.symbolic.index.forms import variables_for
from graphc.symbolic.normal.arithmetic import Undecided
from graphc.symbolic.normal.normal_form import NormalForms
from tests.samples import SAMPLES, Sample
from tests.symbolic.equal_graphs import Expression, built, drawn, mutant, variant
from tests.symbolic.equality_cases import DIFFERENT, IDENTITIES, UNDECIDED, A, B, c, x, y, z
from tests.symbolic.normal_form_values import Values

equal = gc.symbolic.equal


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_are_proved(name: str) -> None:
    verdict = equal(*IDENTITIES[name])
    assert verdict.status == "proved", str(verdict)
    assert verdict.proof and verdict.counterexample is None and not verdict.reason


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_no_law_decides_is_unknown(name: str) -> None:
    verdict = equal(*UNDECIDED[name])
    assert verdict.status == "unknown" and verdict.reason, str(verdict)


@pytest.mark.parametrize("name", DIFFERENT)
def test_other_functions_are_refuted(name: str) -> None:
    left, right = DIFFERENT[name]
    verdict = equal(left, right)
    assert verdict.status == "refuted" and not verdict, str(verdict)
    found = verdict.counterexample
    assert found is not None and "left" in str(found)
    if name == "draws":
        return
    values = {n: found.values[n.name] for n in topological_order([left, right]) if n.name in found.values}
    here = gc.interpret([left, right], values, sizes=found.sizes)
    assert abs(float(here[0][found.index]) - float(here[1][found.index])) > 1e-6 * abs(
        float(here[0][found.index])
    )


def test_a_proof_can_be_read() -> None:
    proof = equal((A @ B).T, B.T @ A.T).proof
    assert proof == "both are Σ_{k} A[j,k]·B[k,i]"
    assert "S/S = 1" in equal(*IDENTITIES["softmax sums to 1"]).proof


def test_what_one_side_alone_defines_is_told_and_is_no_equality() -> None:
    for left, right in ((x / x, gc.ones_like(x)), (gc.exp(gc.log(x)), x), (gc.square(gc.sqrt(x)), x)):
        verdict = equal(left, right)
        assert verdict.status == "proved" and not verdict
        assert verdict.domain_difference is not None and "undefined" in str(verdict)


def test_the_rounding_of_a_constant_is_neither_proof_nor_counterexample() -> None:
    verdict = equal(x / 3, x * (1 / 3))
    assert verdict.status == "unknown" and "rounded" in verdict.reason
    assert equal(x * gc.constant(np.float32(0.1)), x / 10).status == "proved"


def test_what_cancels_below_all_digits_is_no_counterexample() -> None:
    tiny = gc.sigmoid(-gc.exp(x))
    assert equal(1 - gc.sigmoid(gc.exp(x)), tiny).status == "proved"
    assert (
        equal(gc.astype(1 - gc.sigmoid(100 * gc.exp(x)) > 0, "float32"), gc.ones_like(x)).status != "refuted"
    )


def test_a_budget_ends_in_unknown() -> None:
    verdict = equal((x + y + z) ** 6, (z + x + y) ** 6 + gc.sin(x) - gc.sin(x), budget=100)
    assert verdict.status == "unknown" and "budget" in verdict.reason
    hard, same = image, image + 0
    for _ in range(4):
        hard = gc.relu(gc.nn.conv2d(hard, K[:2], padding=1))
        same = gc.relu(gc.nn.conv2d(same, K[:2], padding=1))
    begin = process_time()
    assert equal(hard, same, budget=300_000).status == "unknown"
    assert process_time() - begin < 10  # a budget is time, whatever it is spent on
    deep, other = x, x
    for _ in range(300):
        deep, other = gc.sin(deep), gc.sin(0 + other)
    assert equal(deep, other).status == "unknown"


def test_what_has_no_normal_form_is_unknown() -> None:
    verdict = equal(gc.where(gc.isnan(x), x, x), x)
    assert verdict.status == "unknown" and "isnan" in verdict.reason


def test_inputs_are_the_same_by_name() -> None:
    assert equal(x + 1, 1 + gc.input("x", (3, 4)))
    with pytest.raises(gc.GraphError, match="declared twice"):
        equal(x + 1, gc.sum(gc.input("x", (2,))) + gc.zeros((3, 4)))


def test_shapes_and_kinds_must_fit() -> None:
    with pytest.raises(gc.errors.ShapeError, match=r"\(3, 4\) and \(4, 3\) differ"):
        equal(x, x.T)
    with pytest.raises(gc.errors.DTypeError, match="truth values"):
        equal(x, c)


# -- the parts -----------------------------------------------------------------------------------------
_WITHOUT_VALUE = {
    "astype float32": "casts between floats are left out", "logsumexp empty axis": "log 0 is undefined",
}  # fmt: skip


def _sample_values(sample: Sample) -> tuple[gc.Tensor, dict[gc.Tensor, np.ndarray], np.ndarray]:
    inputs = sample.inputs()
    values = dict(zip(inputs, sample.arrays(np.random.default_rng(0)), strict=True))
    output = sample.build(*inputs)
    return output, values, gc.interpret([output], values, sizes=sample.sizes)[0]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.id not in _WITHOUT_VALUE], ids=str)
def test_the_normal_form_has_the_graphs_value(sample: Sample) -> None:
    output, values, expected = _sample_values(sample)
    if any(n.op.family == "random" for n in topological_order([output])):
        return
    forms = NormalForms(3_000_000)
    variables = variables_for(output)
    try:
        total = forms.at(output, [ZERO if v.size == 1 else of(v) for v in variables])
    except Undecided:
        assert sample.op in ("isnan", "isinf", "isfinite", "clip")
        return
    read: dict[gc.Tensor, np.ndarray] = {}

    def array(tensor: gc.Tensor) -> np.ndarray:
        if tensor not in read:
            read[tensor] = gc.interpret([tensor], values, sizes=sample.sizes)[0]
        return read[tensor]

    found = Values(array, sample.sizes).array(total, variables)
    np.testing.assert_allclose(found, np.asarray(expected, float), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.id not in _WITHOUT_VALUE], ids=str)
def test_exact_values_are_those_of_the_interpreter(sample: Sample) -> None:
    output, values, expected = _sample_values(sample)
    try:
        (found,) = exact_values([output], values, dict(sample.sizes))
    except gc.errors.UnsupportedError:
        names = {n.op.name for n in topological_order([output])}
        assert names & {"max_pool", "window_index", "scan", "isnan", "isinf", "isfinite"} or "random" in str(
            names
        )
        return
    np.testing.assert_allclose(
        np.asarray(found, float), np.asarray(expected, float), rtol=1e-10, atol=1e-12
    )  # fmt: skip


# -- random graphs ---------------------------------------------------------------------------------------
_LEAVES = {n: gc.input(n, (3, 3), "float64") for n in ("x", "y", "z")}


def _check_proved(left: gc.Tensor, right: gc.Tensor, rng: np.random.Generator) -> None:
    """At points where both have an exact value, zeros and ties among them, what is proved holds."""
    for draw in (rng.normal, lambda size: rng.integers(-1, 2, size)):
        values = {n: draw(size=(3, 3)) for n in _LEAVES.values()}
        try:
            found = exact_values([left, right], values, {})
        except Beyond:  # of the range in which the digits hold
            continue
        for one, other in zip(found[0].flat, found[1].flat, strict=True):
            if not is_undefined(one) and not is_undefined(other):
                assert abs(one - other) <= 1e-12 * max(abs(one), abs(other), 1e-12), (one, other)


def _verdicts(seeds: range, depth: int) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        start = drawn(rng, depth)
        same = variant(start, rng)
        left = built(start, _LEAVES)
        others: list[tuple[str, Expression]] = [("equal", same), ("changed", mutant(same, rng))]
        for kind, expression in others:
            right = built(expression, _LEAVES)
            verdict = equal(left, right, budget=300_000, seed=seed)
            counts[kind, verdict.status] += 1
            assert (kind, verdict.status) != ("equal", "refuted"), (
                f"seed {seed}: {start} {expression} {verdict}"
            )
            if verdict.status == "proved":
                _check_proved(left, right, rng)
    return counts


@pytest.mark.parametrize("part", range(3))
def test_no_verdict_on_random_graphs_is_wrong(part: int) -> None:
    counts = _verdicts(range(50 * part, 50 * part + 50), depth=3)
    assert counts["equal", "proved"] >= 45, counts
    assert counts["changed", "refuted"] >= 40, counts


def test_no_verdict_on_deeper_random_graphs_is_wrong() -> None:
    counts = _verdicts(range(5000, 5020), depth=4)
    assert counts["equal", "proved"] >= 15, counts


def test_what_ties_but_for_rounding_is_no_counterexample() -> None:
    """y > (z·y)/|z| is false for z > 0, also where y ≤ (z·y)·(1/|z|) is false in 200 digits."""
    y, z = ("leaf", "y"), ("leaf", "z")
    left = ("where", y, ("guarded", ("where", z, y), ("abs", z)))
    right = ("select other", y, ("guarded other", ("select other", z, y), ("abs", z)))
    for seed in (20104, 0, 1):
        verdict = equal(built(left, _LEAVES), built(right, _LEAVES), budget=10_000, seed=seed)
        assert verdict.status != "refuted", str(verdict)


# -- two engines -------------------------------------------------------------------------------------------
X, T = gc.input("X", ("N", 3)), gc.input("T", ("N", 2))
W, b = gc.parameter("W", (3, 2)), gc.parameter("b", (2,))
V, e = gc.parameter("V", (2, 1)), gc.parameter("e", (1,))
K, image = gc.parameter("K", (3, 2, 3, 3)), gc.input("image", ("N", 2, 5, 5))
U = gc.input("U", ("N", 3, 3, 3))


def _mean_square(output: gc.Tensor) -> gc.Tensor:
    return gc.mean(gc.square(output))


X4, T4 = gc.input("X4", ("N", 4)), gc.input("T4", ("N", 1))  # a quarter is no rounded constant


def _layer_norm(a: gc.Tensor) -> gc.Tensor:
    centred = a - gc.mean(a, axis=1, keepdims=True)
    return centred / gc.sqrt(gc.mean(gc.square(centred), axis=1, keepdims=True) + 0.5)


NETWORKS: dict[str, tuple[Callable[[], gc.Tensor], tuple[gc.Tensor, ...]]] = {
    "linear regression": (lambda: gc.mean(gc.square(X @ W + b - T)), (W, b, X)),
    "logistic regression": (lambda: gc.mean(gc.softplus(X @ W + b) - T * (X @ W + b)), (W, b)),
    "softmax regression": (
        lambda: -gc.mean(gc.sum(T * gc.log_softmax(X @ W + b, axis=1), axis=1)), (W, b, X),
    ),
    "tanh network": (lambda: _mean_square(gc.tanh(X @ W + b) @ V + e), (W, b, V, e)),
    "relu network": (lambda: _mean_square(gc.relu(X @ W + b) @ V + e), (W, b, V, e)),
    "sigmoid network": (lambda: gc.mean(gc.sigmoid(gc.sigmoid(X @ W) @ V)), (W, V)),
    "layer normalisation": (lambda: gc.sum(T4 * _layer_norm(X4)), (X4,)),
    "attention": (lambda: gc.sum(X * (gc.softmax(X @ W @ T.T / 2, axis=1) @ X)), (W, T)),
    "convolution": (lambda: _mean_square(gc.nn.conv2d(image, K)), (K, image)),
    "strided convolution": (lambda: gc.sum(U * gc.nn.conv2d(image, K, stride=2, padding=1)), (K, image)),
    "dilated convolution": (lambda: gc.sum(gc.tanh(gc.nn.conv2d(image, K, dilation=2))), (K,)),
    "largest": (lambda: gc.sum(gc.square(gc.max(X, axis=1))), (X,)),
    "cumulative": (lambda: gc.sum(gc.square(gc.cumsum(X, axis=0))), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_give_one_gradient(name: str) -> None:
    build, wrt = NETWORKS[name]
    loss = build()
    symbolic = gc.symbolic.grad(loss, wrt).gradients
    reverse = gc.grad(loss, list(wrt))
    for w, left, right in zip(wrt, symbolic, reverse, strict=True):
        verdict = equal(left, right)
        assert verdict.status == "proved", f"by {w.name}: {verdict}"


def test_a_wrong_gradient_is_refuted() -> None:
    loss = gc.mean(gc.square(X @ W + b - T))
    assert equal(gc.symbolic.grad(loss, W).gradients[0], 1.01 * gc.grad(loss, W)).status == "refuted"


def test_textbook_gradients_are_proved() -> None:
    rows = gc.sum(gc.ones_like(T[:, 0]))
    loss = gc.mean(gc.softplus(X @ W[:, 0]) - T[:, 0] * (X @ W[:, 0]))
    p = gc.sigmoid(X @ W[:, 0])
    w = gc.parameter("w", (3,))
    loss = gc.mean(gc.softplus(X @ w) - T[:, 0] * (X @ w))
    p = gc.sigmoid(X @ w)
    assert equal(gc.symbolic.grad(loss, w).gradients[0], X.T @ (p - T[:, 0]) / rows)
    assert equal(gc.symbolic.hessian(loss, w).gradients[0], X.T @ ((p * (1 - p))[:, None] * X) / rows)
