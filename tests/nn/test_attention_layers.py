"""Multi-head attention and the transformer block against PyTorch's with the same weights."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, ops
from graphc.errors import GraphError, ShapeError

GENERATOR = np.random.default_rng(41)
TOLERANCE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def _weights(layer):
    """Random values for all parameters, by name: zeros and ones would hide mistakes."""
    return {p.name: GENERATOR.standard_normal(p.shape) * 0.7 for p in layer.parameters()}


def _run(y, inputs, arrays, weights, cotangent):
    """Value, gradients by the inputs, gradients by the parameters by name: the same by all three ways."""
    cotangents = ops.input("cotangent", y.shape, "float64")
    parameters = gc.parameters(y)
    floats = [x for x in inputs if x.dtype == np.float64]
    gradients = gc.grad((y * cotangents).sum(), [*floats, *parameters])
    outputs, all_inputs = [y, *gradients], [*inputs, cotangents]
    at = dict(zip(all_inputs, [*arrays, cotangent], strict=True)) | {p: weights[p.name] for p in parameters}
    runs = [gc.interpret(outputs, at)]
    for level in ("none", "default"):
        f = gc.compile(outputs, all_inputs, optimize=level)
        for p in parameters:
            f.params[p.name] = weights[p.name]
        runs.append(f(*arrays, cotangent))
    for run in runs[1:]:
        for a, b in zip(run, runs[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    value, *found = runs[-1]
    names = [p.name for p in parameters]
    return value, found[: len(floats)], dict(zip(names, found[len(floats) :], strict=True))


def _their_attention(torch, weights, path, embed, heads, bias=True, **options):
    """torch's layer with our weights, and a function that reads its gradients by our names."""
    theirs = torch.nn.MultiheadAttention(
        embed, heads, bias=bias, batch_first=True, dtype=torch.float64, **options
    )
    return theirs, _fill_attention(torch, theirs, weights, path, bias)


def _fill_attention(torch, theirs, weights, path, bias=True):
    embed, parts = theirs.embed_dim, ("query", "key", "value")
    with torch.no_grad():
        for i, part in enumerate(parts):
            w = torch.tensor(weights[f"{path}{part}/weight"].T)
            if theirs.in_proj_weight is not None:
                theirs.in_proj_weight[i * embed : (i + 1) * embed] = w
            else:
                getattr(theirs, f"{part[0]}_proj_weight")[:] = w
            if bias:
                theirs.in_proj_bias[i * embed : (i + 1) * embed] = torch.tensor(weights[f"{path}{part}/bias"])
        theirs.out_proj.weight[:] = torch.tensor(weights[f"{path}output/weight"].T)
        if bias:
            theirs.out_proj.bias[:] = torch.tensor(weights[f"{path}output/bias"])

    def gradients():
        found = {}
        for i, part in enumerate(parts):
            rows = slice(i * embed, (i + 1) * embed)
            if theirs.in_proj_weight is not None:
                found[f"{path}{part}/weight"] = theirs.in_proj_weight.grad[rows].numpy().T
            else:
                found[f"{path}{part}/weight"] = getattr(theirs, f"{part[0]}_proj_weight").grad.numpy().T
            if bias:
                found[f"{path}{part}/bias"] = theirs.in_proj_bias.grad[rows].numpy()
        found[f"{path}output/weight"] = theirs.out_proj.weight.grad.numpy().T
        if bias:
            found[f"{path}output/bias"] = theirs.out_proj.bias.grad.numpy()
        return found

    return gradients


def _same(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], **TOLERANCE, err_msg=name)


