"""Identifiers and comments made from names of any text: only a whitelist of characters passes."""

from __future__ import annotations

import builtins
import keyword
import re

from graphc.ir.printer import printable
from graphc.ir.tensor import Tensor

_FORBIDDEN = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)
_LONGEST = 40


def identifier(text: str) -> str:
    """A safe Python identifier close to the text.

    >>> identifier("dense1/W")
    'dense1_W'
    >>> identifier('"; import os')
    'import_os'
    >>> identifier("lambda"), identifier("σ"), identifier("2nd")
    ('lambda_', 'v', 'v2nd')
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:_LONGEST].strip("_")
    if not name or name[0].isdigit():
        name = f"v{name}"
    return f"{name}_" if name in _FORBIDDEN else name


def comment(text: str, limit: int = 96) -> str:
    """Text that can stand behind ``#``: one line, nothing that ends it."""
    return printable(text, limit)


class Namespace:
    """Hands out identifiers, each once."""

    def __init__(self, reserved: tuple[str, ...] = ()) -> None:
        self._taken = set(reserved)
        self._next: dict[str, int] = {}

    def unique(self, text: str) -> str:
        """A fresh identifier close to the text."""
        stem = identifier(text)
        name, number = stem, self._next.get(stem, 1)
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._next[stem] = number
        self._taken.add(name)
        return name


_PREFIX = {"forward": "", "backward": "grad_", "tangent": "tangent_", "update": "update_"}


def suggested_name(node: Tensor) -> str:
    """What a node would like to be called: by the user's name, else by its scope and op."""
    if node.name:
        return node.name
    scope = "_".join(node.scope[-2:])
    return f"{_PREFIX[node.role]}{scope + '_' if scope else ''}{node.op.name}"
