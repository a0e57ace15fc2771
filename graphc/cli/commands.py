"""The commands: parsed arguments enter, files and text leave, with an exit code."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.syntax import Syntax

import graphc.bench
from graphc import symbolic
from graphc.autodiff import grad as automatic_gradient
from graphc.cli.target import Target, TargetError, load
from graphc.compare import compare_gradients
from graphc.demo.run import EPOCHS, run
from graphc.draw import draw as draw_graph
from graphc.errors import UnsupportedError
from graphc.ir.dimension import evaluate_dim, symbols_of
from graphc.ir.dtype import is_float
from graphc.ir.printer import text_form
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

# The size that stands for each symbolic one where values are drawn: small, and told apart from 1 and 2.
_SAMPLE_SIZE = 3


def demo(arguments: argparse.Namespace) -> int:
    """Train on the digits, compare, draw, save."""
    epochs = EPOCHS if arguments.epochs is None else arguments.epochs
    if epochs < 1:
        raise TargetError(f"--epochs is {epochs}; give 1 or more")
    outcome = run(arguments.out, epochs=epochs, quiet=arguments.quiet)
    return 0 if outcome.gradients_agree else 1


def draw(arguments: argparse.Namespace) -> int:
    """Write a picture of the graph."""
    target = load(arguments.target)
    outputs: list[Tensor] = list(target.outputs.values())
    if arguments.grad:
        loss = _scalar(target)
        outputs += automatic_gradient(loss, _differentiable(loss))
    options: dict[str, Any] = {} if arguments.view is None else {"view": arguments.view}
    path = Path(arguments.out or f"{re.sub(r'[^A-Za-z0-9_-]', '_', target.name)}.svg")
    draw_graph(outputs, **options).save(path)
    print(path)
    return 0


def grad(arguments: argparse.Namespace) -> int:
    """Print the derivation of the gradient, or compare the engines' numbers."""
    y = _scalar(load(arguments.target))
    wrt = _chosen(y, arguments.wrt) if arguments.wrt else _differentiable(y)
    if arguments.compare:
        report = compare_gradients(y, wrt, at=_sample_values(y, arguments.at))
        print(report.table())
        return 0 if report.ok else 1
    try:
        derivation = symbolic.grad(y, wrt if len(wrt) > 1 else wrt[0])
    except UnsupportedError as error:
        print(f"note: {error.message}; the automatic gradient follows as a graph", file=sys.stderr)
        print(text_form(automatic_gradient(y, wrt)))
        return 0
    print(derivation.latex() if arguments.latex else derivation.text())
    return 0


def compile_(arguments: argparse.Namespace) -> int:
    """Print the generated source, or write the standalone file."""
    function = load(arguments.target).compiled()
    if arguments.out:
        function.save(arguments.out)
        print(arguments.out)
    elif sys.stdout.isatty():
        Console().print(Syntax(function.source, "python", theme="ansi_dark", background_color="default"))
    else:
        print(function.source)
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Print what each pass of the compiler did."""
    print(load(arguments.target).compiled().explain())
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Hand over to the benchmark, which has options of its own."""
    return int(graphc.bench.main(arguments.arguments) or 0)


# -- what to differentiate, and where ------------------------------------------------------------------
def _scalar(target: Target) -> Tensor:
    y = next(iter(target.outputs.values()))
    if y.shape != ():
        raise TargetError(
            f"{target.name!r} has shape {y.shape}, and a gradient is of one number; name e.g. its mean or sum"
        )
    return y


def _sources(y: Tensor, kinds: tuple[str, ...] = ("input", "parameter")) -> dict[str, Tensor]:
    return {n.name or "": n for n in topological_order([y]) if n.op.name in kinds}


def _differentiable(y: Tensor) -> list[Tensor]:
    """The trainable parameters below y; where there are none, its inputs of a float dtype."""
    found = [p for p in _sources(y, ("parameter",)).values() if p.attrs["trainable"]]
    found = found or [i for i in _sources(y, ("input",)).values() if is_float(i.dtype)]
    if not found:
        raise TargetError("the graph has no parameter and no float input to differentiate by")
    return found


def _chosen(y: Tensor, names: str) -> list[Tensor]:
    sources = _sources(y)
    # A name may itself hold commas, so the whole text is looked up first.
    wanted = [names] if names in sources else [n.strip() for n in names.split(",")]
    for name in wanted:
        if name not in sources:
            raise TargetError(
                f"there is no input or parameter {name!r}; there are {', '.join(map(repr, sources))}"
            )
    return [sources[name] for name in wanted]


def _sample_values(y: Tensor, given: list[str]) -> dict[str, Any]:
    """A value for every source of y: as given on the command line, else drawn at random (seed 0)."""
    sources = _sources(y)
    values: dict[str, Any] = {}
    for text in given:
        name, separator, literal = text.partition("=")
        if not separator or name not in sources:
            raise TargetError(
                f"--at {text!r} is not NAME=VALUE with a name of {', '.join(map(repr, sources))}"
            )
        try:
            values[name] = np.asarray(ast.literal_eval(literal), sources[name].dtype)
        except (ValueError, SyntaxError, TypeError):
            raise TargetError(f"--at {text!r}: {literal!r} is no number or list of numbers") from None
    sizes = {s.name: _SAMPLE_SIZE for source in sources.values() for s in symbols_of(source.shape)}
    for name, value in values.items():
        for size, seen in zip(sources[name].shape, value.shape, strict=False):
            if not isinstance(size, int) and size.is_Symbol:
                sizes[size.name] = seen
    generator = np.random.default_rng(0)
    for name, source in sources.items():
        if name not in values:
            shape = tuple(evaluate_dim(size, sizes) for size in source.shape)
            # Integers are most often labels or indices: 0 and 1 fit nearly every range.
            drawn = (
                generator.normal(size=shape) if is_float(source.dtype) else generator.integers(0, 2, shape)
            )
            values[name] = np.asarray(drawn, source.dtype)
    return values