@pytest.mark.parametrize(
    ("n", "t", "embed", "heads"), [(2, 5, 6, 3), (3, 4, 6, 1), (1, 1, 4, 2), (2, 3, 1, 1), (1, 7, 4, 4)]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masking", ["none", "causal", "padding", "both"])
def test_self_attention(n, t, embed, heads, bias, masking, torch):
    causal, padded = masking in ("causal", "both"), masking in ("padding", "both")
    layer = nn.MultiHeadAttention(embed, heads, bias, causal=causal, dtype="float64")
    weights = _weights(layer)
    theirs, their_gradients = _their_attention(torch, weights, "attention/", embed, heads, bias)
    x = ops.input("x", ("N", "T", embed), "float64")
    m = ops.input("m", ("N", "T"), "bool")
    kept = np.arange(t) < GENERATOR.integers(1, t + 1, (n, 1))  # the first key at least
    at, cotangent = GENERATOR.standard_normal((n, t, embed)), GENERATOR.standard_normal((n, t, embed))
    y = layer(x, mask=m[:, None, :] if padded else None)
    value, (slope,), found = _run(y, [x, m] if padded else [x], [at, kept][: 1 + padded], weights, cotangent)

    z = torch.tensor(at, requires_grad=True)
    expected, _ = theirs(
        z, z, z,
        key_padding_mask=torch.tensor(~kept) if padded else None,
        attn_mask=torch.triu(torch.ones(t, t, dtype=torch.bool), 1) if causal else None,
    )  # fmt: skip
    (expected * torch.tensor(cotangent)).sum().backward()
    np.testing.assert_allclose(value, expected.detach(), **TOLERANCE)
    np.testing.assert_allclose(slope, z.grad, **TOLERANCE)
    _same(found, their_gradients())


@pytest.mark.parametrize(("kdim", "vdim"), [(None, None), (5, 3), (1, None)])
@pytest.mark.parametrize(("t", "s"), [(4, 6), (1, 3), (3, 1)])
def test_cross_attention(kdim, vdim, t, s, torch):
    embed, heads, n = 4, 2, 2
    layer = nn.MultiHeadAttention(embed, heads, kdim=kdim, vdim=vdim, dtype="float64", name="cross")
    weights = _weights(layer)
    theirs, their_gradients = _their_attention(torch, weights, "cross/", embed, heads, kdim=kdim, vdim=vdim)
    q = ops.input("q", ("N", "T", embed), "float64")
    k = ops.input("k", ("N", "S", kdim or embed), "float64")
    v = ops.input("v", ("N", "S", vdim or embed), "float64")
    sizes = ((t, embed), (s, kdim or embed), (s, vdim or embed))
    arrays = [GENERATOR.standard_normal((n, *size)) for size in sizes]
    cotangent = GENERATOR.standard_normal((n, t, embed))
    value, slopes, found = _run(layer(q, k, v), [q, k, v], arrays, weights, cotangent)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected, _ = theirs(*tensors)
    (expected * torch.tensor(cotangent)).sum().backward()
    np.testing.assert_allclose(value, expected.detach(), **TOLERANCE)
    for slope, tensor in zip(slopes, tensors, strict=True):
        np.testing.assert_allclose(slope, tensor.grad, **TOLERANCE)
    _same(found, their_gradients())


def test_masks_of_each_head_and_added_ones(torch):
    n, t, embed, heads = 2, 3, 6, 3
    layer = nn.MultiHeadAttention(embed, heads, dtype="float64")
    weights = _weights(layer)
    theirs, _ = _their_attention(torch, weights, "attention/", embed, heads)
    x = ops.input("x", (n, t, embed), "float64")
    at = GENERATOR.standard_normal((n, t, embed))
    z = torch.tensor(at)
    bias = GENERATOR.standard_normal((n, heads, t, t))
    for mask, their_mask in (
        (bias, bias.reshape(n * heads, t, t)),  # an axis of heads
        (bias[:, 0], np.repeat(bias[:, 0], heads, axis=0)),  # one for all heads
        (bias[0, 0], bias[0, 0]),
    ):
        y = layer(x, mask=mask)
        (value,) = gc.interpret([y], {x: at} | {p: weights[p.name] for p in gc.parameters(y)})
        expected, _ = theirs(z, z, z, attn_mask=torch.tensor(their_mask))
        np.testing.assert_allclose(value, expected.detach(), **TOLERANCE)


def test_arguments_left_out():
    layer = nn.MultiHeadAttention(4, 2, dtype="float64")
    q, k = ops.input("q", ("N", "T", 4), "float64"), ops.input("k", ("N", "S", 4), "float64")
    outputs = [layer(q), layer(q, q, q), layer(q, k), layer(q, key=k, value=k), layer(q, k, None, None)]
    a, b, c, d, e = gc.compile(outputs, [q, k])(
        GENERATOR.standard_normal((2, 3, 4)), GENERATOR.standard_normal((2, 5, 4))
    )
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, d)
    np.testing.assert_array_equal(c, e)
    assert np.abs(a - c).max() > 1e-3


