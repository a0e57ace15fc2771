"""Early stopping: the history of one number enters, the best epoch and whether to stop leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from graphc.errors import GraphError


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs.

    ``monitor`` names a column of the history, e.g. ``"validation_loss"``. ``mode`` says which way is
    better; left out, names with "accuracy" in them are better high, all others low. With
    ``restore_best`` the run ends with the parameters of its best epoch, whether or not it was
    stopped early. It decides from the history alone, so a resumed run decides the same.

    Source: L. Prechelt, Early Stopping — But When?, in Neural Networks: Tricks of the Trade (1998).

    >>> stopping = EarlyStopping("validation_loss", patience=2)
    >>> stopping.best_epoch([3.0, 1.0, 2.0]), stopping.should_stop([3.0, 1.0, 2.0])
    (1, False)
    >>> stopping.should_stop([3.0, 1.0, 2.0, 1.5])
    True
    """

    monitor: str = "validation_loss"
    patience: int = 5
    min_delta: float = 0.0
    mode: Literal["min", "max"] | None = None
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1 or self.min_delta < 0 or self.mode not in ("min", "max", None):
            raise GraphError(
                f"patience={self.patience!r}, min_delta={self.min_delta!r}, mode={self.mode!r} "
                "make no rule to stop by",
                op="EarlyStopping",
                remedy='patience is at least 1, min_delta at least 0, mode "min", "max" or None',
            )

    @property
    def sign(self) -> float:
        """1 where small values are better, −1 where large ones are."""
        mode = self.mode or ("max" if "accuracy" in self.monitor.lower() else "min")
        return 1.0 if mode == "min" else -1.0

    def best_epoch(self, values: Sequence[float]) -> int:
        """The place of the last improvement; NaN is never one."""
        place, least = 0, math.inf
        for i, value in enumerate(values):
            if self.sign * value < least - self.min_delta:
                place, least = i, self.sign * value
        return place

    def should_stop(self, values: Sequence[float]) -> bool:
        """Whether ``patience`` epochs have passed since the last improvement."""
        return bool(values) and len(values) - 1 - self.best_epoch(values) >= self.patience
