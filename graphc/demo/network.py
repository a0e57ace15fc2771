"""The demo's two graphs: the book's neuron σ(wx + b), and a classifier of handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass

import graphc as gc


@dataclass(frozen=True)
class Neuron:
    """One neuron on three numbers."""

    x: gc.Tensor
    w: gc.Tensor
    b: gc.Tensor
    y: gc.Tensor


def neuron() -> Neuron:
    """σ(wx + b) in double precision, from Qiu, *Neural Networks and Deep Learning*, section 4.5."""
    x = gc.input("x", (), "float64")
    w = gc.input("w", (), "float64")
    b = gc.input("b", (), "float64")
    return Neuron(x, w, b, gc.sigmoid(w * x + b).named("y"))


@dataclass(frozen=True)
class Classifier:
    """A network from images to digits, and its loss and accuracy: with dropout, and as it is used."""

    x: gc.Tensor
    label: gc.Tensor
    probabilities: gc.Tensor
    training: dict[str, gc.Tensor]
    testing: dict[str, gc.Tensor]


def classifier() -> Classifier:
    """64 pixels → 128 → 64 → 10 digits, with dropout while it trains."""
    x = gc.input("x", ("N", 64))
    label = gc.input("label", ("N",), "int64")
    model = gc.nn.Sequential(
        gc.nn.Dense(64, 128, activation="relu", init=gc.init.he_normal(), name="hidden1"),
        gc.nn.Dropout(0.2),
        gc.nn.Dense(128, 64, activation="relu", init=gc.init.he_normal(), name="hidden2"),
        gc.nn.Dense(64, 10, name="output"),
    )
    logits = model(x)
    return Classifier(
        x,
        label,
        gc.nn.softmax(logits, axis=1),
        training=measures(model(x, training=True), label),
        testing=measures(logits, label),
    )


def measures(logits: gc.Tensor, label: gc.Tensor) -> dict[str, gc.Tensor]:
    """Cross-entropy, and the share of images whose largest logit is that of their label."""
    with gc.scope("loss"):
        loss = gc.nn.cross_entropy(logits, label, ignore_index=None)
    with gc.scope("accuracy"):
        hits = gc.equal(gc.argmax(logits, axis=1), label)
        return {"loss": loss, "accuracy": gc.mean(hits.astype("float32"))}
