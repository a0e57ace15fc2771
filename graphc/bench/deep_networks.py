"""Deep convolutional networks: how long they take from the declaration to a compiled training step."""

from __future__ import annotations

import gc as garbage
import time
from collections.abc import Callable

import graphc as gc

CHANNELS = 16


def _plain(blocks: int) -> gc.nn.Layer:
    """Blocks of two convolutions with normalisation, pooled after a third and two thirds of them."""
    pool = [int(number in (blocks // 3, 2 * blocks // 3)) for number in range(blocks)]
    widths = [CHANNELS] * blocks
    return gc.nn.ConvNet(1, 10, blocks, convs=2, pool=pool, channels=widths, norm="batch")


def _residual(blocks: int) -> gc.nn.Layer:
    return gc.nn.Sequential(
        gc.nn.Conv2d(1, CHANNELS, 3, padding=1),
        *[gc.nn.ResidualBlock(CHANNELS, CHANNELS) for _ in range(blocks)],
        gc.nn.GlobalAvgPool(),
        gc.nn.Dense(CHANNELS, 10),
    )


NETWORKS: dict[str, Callable[[int], gc.nn.Layer]] = {
    "blocks of two convolutions": _plain,
    "residual blocks": _residual,
}


def deep_rows(blocks: int) -> list[tuple[str, int, float, float, float, float]]:
    """Of each network: its name, nodes, and seconds to build, differentiate, compile, and all of it.

    Every convolution has its normalisation, so a block is two convolutions, two normalisations in
    training and their running statistics; images are of 28 × 28, the batch is symbolic.
    """
    rows = []
    for name, make in NETWORKS.items():
        garbage.collect()
        start = time.perf_counter()
        x, label = gc.input("x", ("N", 1, 28, 28)), gc.input("label", ("N",), "int64")
        loss = gc.nn.cross_entropy(make(blocks)(x, training=True), label, ignore_index=None)
        built = time.perf_counter()
        updates = gc.optim.SGD(0.1).updates(loss, gc.parameters(loss)) | gc.nn.state_updates(loss)
        differentiated = time.perf_counter()
        step = gc.compile(loss, [x, label], updates=updates)
        end = time.perf_counter()
        rows.append(
            (
                f"{blocks} {name}", step.stats["nodes"],
                built - start, differentiated - built, end - differentiated, end - start,
            )
        )  # fmt: skip
    return rows
