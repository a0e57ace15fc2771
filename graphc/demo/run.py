"""The demo from end to end: declare, derive, compare, compile, train, draw, save, show."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text
from threadpoolctl import threadpool_limits

import graphc as gc
from graphc.demo.network import Classifier, classifier, neuron
from graphc.demo.page import write_page

EPOCHS = 40
BATCH = 64
LEARNING_RATE = 2e-3
# Qiu's example: here y = 0.5 and ∂y/∂w = 0.25.
NEURON_POINT = {"x": 1.0, "w": 0.0, "b": 0.0}


@dataclass(frozen=True)
class Outcome:
    """What the demo found."""

    accuracy: float
    gradients_agree: bool
    next_loss: float
    seconds: float
    folder: Path


def run(
    out: str | Path = "graphc-demo", *, epochs: int = EPOCHS, quiet: bool = False, seed: int = 0
) -> Outcome:
    """Train the classifier, compare gradients, and leave pictures, source and a page in ``out``."""
    started = time.perf_counter()
    console = Console(quiet=quiet, highlight=False)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    digits = gc.datasets.digits(flat=True)
    net = classifier()

    console.rule("One neuron, y = σ(wx + b), at x = 1, w = 0, b = 0")
    one = neuron()
    derivation = gc.symbolic.grad(one.y, one.w)
    slope = gc.compile(derivation.result, [one.x, one.w, one.b])
    console.print(Text(f"{derivation.text()}\n∂y/∂w = {slope(*NEURON_POINT.values()):g} here\n"))
    neuron_report = gc.compare_gradients(one.y, [one.w, one.b], at=NEURON_POINT)
    console.print(Text(neuron_report.table()), soft_wrap=True)

    console.rule("Training on 1 437 handwritten digits")
    loss = net.testing["loss"]
    weights = gc.parameters(loss)
    steps = -(-len(digits.train.labels) // BATCH) * epochs
    optimizer = gc.optim.Adam(gc.optim.schedules.cosine_decay(LEARNING_RATE, steps))
    step = gc.compile(
        net.training,
        [net.x, net.label],
        updates=optimizer.updates(net.training["loss"], weights),
        seed=seed,
    )
    measure = gc.compile(net.testing, [net.x, net.label], params=step.params)
    # Products this small gain nothing from a second thread, and on a busy machine lose by waiting for it.
    with threadpool_limits(1):
        history = gc.fit(
            step,
            digits.train,
            epochs=epochs,
            batch_size=BATCH,
            validation=digits.held_out,
            evaluate=measure,
            seed=seed,
            progress=None if not quiet else False,
        )
    accuracy = float(measure(*digits.held_out)["accuracy"])
    console.print(f"held-out accuracy: {accuracy:.2%} of {len(digits.held_out.labels)} images")

    console.rule("The network's gradient, by every engine, on four images")
    network_report = compare_network(net, step.params, digits.held_out)
    console.print(Text(network_report.table()), soft_wrap=True)

    gc.draw([loss, *gc.grad(loss, weights)]).save(folder / "backward.svg")
    for name in ("graph.svg", "graph.png"):
        gc.draw(net.testing, direction="LR").save(folder / name)
    batch = {"x": digits.train.images[:BATCH], "label": digits.train.labels[:BATCH]}
    step.save(folder / "step.py", example=batch)
    predict = gc.compile(net.probabilities, [net.x], params=step.params)
    probabilities = predict(digits.held_out.images)
    # One step more: `python step.py` takes the same one, and must print the same loss to the last bit.
    next_loss = float(step(**batch)["loss"])
    write_page(
        folder,
        history=history,
        accuracy=accuracy,
        images=digits.held_out.images,
        labels=digits.held_out.labels,
        probabilities=probabilities,
        neuron=one.y,
        derivation=derivation,
        reports={"The neuron": neuron_report, "The network": network_report},
        source=step.source,
        next_loss=next_loss,
    )
    outcome = Outcome(
        accuracy, neuron_report.ok and network_report.ok, next_loss, time.perf_counter() - started, folder
    )
    Console(highlight=False).print(
        f"held-out accuracy {accuracy:.2%}; gradients {'agree' if outcome.gradients_agree else 'DIFFER'}; "
        f"{outcome.seconds:.1f} s; see {folder / 'index.html'}",
        soft_wrap=True,
    )
    return outcome


def compare_network(
    net: Classifier, params: dict[str, np.ndarray[Any, Any]], data: gc.datasets.Split
) -> gc.GradientReport:
    """The gradient by the first layer's bias and the last layer's weights, for four real images."""
    loss = net.testing["loss"]
    weights = gc.parameters(loss)
    values: dict[object, object] = {p: params[p.name or ""] for p in weights}
    values |= {"x": data.images[:4], "label": data.labels[:4]}
    return gc.compare_gradients(
        loss, [p for p in weights if p.name in ("hidden1/bias", "output/weight")], at=values
    )
