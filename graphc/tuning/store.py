"""The store: the seconds that were measured, one JSON file a machine and layer, read without running code.

A file that is not what was written here is told of in a warning, and written anew. Each is written whole or
not at all, so that several processes may share the folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphc.files import write_atomically

Seconds = dict[str, float]
_FORMAT = 1
# What GRAPHC_CACHE says to keep nothing.
OFF = "off"


def cache_folder() -> Path | None:
    """Where times are kept: ``GRAPHC_CACHE``, or the user's folder of caches; None where it is "off"."""
    wanted = os.environ.get("GRAPHC_CACHE", "")
    if wanted:
        return None if wanted.lower() == OFF else Path(wanted).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return Path(local) / "graphc" / "cache" if local else Path.home() / "AppData/Local/graphc/cache"
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache") / "graphc"


class Store:
    """The seconds by key, in a folder or (without one) only while this object lives."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "convolution"
        self._here: dict[str, Seconds] = {}

    def read(self, key: Mapping[str, Any]) -> Seconds | None:
        """What is kept under the key, if anything that makes sense."""
        if self._folder is None:
            return self._here.get(_text(key))
        path = self._path(key)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _tell_of(path, f"{type(error).__name__}: {error}")
            return None
        seconds = _checked(content, key)
        if seconds is None:
            _tell_of(path, "it holds something else")
        return seconds

    def write(self, key: Mapping[str, Any], seconds: Seconds) -> None:
        """Keep the seconds under the key; a folder that cannot be written to is told of in a warning."""
        if self._folder is None:
            self._here[_text(key)] = seconds
            return
        text = json.dumps({"format": _FORMAT, "key": key, "seconds": seconds}, indent=1)
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file: file.write(text.encode()))
        except OSError as error:
            warnings.warn(f"measured times are not kept: {error}", RuntimeWarning, stacklevel=2)

    def _path(self, key: Mapping[str, Any]) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(_text(key).encode()).hexdigest()[:32]}.json"


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def _tell_of(path: Path, reason: str) -> None:
    told = f"{str(path)!r} is no file of measured times and will be written anew: {reason}"
    warnings.warn(told, RuntimeWarning, stacklevel=3)


def _checked(content: Any, key: Mapping[str, Any]) -> Seconds | None:
    """The seconds of a file's content, if it is of this format and key and they are times."""
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return None
    if content.get("key") != json.loads(json.dumps(key)):
        return None
    seconds = content.get("seconds")
    if not isinstance(seconds, dict) or not seconds or not all(map(_is_time, seconds.values())):
        return None
    return seconds


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value > 0
