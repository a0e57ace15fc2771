"""Scaled dot-product attention against PyTorch, to the second derivative, with masks of every kind."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, ops
from graphc.errors import DTypeError, GraphError, ShapeError

GENERATOR = np.random.default_rng(31)
attention = nn.scaled_dot_product_attention
N, H, T, S, E, F = 2, 3, 4, 5, 6, 2


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def theirs(torch):
    """PyTorch's own, by its plain formula: the others have no second derivative."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def run(*arguments, **options):
        with sdpa_kernel(SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(*arguments, **options)

    return run


def _qkv(*leading, t=T, s=S, e=E, f=F):
    return [GENERATOR.standard_normal((*leading, *last)) for last in ((t, e), (s, e), (s, f))]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize(
    ("leading", "names"), [((), ()), ((N,), ("N",)), ((N, H), ("N", H)), ((1, N, 1), (1, "N", 1))]
)
@pytest.mark.parametrize(("t", "s", "e", "f"), [(T, S, E, F), (S, T, E, E), (1, 1, 1, 1), (3, 1, 2, 1)])
def test_values_and_derivatives(
    causal, scale, leading, names, t, s, e, f, theirs, against_torch_to_second_order
):
    against_torch_to_second_order(
        lambda q, k, v: attention(q, k, v, is_causal=causal, scale=scale),
        lambda q, k, v: theirs(q, k, v, is_causal=causal, scale=scale),
        *_qkv(*leading, t=t, s=s, e=e, f=f),
        shapes=[(*names, "T", "E"), (*names, "S", "E"), (*names, "S", f)],
        rtol=1e-10,
    )


MASKS = {
    "a matrix": (T, S),
    "each its own": (N, H, T, S),
    "padding": (N, 1, 1, S),
    "keys": (S,),
    "queries": (T, 1),
}


@pytest.mark.parametrize("shape", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("full_rows", [False, True])
def test_bool_masks(shape, full_rows, torch, theirs, against_torch_to_second_order):
    """True takes part; a query that sees no key gets 0, and gives no NaN."""
    mask = GENERATOR.random(shape) < 0.6
    if full_rows:
        mask = mask & False if len(shape) == 1 else mask & (np.arange(shape[-2]) > 0)[:, None]
    else:
        mask[..., 0] = True
    against_torch_to_second_order(
        lambda q, k, v: attention(q, k, v, mask),
        lambda q, k, v: theirs(q, k, v, torch.tensor(np.broadcast_to(mask, (N, H, T, S)).copy())),
        *_qkv(N, H),
        shapes=[("N", H, T, E), ("N", H, S, E), ("N", H, S, F)] if shape[0] != N else None,
    )


@pytest.mark.parametrize("infinite", [False, True])
def test_float_masks_are_added_and_learn(infinite, torch, theirs, against_torch_to_second_order):
    bias = GENERATOR.standard_normal((H, T, S))
    if infinite:
        bias[0, 1] = -np.inf  # a query without keys
        bias[1, :, 2] = -np.inf
    against_torch_to_second_order(
        lambda q, k, v, b: attention(q, k, v, b), lambda q, k, v, b: theirs(q, k, v, b), *_qkv(N, H), bias
    )


def test_one_number_as_a_mask():
    q, k, v = (ops.input(n, (2, 3), "float64") for n in "qkv")
    at = {q: GENERATOR.random((2, 3)), k: GENERATOR.random((2, 3)), v: GENERATOR.random((2, 3))}
    none, some = gc.interpret([attention(q, k, v, False), attention(q, k, v, True)], at)
    (plain,) = gc.interpret([attention(q, k, v)], at)
    assert not none.any()
    np.testing.assert_array_equal(some, plain)


def test_causal_with_a_mask_is_both():
    """PyTorch refuses the two together; the oracle is the one mask that says both."""
    q, k, v = (ops.input(n, ("N", "T", 3), "float64") for n in "qkv")
    m = ops.input("m", ("N", 1, "T"), "bool")
    at = GENERATOR.standard_normal((3, 2, 4, 3))
    mask = np.array([[[False, True, True, True]], [[True, True, False, False]]])
    both = gc.compile(attention(q, k, v, m, is_causal=True), [q, k, v, m])(*at, mask)
    one = np.tril(np.ones((4, 4), bool)) & mask
    scores = np.where(one, at[0] @ at[1].swapaxes(1, 2) / np.sqrt(3), -np.inf)
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = np.nan_to_num(weights / weights.sum(-1, keepdims=True))
    np.testing.assert_allclose(both, weights @ at[2], rtol=1e-12)
    assert not both[0, 0].any(), "query 0 of the first example sees no key"


def test_leading_axes_broadcast(theirs, torch, against_torch_to_second_order):
    q, k, v = GENERATOR.standard_normal((N, 1, T, E)), *_qkv(H)[1:]
    against_torch_to_second_order(
        lambda q, k, v: attention(q, k, v),
        lambda q, k, v: theirs(q, k.expand(N, H, S, E), v.expand(N, H, S, F)),
        q, k, v,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_large_scores_and_padding(dtype):
    """Scores of 1e4 neither overflow nor meet the masked ones; a float64 mask leaves float32 as it is."""
    q, k, v = (ops.input(n, (2, 3), dtype) for n in "qkv")
    mask = np.array([[0.0, -np.inf], [-np.inf, -np.inf]])
    y = attention(q, k, v, mask)
    slopes = gc.grad(y.sum(), [q, k, v])
    large = np.full((2, 3), 100.0, dtype)
    out, *found = gc.compile([y, *slopes], [q, k, v])(large, -large, large)
    assert out.dtype == dtype and all(s.dtype == dtype and np.isfinite(s).all() for s in found)
    np.testing.assert_array_equal(out, [[100] * 3, [0] * 3])
    np.testing.assert_array_equal(found[2], [[1] * 3, [0] * 3])


@pytest.mark.parametrize(
    ("declared", "shape"),
    [
        (("N", "T", "S"), (0, 3, 4)),
        (("N", "T", "S"), (2, 0, 4)),
        (("N", "T", 0), (2, 3, 0)),  # a softmax over a named size that is 0 has no largest element
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_empty_axes(declared, shape):
    (rows, length, keys), (n, t, s) = declared, shape
    q, k = ops.input("q", (rows, length, 2)), ops.input("k", (rows, keys, 2))
    m = ops.input("m", (length, keys), "bool")
    outputs = [attention(q, k, k), attention(q, k, k, m), attention(q, k, k, is_causal=True)]
    outputs += gc.grad(sum(y.sum() for y in outputs), [q, k])
    at = [np.ones((n, t, 2), "f4"), np.ones((n, s, 2), "f4"), np.ones((t, s), bool)]
    runs = [gc.interpret(outputs, dict(zip([q, k, m], at, strict=True)))]
    runs += [gc.compile(outputs, [q, k, m], optimize=level)(*at) for level in ("none", "default")]
    for run in runs:
        assert [y.shape for y in run] == [(n, t, 2)] * 4 + [(n, s, 2)]
        assert all(y.dtype == np.float32 and not y.any() for y in run), "no keys: no mean, and no slope"


def test_dropout_of_weights():
    q, k, v = (ops.input(n, (40, 50, 4)) for n in "qkv")
    y = attention(q, k, v, dropout_p=0.25)
    at = [np.zeros((40, 50, 4), "f4"), np.zeros((40, 50, 4), "f4"), np.ones((40, 50, 4), "f4")]
    found = gc.compile(y, [q, k, v], seed=3)(*at)
    # Each result is the share of 50 equal weights that is kept, divided by 0.75: of mean 1.
    kept = found[..., 0] * 0.75 * 50
    np.testing.assert_allclose(kept, kept.round(), atol=1e-4)
    assert abs(found[..., 0].mean() - 1) < 5 * np.sqrt(0.25 / 0.75 / 50 / 2000)
    assert attention(q, k, v, dropout_p=0.0).op.name == "matmul"


@pytest.mark.parametrize("features", [1, 2, 7, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positional_encoding_is_its_formula(features, dtype):
    x = ops.input("x", ("N", "T", features), dtype)
    y = nn.positional_encoding(x.shape[1], features, dtype) + x * 0
    found = gc.compile(y, [x])(np.zeros((1, 3000, features), dtype))[0]
    place, i = np.arange(3000)[:, None], np.arange(features)[None]
    angle = place / 10000.0 ** (2 * (i // 2) / features)
    expected = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=6e-8 if dtype == "float32" else 1e-11)


def test_positional_encoding_of_a_known_length():
    assert nn.positional_encoding(5, 3).shape == (5, 3)
    (y,) = gc.interpret([nn.positional_encoding(0, 4)], {})
    assert y.shape == (0, 4)
    # A shift of places is a rotation of each pair: ⟨p(t), p(t + k)⟩ depends on k alone.
    (y,) = gc.interpret([nn.positional_encoding(50, 8, "float64")], {})
    products = y @ y.T
    for shift in range(5):
        np.testing.assert_allclose(np.ptp(np.diagonal(products, shift)), 0, atol=1e-12)


def test_errors():
    q, k, v = ops.input("q", ("N", "T", 4)), ops.input("k", ("N", "S", 4)), ops.input("v", ("N", "S", 3))
    with pytest.raises(ShapeError, match="the last axes of query and key differ") as caught:
        attention(q, v, v)
    assert "test_attention.py" in str(caught.value)
    assert "query has shape (N, T, 4), key (N, S, 3), value (N, S, 3)" in str(caught.value)
    with pytest.raises(ShapeError, match=r"key and value differ in length"):
        attention(q, k, q)
    with pytest.raises(ShapeError, match="at least two axes"):
        attention(q, k, ops.input("u", (4,)))
    with pytest.raises(DTypeError, match="value has dtype int64"):
        attention(q, k, ops.input("i", ("N", "S", 4), "int64"))
    with pytest.raises(DTypeError, match="the mask has dtype int64, where bool or float"):
        attention(q, k, v, ops.input("m", ("T", "S"), "int64"))
    with pytest.raises(
        ShapeError, match=r"the mask has shape \(N, S\), the scores have \(N, T, S\)"
    ) as caught:
        attention(q, k, v, ops.input("m", ("N", "S"), "bool"))
    assert "mask[:, None, :]" in str(caught.value)
    with pytest.raises(ShapeError, match=r"the mask has shape \(3, 1, T, S\)"):
        attention(q, k, v, ops.input("m", (3, 1, "T", "S"), "bool"))
    with pytest.raises(GraphError, match=r"p = 2 is no probability"):
        attention(q, k, v, dropout_p=2)
    with pytest.raises(GraphError, match="features = 0 is no number of features"):
        nn.positional_encoding("T", 0)
