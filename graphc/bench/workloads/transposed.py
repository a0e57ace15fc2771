"""A transposed convolution of 4×4 that doubles the image; the mean square of its result and gradients.

After A. Radford et al., *Unsupervised representation learning with deep convolutional generative adversarial
networks*, 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, results, side = (2, 3, 2, 5) if small else (16, 64, 32, 14)
    return {
        "x": draw.normal(batch, channels, side, side),
        "filter": draw.normal(channels, results, 4, 4, scale=(16 * channels) ** -0.5),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    return (gc.nn.conv_transpose2d(t["x"], t["filter"], stride=2, padding=1) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    return (functional.conv_transpose2d(t["x"], t["filter"], stride=2, padding=1) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    # The convolution by the filter turned round, of x with a zero between its elements.
    turned = jax.numpy.flip(t["filter"], (2, 3)).swapaxes(0, 1)
    y = jax.lax.conv_general_dilated(t["x"], turned, (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2))
    return (y**2).mean()


TRANSPOSED = Workload(
    "transposed",
    "value and gradients of a transposed convolution: 16×64×14×14 to 16×32×28×28, 4×4, stride 2",
    _data,
    ("x", "filter"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
)
