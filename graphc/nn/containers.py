"""Layers made of layers: a tensor enters the first, what it leaves enters the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import overload

from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.layer import Layer


class Sequential(Layer):
    """Layers and functions, each applied to the result of the one before.

    Parts without a name of their own are called "0", "1", … by their place. A function takes a
    tensor and gives one. Raises GraphError for anything else.

    >>> import graphc as gc
    >>> model = gc.nn.Sequential(gc.nn.Dense(4, 8), gc.nn.relu, gc.nn.Dense(8, 2, name="out"))
    >>> model(gc.input("x", ("N", 4))).shape
    (N, 2)
    >>> [p.name for p in model.parameters()]
    ['0/weight', '0/bias', 'out/weight', 'out/bias']
    """

    def __init__(self, *steps: Layer | Callable[[Tensor], Tensor], name: str | None = None) -> None:
        super().__init__(name)
        self._steps = steps
        for place, step in enumerate(steps):
            if isinstance(step, Layer):
                self.add(str(place), step)
            elif not callable(step):
                raise GraphError(
                    f"step {place} is {step!r}, neither a layer nor a function",
                    op="Sequential", location=user_location(),
                    remedy="pass layers one by one: Sequential(a, b, c)",
                )  # fmt: skip

    def forward(self, x: Tensor, training: bool) -> Tensor:
        for step in self._steps:
            x = step(x, training=training) if isinstance(step, Layer) else step(x)
        return x

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Layer | Callable[[Tensor], Tensor]]:
        return iter(self._steps)

    @overload
    def __getitem__(self, place: int) -> Layer | Callable[[Tensor], Tensor]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequential: ...
    def __getitem__(self, place: int | slice) -> Layer | Callable[[Tensor], Tensor] | Sequential:
        """One step, or some of them as a Sequential that shares their parameters."""
        return Sequential(*self._steps[place]) if isinstance(place, slice) else self._steps[place]
