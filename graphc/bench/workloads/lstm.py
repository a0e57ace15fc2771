"""A long short-term memory that reads a sequence and classifies it by its last state; a training step.

After S. Hochreiter, J. Schmidhuber, *Long short-term memory*, 1997, with the forget gate of F. Gers et al.,
2000. The gates are in PyTorch's order: input, forget, cell, output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import cross_entropy
from graphc.bench.workload import Data, Draws, Workload

_NAMES = ("weight_ih", "weight_hh", "bias", "weight", "scores_bias")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, length, features, hidden = (3, 4, 5, 6) if small else (32, 32, 64, 128)
    return {
        "x": draw.normal(length, batch, features),  # (T, N, features)
        "label": draw.one_hot(batch, 10),
        "weight_ih": draw.normal(4 * hidden, features, scale=features**-0.5),
        "weight_hh": draw.normal(4 * hidden, hidden, scale=hidden**-0.5),
        "bias": draw.normal(4 * hidden, scale=0.1),
        "weight": draw.normal(hidden, 10, scale=hidden**-0.5),
        "scores_bias": draw.normal(10, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    length, batch, features = t["x"].shape
    hidden = t["weight"].shape[0]
    rows = t["x"].reshape((length * batch, features)) @ t["weight_ih"].T + t["bias"]

    def step(carry: Any, z: Any) -> Any:
        h, c = carry
        enter, keep, new, leave = gc.split(z + h @ t["weight_hh"].T, 4, axis=1)
        c = gc.sigmoid(keep) * c + gc.sigmoid(enter) * gc.tanh(new)
        h = gc.sigmoid(leave) * gc.tanh(c)
        return (h, c), None

    start = gc.zeros((batch, hidden), t["x"].dtype)
    (h, _), _ = gc.scan(step, (start, start), rows.reshape((length, batch, 4 * hidden)))
    return gc.nn.cross_entropy(h @ t["weight"] + t["scores_bias"], t["label"])


def _torch(t: Mapping[str, Any]) -> Any:
    import torch
    from torch.nn import functional

    features, hidden = t["x"].shape[2], t["weight"].shape[0]
    if torch.compiler.is_compiling():  # it does not take the layer
        h = c = t["x"].new_zeros(t["x"].shape[1], hidden)
        for z in functional.linear(t["x"], t["weight_ih"], t["bias"]):
            enter, keep, new, leave = (z + h @ t["weight_hh"].T).chunk(4, dim=1)
            c = torch.sigmoid(keep) * c + torch.sigmoid(enter) * torch.tanh(new)
            h = torch.sigmoid(leave) * torch.tanh(c)
    else:
        layer = torch.nn.LSTM(features, hidden, device="meta")
        weights = {
            "weight_ih_l0": t["weight_ih"], "weight_hh_l0": t["weight_hh"], "bias_ih_l0": t["bias"],
            "bias_hh_l0": torch.zeros_like(t["bias"]),
        }  # fmt: skip
        _, (h, _) = torch.func.functional_call(layer, weights, t["x"])
        h = h[0]
    return functional.cross_entropy(h @ t["weight"] + t["scores_bias"], t["label"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax
    from jax import nn
    from jax import numpy as jnp

    def step(carry: Any, z: Any) -> Any:
        h, c = carry
        enter, keep, new, leave = jnp.split(z + h @ t["weight_hh"].T, 4, axis=1)
        c = nn.sigmoid(keep) * c + nn.sigmoid(enter) * jnp.tanh(new)
        h = nn.sigmoid(leave) * jnp.tanh(c)
        return (h, c), None

    start = jnp.zeros((t["x"].shape[1], t["weight"].shape[0]), t["x"].dtype)
    (h, _), _ = jax.lax.scan(step, (start, start), t["x"] @ t["weight_ih"].T + t["bias"])
    return -(t["label"] * nn.log_softmax(h @ t["weight"] + t["scores_bias"], axis=1)).sum(axis=1).mean()


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor
    import pytensor.tensor as pt

    length, batch, _ = t["x"].type.shape
    hidden = t["weight"].type.shape[0]

    def step(z: Any, h: Any, c: Any, weight_hh: Any) -> Any:
        z = z + h @ weight_hh.T
        enter, keep, new, leave = (z[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c = pt.sigmoid(keep) * c + pt.sigmoid(enter) * pt.tanh(new)
        return pt.sigmoid(leave) * pt.tanh(c), c

    start = pt.zeros((batch, hidden), dtype=t["x"].dtype)
    (h, _), _ = pytensor.scan(
        step,
        sequences=[t["x"] @ t["weight_ih"].T + t["bias"]],
        outputs_info=[start, start],
        non_sequences=[t["weight_hh"]],
        n_steps=length,
        strict=True,
    )
    scores = h[-1] @ t["weight"] + t["scores_bias"]
    return -(t["label"] * pt.special.log_softmax(scores, axis=1)).sum(axis=1).mean()


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    def sigmoid(x: Any) -> Any:
        return 0.5 * anp.tanh(0.5 * x) + 0.5

    length, batch, features = t["x"].shape
    hidden = t["weight"].shape[0]
    rows = anp.dot(t["x"].reshape(length * batch, features), t["weight_ih"].T) + t["bias"]
    rows = anp.reshape(rows, (length, batch, 4 * hidden))
    h = c = np.zeros((batch, hidden), t["x"].dtype)
    for k in range(length):
        z = rows[k] + anp.dot(h, t["weight_hh"].T)
        gates = sigmoid(z)
        new = anp.tanh(z[:, 2 * hidden : 3 * hidden])
        c = gates[:, hidden : 2 * hidden] * c + gates[:, :hidden] * new
        h = gates[:, 3 * hidden :] * anp.tanh(c)
    scores = anp.dot(h, t["weight"]) + t["scores_bias"]
    return -anp.sum(t["label"] * (scores - logsumexp(scores, axis=1, keepdims=True))) / batch


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, label = t["x"], t["label"]
    w_ih, w_hh, bias, weight, scores_bias = (t[name] for name in _NAMES)
    (length, batch, features), hidden = x.shape, len(weight)
    rows = x.reshape(length * batch, features)
    i, f, n, o = (np.s_[:, k * hidden : (k + 1) * hidden] for k in range(4))
    # σ(z) = tanh(z / 2) / 2 + 1 / 2: one tanh for the four gates.
    factor = np.full(4 * hidden, 0.5, x.dtype)
    factor[2 * hidden : 3 * hidden] = 1
    offset = 1 - factor
    states = np.zeros((length + 1, 2, batch, hidden), x.dtype)
    tanhs = np.empty((length, batch, hidden), x.dtype)
    by_gates = np.empty((length, batch, 4 * hidden), x.dtype)

    def step() -> list[Any]:
        gates = (rows @ w_ih.T + bias).reshape(by_gates.shape)
        for k, z in enumerate(gates):
            z += states[k, 0] @ w_hh.T
            z *= factor
            np.tanh(z, out=z)
            z *= factor
            z += offset
            h, c = states[k + 1]
            np.multiply(z[f], states[k, 1], out=c)
            c += z[i] * z[n]
            np.tanh(c, out=tanhs[k])
            np.multiply(z[o], tanhs[k], out=h)
        last = states[length, 0]
        loss, g = cross_entropy(last @ weight + scores_bias, label)
        head = [last.T @ g, g.sum(axis=0)]
        by_h, by_c = g @ weight.T, np.zeros((batch, hidden), x.dtype)
        for k in reversed(range(length)):
            z, by_z = gates[k], by_gates[k]
            by_c += by_h * z[o] * (1 - tanhs[k] * tanhs[k])
            np.multiply(by_h, tanhs[k], out=by_z[o])
            np.multiply(by_c, z[n], out=by_z[i])
            np.multiply(by_c, states[k, 1], out=by_z[f])
            np.multiply(by_c, z[i], out=by_z[n])
            slope = 1 - z
            slope[n] *= 1 + z[n]
            slope[:, : 2 * hidden] *= z[:, : 2 * hidden]
            slope[o] *= z[o]
            by_z *= slope
            by_h = by_z @ w_hh
            by_c *= z[f]
        flat = by_gates.reshape(length * batch, -1)
        before = states[:length, 0].reshape(length * batch, hidden)
        return [loss, flat.T @ rows, flat.T @ before, flat.sum(axis=0), *head]

    return step


LSTM = Workload(
    "lstm",
    "training step of an LSTM: 32 sequences of 32 with 64 features, 128 hidden, 10 classes",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd},
    _by_hand,
    rate=0.1,
)
