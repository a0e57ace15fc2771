"""What statements are said to write is what changes in memory: every op of the registry, watched."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
from graphc.runtime.accesses import Access, access_of
from graphc.runtime.instrument import parsed, traced
from tests.samples import SAMPLES

_ONE_AN_OP = list({s.op: s for s in SAMPLES}.values())


class _Watch:
    """Called behind each statement: no array in sight may have changed but those it says it writes."""

    def __init__(self, program) -> None:
        self.program, self.frame, self.before = program, None, {}

    def __call__(self, number, reads, writes, held) -> None:
        frame = sys._getframe(1)
        arrays = {n: v for n, v in frame.f_locals.items() if isinstance(v, np.ndarray)}
        written = [w for w in writes if isinstance(w, np.ndarray)]
        statement = self.program.statements[number]
        if frame is self.frame and statement.tile is None:
            for name, value in arrays.items():
                seen, content = self.before.get(name, (None, b""))
                if seen is value and value.tobytes() != content:
                    told = any(np.may_share_memory(value, w) for w in written)
                    assert told, f"{name} is changed by {statement.text}"
        self.frame = frame
        self.before = {n: (v, v.tobytes()) for n, v in arrays.items()}


@pytest.mark.parametrize("optimize", ["none", "default"])
@pytest.mark.parametrize("sample", _ONE_AN_OP, ids=lambda s: s.id)
def test_nothing_changes_that_is_not_said_to_be_written(sample, optimize) -> None:
    inputs, arrays = sample.inputs(), sample.arrays(np.random.default_rng(0))
    f = gc.compile({"y": sample.build(*inputs)}, list(inputs), optimize=optimize)
    program = parsed(f._compiled.source)
    watch = _Watch(program)
    twin = f._twin(traced(program), 1, {"__trace": watch})
    for _ in range(2):
        np.testing.assert_array_equal(twin(*arrays)["y"], f(*arrays)["y"])


def test_the_watch_sees_a_write_that_is_not_told() -> None:
    x = gc.input("x", ("N",))
    f = gc.compile([gc.exp(x + 1).sum()], [x], optimize="none")
    program = parsed(f.source)
    silent = replace(program, statements=tuple([replace(s, access=Access()) for s in program.statements]))
    twin = f._twin(traced(silent), 1, {"__trace": _Watch(program)})
    with pytest.raises(AssertionError, match=r"is changed by np.exp\("):
        twin(np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("np.add(a, b, out=c)", Access(("a", "b"), ("c",))),
        ("np.add.reduce(a, axis=0, out=c)", Access(("a",), ("c",))),
        ("np.copyto(c, a, where=m)", Access(("a", "m"), ("c",))),
        ("np.add.at(c, i, a)", Access(("c", "i", "a"), ("c",))),
        ("c.fill(0.0)", Access((), ("c",))),
        ("c[1:, 2] = a", Access(("a",), ("c[1:, 2]",))),
        ("np.concatenate((a, b), axis=1, out=c)", Access(("(a, b)",), ("c",))),
        ("np.matmul(a, b, out=c)", Access(("a", "b"), ("c",), product=True)),
        ("np.einsum('ij,ij->i', a, b, out=c)", Access(("a", "b"), ("c",), (), True, "ij,ij->i")),
        ("erf_into(a, c)", Access(("a",), ("c",))),
        ("fold_into(a, c, (0,), (1,), (1,))", Access(("a",), ("c", "(0,)", "(1,)", "(1,)"))),
        ("c = np.add(a, b, out=np.empty((2,), np.float32))", Access(("a", "b"), ("c",))),
        ("old = w.copy()", Access(("w",), ("old",))),
        ("b = a.reshape((2, 3))", Access()),
        ("c = np.empty((2, 3), np.float32)", Access()),
        ("in_tiles(tile1, kept, 4, 2, (), (a,))", Access()),
        ("return (a, b[()], c.copy())", Access(("c",), ("__result[2]",), ("a", "b"), returns=True)),
    ],
)  # fmt: skip
def test_the_forms_of_statements(text: str, expected: Access) -> None:
    (statement,) = ast.parse(text).body
    assert access_of(statement) == expected
