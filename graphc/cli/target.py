"""The target of a command: ``FILE:NAME`` enters, the tensors or the compiled function of that name leave."""

from __future__ import annotations

import inspect
import runpy
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphc.compiler import compile
from graphc.errors import GraphError
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.runtime.function import Function


class TargetError(Exception):
    """A target that cannot be used; ``from_user`` where the user's own file failed."""

    def __init__(self, message: str, *, from_user: bool = False) -> None:
        self.from_user = from_user
        super().__init__(message)


@dataclass(frozen=True)
class Target:
    """What a name in a file stands for."""

    name: str
    value: Any  # a Tensor, a dict, list or tuple of them, or a compiled Function

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The tensors by name; TargetError for a compiled function, which has none any more."""
        if isinstance(self.value, Function):
            raise TargetError(
                f"{self.name!r} is a compiled function, which keeps no tensors; name those it is made of"
            )
        if isinstance(self.value, Tensor):
            return {self.value.name or self.name: self.value}
        if isinstance(self.value, Mapping):
            return {str(k): v for k, v in self.value.items()}
        return {v.name or f"{self.name}[{i}]": v for i, v in enumerate(self.value)}

    @property
    def inputs(self) -> list[Tensor]:
        """The inputs that the tensors need, in order of first use."""
        return [n for n in topological_order(self.outputs.values()) if n.op.name == "input"]

    def compiled(self, tune: bool = False) -> Function:
        """The function of this name, or the tensors compiled, with ``tune`` by measurement."""
        if not isinstance(self.value, Function):
            return compile(self.value, self.inputs, tune=tune)
        if tune:
            raise TargetError(
                f"{self.name!r} is compiled already, so that --tune comes too late; "
                "compile it with tune=True, or name the tensors it is made of"
            )
        return self.value


def load(target: str) -> Target:
    """Run the file and look the name up; TargetError where that does not work."""
    file, separator, name = target.rpartition(":")
    if not separator or not file or not name:
        raise TargetError(f"{target!r} is not of the form FILE:NAME, e.g. network.py:loss")
    path = Path(file)
    if not path.is_file():
        raise TargetError(f"there is no file {file!r}")
    value = _look_up(_run(path), name, file)
    if inspect.isfunction(value):
        value = _returned(value, name, file)
    members = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(members, (Tensor, Function)) or (
        isinstance(members, (list, tuple)) and members and all(isinstance(m, Tensor) for m in members)
    ):
        return Target(name, value)
    raise TargetError(
        f"{name!r} in {file!r} is a {type(value).__name__}; a tensor, a dict, list or tuple of tensors, "
        "a function without arguments that returns them, or a compiled function is needed"
    )


def _run(path: Path) -> dict[str, Any]:
    """The globals of the file once run, with its folder on the import path, as `python FILE` has it."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        return runpy.run_path(str(path), run_name=path.stem)
    except GraphError:
        raise
    except SystemExit as error:
        raise TargetError(f"{str(path)!r} called sys.exit({error.code!r})", from_user=True) from None
    except Exception as error:
        raise _user_failure(error, path) from None
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _user_failure(error: BaseException, path: Path) -> TargetError:
    """The user's own traceback, without the frames above the user's file."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, f in enumerate(frames) if Path(f.filename) == path), len(frames))
    told = "".join(traceback.format_list(frames[first:]) + traceback.format_exception_only(error))
    return TargetError(f"{str(path)!r} failed:\n{told.rstrip()}", from_user=True)


def _look_up(found: Mapping[str, Any], name: str, file: str) -> Any:
    if name in found:
        return found[name]
    usable = [n for n, v in found.items() if isinstance(v, (Tensor, Function)) and not n.startswith("_")]
    hint = f"; it has {', '.join(sorted(usable))}" if usable else ""
    raise TargetError(f"{file!r} has no name {name!r}{hint}")


def _returned(function: Any, name: str, file: str) -> Any:
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise TargetError(
            f"{name!r} in {file!r} takes arguments ({', '.join(needed)}); name a function without any"
        )
    try:
        return function()
    except GraphError:
        raise
    except Exception as error:
        raise _user_failure(error, Path(file)) from None