def test_length_first_and_further_leading_axes():
    first = nn.MultiHeadAttention(4, 2, batch_first=False, causal=True, dtype="float64")
    at = GENERATOR.standard_normal((2, 3, 5, 4))
    x, one = ops.input("x", ("A", "B", "T", 4), "float64"), ops.input("one", ("T", 4), "float64")
    turned = ops.input("turned", ("T", "B", 4), "float64")
    whole = nn.MultiHeadAttention(4, 2, causal=True, dtype="float64", name="attention")
    run = gc.compile([whole(x), whole(one)], [x, one])
    many, single = run(at, at[1, 2])
    np.testing.assert_allclose(many[1, 2], single, rtol=1e-12)
    ours = gc.compile(first(turned), [turned], params=run.params)(np.swapaxes(at[1], 0, 1))
    np.testing.assert_allclose(np.swapaxes(ours, 0, 1), many[1], rtol=1e-12)


def test_a_query_without_keys_gives_the_output_bias():
    """Where PyTorch's layer gives NaN."""
    layer = nn.MultiHeadAttention(4, 2)
    x, m = ops.input("x", ("N", "T", 4)), ops.input("m", ("N", 1, "T"), "bool")
    y = layer(x, mask=m)
    slopes = gc.grad((y**2).sum(), [x, *gc.parameters(y)])
    f = gc.compile([y, *slopes], [x, m])
    f.params["attention/output/bias"] = np.arange(4, dtype=np.float32)
    mask = np.array([[[False] * 3], [[True, True, False]]])
    out, by_x, *rest = f(GENERATOR.standard_normal((2, 3, 4)).astype("f4"), mask)
    np.testing.assert_array_equal(out[0], np.tile(np.arange(4), (3, 1)))
    assert not by_x[0].any() and by_x[1].any()
    assert all(np.isfinite(s).all() for s in rest)


def test_no_future_and_no_padding_leaks_in():
    layer = nn.TransformerBlock(4, 2, 8, causal=True, dtype="float64")
    x, m = ops.input("x", ("N", "T", 4), "float64"), ops.input("m", ("N", 1, "T"), "bool")
    f = gc.compile(layer(x, m), [x, m])
    at = GENERATOR.standard_normal((1, 6, 4))
    mask = np.array([[[True, False, True, True, True, True]]])
    before = f(at, mask)
    changed = at.copy()
    changed[0, 1] += 5  # padding
    changed[0, 4:] -= 3  # the future of 0 to 3
    after = f(changed, mask)
    np.testing.assert_array_equal(after[0, [0, 2, 3]], before[0, [0, 2, 3]])
    assert (after[0, [1, 4, 5]] != before[0, [1, 4, 5]]).any(axis=1).all()


