"""Instrumented source: a generated program enters; the same with a call behind each statement leaves.

A *statement* is one of ``compute`` or of a function of tiles, also inside loops. The names that are added
begin with ``__``, which no generated name does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.runtime.accesses import Access, access_of


@dataclass(frozen=True)
class Statement:
    """A statement by number: its first line in the source, its text, and the function that it stands in.

    ``tile`` is the function that it runs in tiles, if it does that.
    """

    number: int
    line: int
    text: str
    function: str
    tile: str | None
    access: Access


@dataclass(frozen=True)
class Program:
    """A program's statements, and where they stand."""

    lines: tuple[str, ...]
    functions: tuple[ast.FunctionDef, ...]
    statements: tuple[Statement, ...]


def parsed(source: str) -> Program:
    """The statements of ``compute`` and of the functions it calls in tiles, in the order of the source."""
    tree = ast.parse(source)
    lines = source.splitlines()
    functions = [found for node in tree.body if (found := _computing(node)) is not None]
    statements: list[Statement] = []
    for name, function in functions:
        for node in _statements(_body(function)):
            assigned = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
            text = lines[node.lineno - 1].partition("  #")[0].strip()
            statements.append(
                Statement(len(statements), node.lineno, text, name, _tile(assigned), access_of(node))
            )
    return Program(tuple(lines), tuple([function for _, function in functions]), tuple(statements))


def _computing(node: ast.stmt) -> tuple[str, ast.FunctionDef] | None:
    """The function ``compute`` that a function of the program gives, and the name of its region if any."""
    if not isinstance(node, ast.FunctionDef):
        return None
    inside = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "compute"]
    if inside:
        return ("compute" if node.name == "workspace" else node.name), inside[0]
    return None


def timed(program: Program) -> str:
    """The source that reads the clock behind each statement; ``__record`` and ``__clock`` are given."""
    return _with_calls(
        program,
        ("__seconds, __turns = __record()", "__last = __clock()"),
        lambda s: (
            f"__now = __clock(); __seconds[{s.number}] += __now - __last; "
            f"__turns[{s.number}] += 1; __last = __now"
        ),
        heads=True,
    )


def traced(program: Program) -> str:
    """The source that hands what a statement touches to ``__trace``."""

    def call(statement: Statement) -> str:
        access = statement.access
        groups = ", ".join(
            f"({''.join(f'{e}, ' for e in group)})" for group in (access.reads, access.writes, access.held)
        )
        return f"__trace({statement.number}, {groups})"

    return _with_calls(program, (), call, heads=False)


def _with_calls(
    program: Program, opening: Sequence[str], call: Callable[[Statement], str], heads: bool
) -> str:
    """The source with lines behind each statement; with ``heads`` also where the body of a loop begins."""
    lines = list(program.lines)
    added: dict[int, list[str]] = {}  # by the line they come behind
    numbered = iter(program.statements)

    def write(block: Sequence[ast.stmt]) -> None:
        for node in block:
            statement = next(numbered)
            indent = " " * node.col_offset
            bodies = _blocks(node)
            for body in bodies:
                if heads:
                    begin = " " * body[0].col_offset
                    added.setdefault(body[0].lineno - 1, []).append(begin + call(statement))
                write(body)
            if isinstance(node, ast.Return):
                text = lines[node.lineno - 1]
                lines[node.lineno - 1] = f"{indent}__result = {text[node.col_offset + len('return') :]}"
            end = added.setdefault(node.end_lineno or node.lineno, [])
            if heads or not bodies:
                end.append(indent + call(statement))
            if isinstance(node, ast.Return):
                end.append(f"{indent}return __result")

    for function in program.functions:
        body = _body(function)
        indent = " " * body[0].col_offset
        added.setdefault(body[0].lineno - 1, []).extend([indent + text for text in opening])
        write(body)
    written = []
    for number, text in enumerate(lines, 1):
        written += [text, *added.get(number, [])]
    return "\n".join(written) + "\n"


def _body(function: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of a function, without its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    match node:
        case (
            ast.For(body=body, orelse=other)
            | ast.While(body=body, orelse=other)
            | ast.If(body=body, orelse=other)
        ):
            return [block for block in (body, other) if block]
        case ast.With(body=body):
            return [body]
    return []


def _statements(block: Sequence[ast.stmt]) -> list[ast.stmt]:
    found = []
    for node in block:
        found.append(node)
        for inner in _blocks(node):
            found += _statements(inner)
    return found


def _tile(node: ast.AST | None) -> str | None:
    """The function that a call runs in tiles."""
    match node:
        case ast.Call(func=ast.Name(id="in_tiles"), args=[ast.Name(id=name), *_]):
            return name
    return None
