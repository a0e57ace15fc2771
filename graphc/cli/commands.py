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
        return _compare(y, wrt, arguments)
    for option in ("at", "plot"):
        if getattr(arguments, option):
            raise TargetError(f"--{option} is of use with --compare alone")
    try:
        derivation = symbolic.grad(y, wrt if len(wrt) > 1 else wrt[0], check=arguments.check)
    except UnsupportedError as error:
        print(f"note: {error.message}; the automatic gradient follows as a graph", file=sys.stderr)
        print(text_form(automatic_gradient(y, wrt)))
        return 0
    if arguments.steps:
        for step in derivation.steps:
            checked = "" if step.error is None else f"  (differs by {step.error:.0e})"
            print(f"{step.rule}, {step.label}: {step.latex() if arguments.latex else step.text()}{checked}")
    else:
        print(derivation.latex() if arguments.latex else derivation.text())
    if arguments.html:
        print(derivation.save(arguments.html), file=sys.stderr)
    return 0


def _compare(y: Tensor, wrt: list[Tensor], arguments: argparse.Namespace) -> int:
    """Print the report of all engines, say what was drawn, write page and picture as asked."""
    values, told = _sample_values(y, arguments.at, arguments.seed)
    report = compare_gradients(y, wrt, at=values, seed=arguments.seed)
    print(report.table())
    if told:
        print(f"\ndrawn from seed {arguments.seed}: {', '.join(told)}; give values by --at NAME=VALUE")
    if arguments.html:
        Path(arguments.html).write_text(report.to_html(), encoding="utf-8")
        print(arguments.html)
    if arguments.plot:
        report.plot(arguments.plot)
        print(arguments.plot)
    return 0 if report.ok else 1


def compile_(arguments: argparse.Namespace) -> int:
    """Print the generated source, or write the standalone file."""
    function = load(arguments.target).compiled(arguments.tune)
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
    print(load(arguments.target).compiled(arguments.tune).explain())
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


def _sample_values(y: Tensor, given: list[str], seed: int) -> tuple[dict[str, Any], list[str]]:
    """A value for each source of y that has none of its own, and what of them was drawn, in words.

    Values are as given on the command line; a parameter with an init starts from that; the rest is drawn.
    """
    sources = _sources(y)
    values = _given_values(sources, given)
    sizes: dict[str, int] = {}
    for name, value in values.items():
        for size, seen in zip(sources[name].shape, value.shape, strict=False):
            if not isinstance(size, int) and size.is_Symbol:
                sizes[size.name] = seen
    told = []
    for source in sources.values():
        for symbol in symbols_of(source.shape):
            if symbol.name not in sizes:
                sizes[symbol.name] = _SAMPLE_SIZE
                told.append(f"{symbol.name} = {_SAMPLE_SIZE}")
    generator = np.random.default_rng(seed)
    for name, source in sources.items():
        if name in values or source.attrs.get("init") is not None:
            continue
        shape = tuple(evaluate_dim(size, sizes) for size in source.shape)
        # Integers are most often labels or indices: 0 and 1 fit nearly every range.
        drawn = generator.normal(size=shape) if is_float(source.dtype) else generator.integers(0, 2, shape)
        values[name] = np.asarray(drawn, source.dtype)
        told.append(f"{name} {shape}")
    return values, told


def _given_values(sources: dict[str, Tensor], given: list[str]) -> dict[str, Any]:
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
    return values