def test_names_dtypes_and_dropout():
    block = nn.TransformerBlock(4, 2, 8, name="block")
    x = ops.input("x", ("N", "T", 4))
    names = [p.name for p in block.parameters()]
    assert names == [
        f"block/{part}/{name}"
        for part, kinds in (
            *((f"attention/{p}", ("weight", "bias")) for p in ("query", "key", "value", "output")),
            *((p, ("weight", "bias")) for p in ("attention_norm", "hidden", "output", "output_norm")),
        )
        for name in kinds
    ]
    assert [p.name for p in gc.parameters(block(x))] != [] and block(x).dtype == np.float32
    draws = [
        node.shape[1:]
        for node in gc.ir.traversal.topological_order([block(x, training=True)])
        if node.op.name == "random_uniform"
    ]
    t = x.shape[1]
    assert sorted(draws, key=str) == sorted([(2, t, t), (t, 4), (t, 8), (t, 4)], key=str)
    f = gc.compile([block(x, training=True), block(x)], [x], seed=2)
    at = GENERATOR.standard_normal((2, 3, 4)).astype("f4")
    (a, b), (c, d) = f(at), f(at)
    assert (a != c).any() and (b == d).all()


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masking", ["none", "causal", "padding"])
@pytest.mark.parametrize(("n", "t"), [(2, 5), (1, 1)])
def test_transformer_block(norm_first, activation, masking, n, t, torch):
    embed, heads, hidden = 6, 2, 7
    block = nn.TransformerBlock(
        embed, heads, hidden, activation, norm_first, causal=masking == "causal", dtype="float64", name="b"
    )
    weights = _weights(block)
    theirs = torch.nn.TransformerEncoderLayer(
        embed, heads, hidden, activation=activation, norm_first=norm_first, batch_first=True,
        dtype=torch.float64,
    ).eval()  # fmt: skip
    attention_gradients = _fill_attention(torch, theirs.self_attn, weights, "b/attention/")
    pairs = {"hidden": theirs.linear1, "output": theirs.linear2}
    pairs |= {"attention_norm": theirs.norm1, "output_norm": theirs.norm2}
    with torch.no_grad():
        for name, module in pairs.items():
            module.weight[:] = torch.tensor(weights[f"b/{name}/weight"].T)
            module.bias[:] = torch.tensor(weights[f"b/{name}/bias"])

    x, m = ops.input("x", ("N", "T", embed), "float64"), ops.input("m", ("N", "T"), "bool")
    kept = np.arange(t) < GENERATOR.integers(1, t + 1, (n, 1))
    at, cotangent = GENERATOR.standard_normal((n, t, embed)), GENERATOR.standard_normal((n, t, embed))
    padded = masking == "padding"
    y = block(x, mask=m[:, None, :] if padded else None)
    value, (slope,), found = _run(y, [x, m] if padded else [x], [at, kept][: 1 + padded], weights, cotangent)

    z = torch.tensor(at, requires_grad=True)
    expected = theirs(
        z,
        src_mask=torch.triu(torch.ones(t, t, dtype=torch.bool), 1) if masking == "causal" else None,
        src_key_padding_mask=torch.tensor(~kept) if padded else None,
    )
    (expected * torch.tensor(cotangent)).sum().backward()
    np.testing.assert_allclose(value, expected.detach(), **TOLERANCE)
    np.testing.assert_allclose(slope, z.grad, **TOLERANCE)
    theirs_by_name = attention_gradients()
    for name, module in pairs.items():
        theirs_by_name[f"b/{name}/weight"] = module.weight.grad.numpy().T
        theirs_by_name[f"b/{name}/bias"] = module.bias.grad.numpy()
    _same(found, theirs_by_name)


def test_a_block_learns_to_copy_what_came_first():
    """Only attention can bring the first place's class to the others."""
    x, t = ops.input("x", ("N", 6), "int64"), ops.input("t", ("N", 6), "int64")
    places = nn.positional_encoding(6, 16)
    embedded = nn.Embedding(4, 16)(x) + places
    block = nn.TransformerBlock(16, 2, 32, norm_first=True, dropout=0.0)
    scores = nn.Dense(16, 4, name="head")(block(embedded, training=True))
    loss = nn.cross_entropy(ops.moveaxis(scores, -1, 1), t)
    step = gc.compile(loss, [x, t], updates=gc.optim.Adam(1e-2).updates(loss, gc.parameters(loss)), seed=1)
    generator = np.random.default_rng(0)
    losses = []
    for _ in range(200):
        batch = generator.integers(0, 4, (32, 6))
        losses.append(float(step(batch, np.repeat(batch[:, :1], 6, axis=1))))
    assert losses[0] > 1 and losses[-1] < 0.05


def test_errors():
    with pytest.raises(GraphError, match="6 features do not divide among 4 heads") as caught:
        nn.MultiHeadAttention(6, 4)
    assert "test_attention_layers.py" in str(caught.value)
    with pytest.raises(GraphError, match="among 0 heads"):
        nn.MultiHeadAttention(6, 0)
    with pytest.raises(GraphError, match="p = 2 is no probability"):
        nn.TransformerBlock(4, 2, 8, dropout=2)
    layer = nn.MultiHeadAttention(4, 2, kdim=3)
    x = ops.input("x", ("N", "T", 4))
    with pytest.raises(ShapeError, match=r"attention/key.*: x has shape \(N, T, 4\), where axis -1"):
        layer(x)
    with pytest.raises(ShapeError, match=r"query has shape \(4,\), where a length"):
        layer(ops.input("v", (4,)))
    with pytest.raises(ShapeError, match=r"the mask has shape \(N, T\), the scores have \(N, 2, T, T\)"):
        nn.MultiHeadAttention(4, 2)(x, mask=ops.input("m", ("N", "T"), "bool"))
