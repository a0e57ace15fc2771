"""Checkpoints: the state of a training run enters, one file leaves that is always whole, or the reverse.

The file is an ``.npz`` without pickle. Names of parameters may hold any text, so they stand in a
JSON index and the arrays are numbered.
"""

from __future__ import annotations

import glob
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import GraphError
from graphc.files import write_atomically

Array = np.ndarray[Any, Any]
_FORMAT = "graphc checkpoint 1"


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped.

    ``parameters`` holds all of the step's arrays, the optimiser's state among them; ``best`` those of
    the best epoch so far, where early stopping keeps them; ``calls`` is the step's call counter, from
    which its random draws follow; ``epochs`` is the history's table; ``settings`` what must not
    change between the runs (seed, batch size, shuffling).
    """

    parameters: Mapping[str, Array]
    calls: int = 0
    epochs: Mapping[str, list[float]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    best: Mapping[str, Array] = field(default_factory=dict)


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write the checkpoint so that, killed at any moment, the old file or the new one is there, whole.

    The bytes go to a file beside it, are flushed to the disk, and take the file's name in one step.
    What a killed run left behind is never read, and the next checkpoint removes it; so two runs must
    not write one checkpoint at the same time.
    """
    target = Path(path)
    names = list(checkpoint.parameters)
    best = list(checkpoint.best)
    index = {
        "format": _FORMAT,
        "parameters": names,
        "best": best,
        "calls": int(checkpoint.calls),
        "epochs": dict(checkpoint.epochs),
        "settings": dict(checkpoint.settings),
    }
    arrays: dict[str, Any] = {f"parameter_{i}": checkpoint.parameters[name] for i, name in enumerate(names)}
    arrays |= {f"best_{i}": checkpoint.best[name] for i, name in enumerate(best)}
    # Escaped to ASCII, so that even text that is no valid Unicode comes back as it was.
    arrays["index"] = np.frombuffer(json.dumps(index, ensure_ascii=True).encode("ascii"), np.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda file: np.savez(file, **arrays))
    _flush_folder(target.parent)
    for leftover in target.parent.glob(f".{glob.escape(target.name[:80])}.*.part"):
        leftover.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself durable, where the system can (POSIX)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint; GraphError where the file is none. Nothing in the file is executed."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            index = json.loads(stored["index"].tobytes())
            if index["format"] != _FORMAT:
                raise ValueError(f"format {index['format']!r}")
            return Checkpoint(
                {name: stored[f"parameter_{i}"] for i, name in enumerate(index["parameters"])},
                index["calls"],
                index["epochs"],
                index["settings"],
                {name: stored[f"best_{i}"] for i, name in enumerate(index["best"])},
            )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise GraphError(
            f"{os.fspath(path)!r} is no graphc checkpoint: {error}",
            op="fit",
            remedy="give another path, or remove the file to start afresh",
        ) from error


def restore_parameters(parameters: Mapping[str, Array], stored: Mapping[str, Array], path: str) -> None:
    """Write the stored values into the arrays in place; GraphError, and no write, where they do not fit."""
    missing = [n for n in parameters if n not in stored]
    foreign = [n for n in stored if n not in parameters]
    differing = [
        f"{n!r} is {stored[n].dtype}{stored[n].shape} there and {a.dtype}{a.shape} here"
        for n, a in parameters.items()
        if n in stored and (stored[n].shape != a.shape or stored[n].dtype != a.dtype)
    ]
    complaints = [
        *([f"it lacks {', '.join(map(repr, missing[:3]))}"] if missing else []),
        *([f"it has {', '.join(map(repr, foreign[:3]))} besides"] if foreign else []),
        *differing[:3],
    ]
    if complaints:
        raise GraphError(
            f"checkpoint {path!r} is of another network: {'; '.join(complaints)}",
            op="fit",
            remedy="give the checkpoint of this network, another path, or resume=False to overwrite it",
        )
    for name, array in parameters.items():
        array[...] = stored[name]
