"""Names from outside are never code."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.names import Namespace, identifier

HOSTILE = [
    '"; import os',
    "'''\n import os\n'''",
    '"""',
    "a\nb",
    "a\r\nimport os",
    "lambda",
    "None",
    "print",
    "np",
    "params",
    "compute",
    "σ",
    "变量",
    "x" * 10_000,
    "\\N{DASH}",
    "{x}",
    "%s",
    "#",
    " ",
    "\x00\x1b[31m",
    "2nd",
    "a/b",
    "\u2028x = 1",
    "\ud800",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_an_identifier_is_an_identifier(name: str) -> None:
    made = identifier(name)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", made) and len(made) <= 42
    assert ast.parse(f"{made} = 1")


def test_identifiers_are_handed_out_once() -> None:
    names = Namespace(("np",))
    made = [names.unique(n) for n in ("np", "np", "a b", "a_b", "a/b")]
    assert len(set(made)) == 5 and "np" not in made


def _step(name: str, other: str, scope: str, size: str) -> gc.Function:
    x = gc.input(name, (size, 3))
    with gc.scope(scope):
        w = gc.parameter(other, (3, 3), init=0.5)
        h = gc.tanh(x @ w)
    loss = (h * h).mean()
    return gc.compile({"loss": loss}, [x], updates={w: w - 0.1 * gc.grad(loss, w)})


def _shape_of(source: str) -> str:
    """The program with its identifiers numbered in order and its comments gone."""
    tree = ast.parse(source)
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        for field in ("id", "arg", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str) and value not in ("np", "workspace", "compute", "view"):
                setattr(node, field, numbers.setdefault(value, f"v{len(numbers)}"))
    return ast.dump(tree)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_change_identifiers_and_comments_only(name: str, tmp_path) -> None:
    plain = _step("x", "w", "layer", "N")
    f = _step(name, name, name, name)
    assert _shape_of(f.source) == _shape_of(plain.source)
    a = np.ones((4, 3), np.float32)
    assert f(**{name: a})["loss"] == plain(a)["loss"]
    assert list(f.params) == [f"{name}/{name}"]


@pytest.mark.parametrize("name", HOSTILE[:-1], ids=range(len(HOSTILE) - 1))
def test_hostile_names_in_scalar_programs(name: str) -> None:
    x = gc.input(name, (), "float64")
    f = gc.compile(gc.exp(x).named(name) * 2, [x])
    assert "math" in f.source
    assert f(0.0) == 2


def test_a_saved_function_with_hostile_names_runs(tmp_path) -> None:
    for number, name in enumerate(HOSTILE[:-1]):
        f = _step(name, name, name, name)
        path = tmp_path / f"step{number}.py"
        a = np.ones((2, 3), np.float32)
        f.save(path, example=[a])
        ast.parse(path.read_text())
    out = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    assert float(f(a)["loss"]).hex() in out
