"""The command line: arguments enter, one command is run, an exit code leaves.

0 is success, 1 a failure of the user's own file, 2 a mistake that the message explains, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from graphc import __version__
from graphc.cli import commands
from graphc.cli.target import TargetError
from graphc.errors import GraphError

_TARGET = (
    "a Python file and a name in it: of a tensor, a dict, list or tuple of tensors, a function without "
    "arguments that returns them, or a compiled function. The file is run as Python runs it (with "
    '__name__ other than "__main__"), so give only files you trust'
)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command."""
    top = argparse.ArgumentParser(
        prog="graphc", description="Declare, differentiate, optimise, generate NumPy, run, draw."
    )
    top.add_argument("--version", action="version", version=f"graphc {__version__}")
    choices = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = choices.add_parser(
        "demo", help="train a network on real handwritten digits and show all of graphc"
    )
    demo.add_argument(
        "--out", default="graphc-demo", metavar="DIR", help="folder for the results (%(default)s)"
    )
    demo.add_argument("--epochs", type=int, default=None, help="passes over the training images")
    demo.add_argument("--quiet", action="store_true", help="print the summary alone")
    demo.set_defaults(run=commands.demo)

    draw = _with_target(choices, "draw", "draw the graph")
    draw.add_argument("-o", "--out", metavar="PICTURE", help="svg, png, pdf or dot (default: NAME.svg)")
    draw.add_argument("--grad", action="store_true", help="show the backward graph in the same picture")
    draw.add_argument("--view", default=None, metavar="VIEW", help="which view of the graph to draw")
    draw.set_defaults(run=commands.draw)

    grad = _with_target(choices, "grad", "derive the gradient, step by step")
    grad.add_argument("--wrt", metavar="A,B", help="names to differentiate by (default: all parameters)")
    grad.add_argument("--latex", action="store_true", help="print the derivation as LaTeX")
    grad.add_argument("--steps", action="store_true", help="print every step, in index notation")
    grad.add_argument("--check", action="store_true", help="evaluate both sides of every step as well")
    grad.add_argument("--compare", action="store_true", help="compare all engines in numbers")
    grad.add_argument(
        "--at", action="append", default=[], metavar="NAME=VALUE",
        help="a value for --compare, as a Python literal; parameters start from their init, others are drawn",
    )  # fmt: skip
    grad.add_argument(
        "--seed", type=int, default=0, metavar="N", help="what --compare draws from (%(default)s)"
    )
    grad.add_argument(
        "--html", metavar="PAGE", help="write the derivation, or with --compare the report, as a page"
    )
    grad.add_argument("--plot", metavar="PICTURE", help="with --compare: draw the report (needs Matplotlib)")
    grad.set_defaults(run=commands.grad)

    compile_ = _with_target(choices, "compile", "generate NumPy source")
    compile_.add_argument(
        "-o", "--out", metavar="FILE", help="write a standalone file (default: print the source)"
    )
    _with_tune(compile_)
    compile_.set_defaults(run=commands.compile_)

    explain = _with_target(choices, "explain", "show each compiler pass: nodes before and after, rules fired")
    _with_tune(explain)
    explain.set_defaults(run=commands.explain)

    bench = choices.add_parser("bench", help="measure the compiler on this machine", add_help=False)
    bench.add_argument("arguments", nargs=argparse.REMAINDER)
    bench.set_defaults(run=commands.bench)
    return top


def _with_target(
    choices: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str
) -> argparse.ArgumentParser:
    command = choices.add_parser(name, help=help_)
    command.add_argument("target", metavar="FILE:NAME", help=_TARGET)
    return command


def _with_tune(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tune", action="store_true",
        help="choose the algorithms of convolutions by measuring them (kept in the user's cache)",
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process if left out); return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # argparse takes options after REMAINDER for its own; what follows `bench` belongs to the benchmark.
    if words[:1] == ["bench"]:
        arguments, rest = parser().parse_args(["bench"]), words[1:]
        arguments.arguments = rest
    else:
        arguments = parser().parse_args(words)
    errors = Console(stderr=True, highlight=False)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except (GraphError, TargetError) as error:
        errors.print("error:", style="bold red", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        return 1 if isinstance(error, TargetError) and error.from_user else 2
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
