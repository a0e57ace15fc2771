"""A WaveNet stack: causal convolutions of two taps, dilated by 1, 2, 4, …, gated, with residuals and skips.

The mean square of the skips' sum and the gradients of all weights. After A. van den Oord et al., *WaveNet: a
generative model for raw audio*, 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import Convolution
from graphc.bench.workload import Data, Draws, Workload

_LAYERS = 6
_NAMES = tuple(f"{part}{layer}" for layer in range(_LAYERS) for part in ("gates", "mix"))


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, length = (2, 3, 40) if small else (8, 32, 1024)
    data = {"x": draw.normal(batch, channels, length)}
    for layer in range(_LAYERS):
        data[f"gates{layer}"] = draw.normal(2 * channels, channels, 2, scale=(2 * channels) ** -0.5)
        data[f"mix{layer}"] = draw.normal(channels, channels, 1, scale=channels**-0.5)
    return data


def _graphc(t: Mapping[str, Any]) -> Any:
    h, skips = t["x"], []
    for layer in range(_LAYERS):
        z = gc.nn.conv1d(h, t[f"gates{layer}"], padding=[(2**layer, 0)], dilation=2**layer)
        a, b = gc.split(z, 2, axis=1)
        skip = gc.nn.conv1d(gc.tanh(a) * gc.sigmoid(b), t[f"mix{layer}"])
        h = h + skip
        skips.append(skip)
    return (reduce(add, skips) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    import torch
    from torch.nn import functional

    h, skips = t["x"], []
    for layer in range(_LAYERS):
        padded = functional.pad(h, (2**layer, 0))
        a, b = functional.conv1d(padded, t[f"gates{layer}"], dilation=2**layer).chunk(2, dim=1)
        skip = functional.conv1d(torch.tanh(a) * torch.sigmoid(b), t[f"mix{layer}"])
        h = h + skip
        skips.append(skip)
    return (reduce(add, skips) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    h, skips = t["x"], []
    for layer in range(_LAYERS):
        reach = 2**layer
        z = jax.lax.conv_general_dilated(h, t[f"gates{layer}"], (1,), [(reach, 0)], rhs_dilation=(reach,))
        a, b = jax.numpy.split(z, 2, axis=1)
        gated = jax.numpy.tanh(a) * jax.nn.sigmoid(b)
        skip = jax.lax.conv_general_dilated(gated, t[f"mix{layer}"], (1,), "VALID")
        h = h + skip
        skips.append(skip)
    return (reduce(add, skips) ** 2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x = t["x"][:, :, None]  # images of one row
    channels = x.shape[1]
    gates = [t[f"gates{layer}"][:, :, None] for layer in range(_LAYERS)]
    mixes = [t[f"mix{layer}"][:, :, 0] for layer in range(_LAYERS)]
    convolutions = [Convolution(x, w, columns=(2**k, 0), dilation=2**k) for k, w in enumerate(gates)]
    rows = (len(x), channels, -1)

    def step() -> list[Any]:
        h, total, kept = x, np.zeros(t["x"].shape, x.dtype), []
        for convolution, w, mix in zip(convolutions, gates, mixes, strict=True):
            z = convolution.forward(h, w).reshape(len(x), 2 * channels, -1)
            z[:, channels:] *= 0.5  # σ(z) = tanh(z / 2) / 2 + 1 / 2
            np.tanh(z, out=z)
            a, b = z[:, :channels], z[:, channels:]
            b *= 0.5
            b += 0.5
            gated = a * b
            skip = mix @ gated
            total += skip
            kept.append((a, b, gated))
            h = h + skip[:, :, None]
        loss = np.vdot(total, total) / total.size
        by_total = total * (2 / total.size)
        by_h, gradients = np.zeros_like(total), []
        for layer in reversed(range(_LAYERS)):
            a, b, gated = kept[layer]
            by_skip = by_total + by_h
            by_mix = (by_skip @ gated.swapaxes(1, 2)).sum(axis=0)
            g = mixes[layer].T @ by_skip
            by_z = np.concatenate([g * b * (1 - a * a), g * gated * (1 - b)], axis=1)[:, :, None]
            if layer:
                by_x, by_gates = convolutions[layer].backward(by_z, gates[layer])
                by_h += by_x.reshape(rows)
            else:
                by_gates = convolutions[layer].filter_gradient(by_z, gates[layer])
            gradients += [by_mix[:, :, None], by_gates[:, :, 0]]
        return [loss, *gradients[::-1]]

    return step


WAVENET = Workload(
    "wavenet",
    "value and gradients of a WaveNet stack: 8×32×1024, 6 gated layers dilated by 1 to 32",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
)
