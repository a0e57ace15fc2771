"""What a generated statement touches: its syntax enters; expressions of what it reads and writes leave."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, replace

from graphc.codegen.kernels import KERNELS

_PRODUCTS = ("np.matmul", "np.dot", "np.einsum")


@dataclass(frozen=True)
class Access:
    """Expressions of arrays, as source.

    ``held`` are those handed out without being read. ``product`` says that the arrays that are read are
    multiplied, ``equation`` how, if by einsum; ``returns`` that the function ends here.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    product: bool = False
    equation: str | None = None
    returns: bool = False


def access_of(statement: ast.stmt) -> Access:
    """What a statement of a generated function reads and writes; nothing for one that only makes a view."""
    match statement:
        case ast.Expr(value=ast.Call() as call):
            return _call(call)
        case ast.Assign(targets=[ast.Subscript() as target], value=value):
            return Access((ast.unparse(value),), (ast.unparse(target),))
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if (source := _copied(value)) is not None:
            return Access((source,), (name,))
        case ast.Assign(
            targets=[ast.Name(id=name)], value=ast.Call(keywords=[*_, ast.keyword(arg="out")]) as call
        ):
            return replace(_call(call), writes=(name,))
        case ast.Return(value=ast.Tuple(elts=values)):
            sources = [_copied(v) for v in values]
            # The traced source keeps what is returned in __result.
            copies = tuple([f"__result[{k}]" for k, source in enumerate(sources) if source is not None])
            held = [
                v.value if isinstance(v, ast.Subscript) else v for v in values if not isinstance(v, ast.Call)
            ]
            return Access(
                tuple([s for s in sources if s is not None]),
                copies,
                tuple(map(ast.unparse, held)),
                returns=True,
            )
    return Access()


def _copied(value: ast.expr) -> str | None:
    """What is copied by ``….copy()``."""
    match value:
        case ast.Call(func=ast.Attribute(value=source, attr="copy"), args=[]):
            return ast.unparse(source)
    return None


def _call(call: ast.Call) -> Access:
    """A call whose value is dropped: it writes into an argument."""
    given = tuple(map(ast.unparse, call.args))
    named = {k.arg: ast.unparse(k.value) for k in call.keywords}
    where = (named["where"],) if "where" in named else ()
    match call.func:
        case ast.Attribute(value=target, attr="fill"):
            return Access((), (ast.unparse(target),))
        case ast.Attribute(attr="copyto"):
            return Access((*given[1:], *where), given[:1])
        case ast.Attribute(attr="at"):
            return Access(given, given[:1])
        case ast.Name(id="in_tiles"):
            return Access()
        case ast.Name(id=name) if name in KERNELS:
            parameters = list(inspect.signature(KERNELS[name]).parameters)
            first = parameters.index("out") if "out" in parameters else len(parameters)
            return Access(given[:first], given[first:])  # what comes behind "out" is scratch, or no array
    out = (named["out"],) if "out" in named else ()
    name = ast.unparse(call.func)
    if name not in _PRODUCTS:
        return Access((*given, *where), out)
    if name == "np.einsum":
        return Access(given[1:], out, (), True, ast.literal_eval(given[0]))
    return Access(given, out, (), True)
