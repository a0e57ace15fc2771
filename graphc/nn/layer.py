"""Layers: callable objects that make parameters once, and map a tensor to a tensor at each call.

A parameter's name is the path of its layer: the scopes open when the layer was made, the names of
the layers it is a part of, its own name. A layer may become a part after it was made, as in
``Sequential(Dense(4, 3), …)``; so its parameters are made when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import Context
from threading import RLock
from typing import Any

from graphc import ops
from graphc.errors import GraphError
from graphc.init import Initializer
from graphc.ir.origin import Origin, current_scope, inheriting, scope, user_location
from graphc.ir.tensor import Tensor
from graphc.ops.sources import as_tensor

_making = RLock()


class Layer:
    """A part of a network. Subclass it, make parts and declare parameters in ``__init__``, state ``forward``.

    A layer assigned to an attribute is a part, and is called after the attribute unless it was given
    a name (those of a list after the attribute and their place); `declare` announces a parameter,
    which is then an attribute too. Calling a layer twice shares its parameters. ``training`` is for
    `forward` to hand on to the parts.

    >>> import graphc as gc
    >>> class Residual(gc.nn.Layer):
    ...     def __init__(self, width, name="residual"):
    ...         super().__init__(name)
    ...         self.inner = gc.nn.Dense(width, width, activation="relu")
    ...         self.declare("scale", (), init=1.0)
    ...
    ...     def forward(self, x, training):
    ...         return x + self.scale * self.inner(x, training=training)
    >>> block = Residual(8)
    >>> block(gc.input("x", ("N", 8)))
    <add: float32(N, 8)>
    >>> [p.name for p in block.parameters()]
    ['residual/scale', 'residual/inner/weight', 'residual/inner/bias']
    """

    default_name: str | None = None

    def __init__(self, name: str | None = None, dtype: object = "float32") -> None:
        self.dtype = dtype
        self._name = name
        self._given: str | None = None  # by the layer that this one is a part of
        self._whole: Layer | None = None
        self._scope = current_scope()
        self._location = user_location()
        self._parts: dict[str, Layer] = {}
        self._declared: dict[str, Callable[[], Tensor]] = {}

    # -- names ---------------------------------------------------------------------------------------
    @property
    def name(self) -> str | None:
        """The layer's own name: as given, else as its place in the whole says, else its kind."""
        if self._name is not None:
            return self._name
        return self._given if self._given is not None else self.default_name

    @property
    def path(self) -> tuple[str, ...]:
        """The scopes of its parameters, outermost first."""
        names: list[str] = []
        layer: Layer | None = self
        outermost = self
        while layer is not None:
            if layer.name is not None:
                names.append(layer.name)
            outermost, layer = layer, layer._whole
        return (*outermost._scope, *reversed(names))

    # -- parts and parameters ------------------------------------------------------------------------
    def declare(
        self,
        name: str,
        shape: tuple[int, ...],
        init: Initializer | float | None = None,
        trainable: bool = True,
    ) -> None:
        """Announce a parameter; ``self.<name>`` is its node, made when first asked for."""

        def make() -> Tensor:
            with inheriting((Origin(self.path, self._location),)), ExitStack() as scopes:
                for part in self.path:
                    scopes.enter_context(scope(part))
                return ops.parameter(name, shape, init=init, dtype=self.dtype, trainable=trainable)

        self._declared[name] = make

    def add(self, name: str, part: Layer) -> None:
        """Make a layer a part of this one. A layer that is part of another already keeps its path."""
        called = part.name if part._name is not None or part._whole is not None else name
        if any(other.name == called and other is not part for other in self._parts.values()):
            raise GraphError(
                f"two parts of {type(self).__name__} are called {called!r}",
                op="Layer", location=user_location(), remedy="give one of them another name=…",
            )  # fmt: skip
        whole: Layer | None = self
        while whole is not None:
            if whole is part:
                raise GraphError(
                    f"{type(self).__name__} would be a part of itself",
                    op="Layer", location=user_location(), remedy="keep the whole out of its parts",
                )  # fmt: skip
            whole = whole._whole
        self._parts[name] = part
        if part._whole is None:
            part._whole, part._given = self, name

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            if isinstance(value, Layer):
                self.add(name, value)
            elif isinstance(value, (list, tuple)):
                for place, part in enumerate(value):
                    if isinstance(part, Layer):
                        self.add(f"{name}{place}", part)
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # Only reached where the attribute does not exist: a declared parameter not made yet.
        make = self.__dict__.get("_declared", {}).get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _making:
            if name not in self.__dict__:
                # An empty context: the scopes open at the first use are not the layer's.
                object.__setattr__(self, name, Context().run(make))
        return self.__dict__[name]

    def layers(self) -> Iterator[Layer]:
        """This layer and all its parts, outermost first, each once."""
        seen: dict[int, Layer] = {}
        stack: list[Layer] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in seen:
                seen[id(layer)] = layer
                yield layer
                stack.extend(reversed(layer._parts.values()))

    def parameters(self, trainable: bool | None = True) -> list[Tensor]:
        """The parameters of the layer and its parts: the trainable ones, the others, or (None) all."""
        found = [getattr(layer, name) for layer in self.layers() for name in layer._declared]
        return [p for p in found if trainable is None or p.attrs["trainable"] is trainable]

    # -- use -----------------------------------------------------------------------------------------
    def __call__(self, *inputs: object, training: bool = False, **named: object) -> Tensor:
        """The layer's result for its inputs; ``training`` turns on dropout and batch statistics.

        An input that `forward` lets be None may be None, and may be given by its name.
        """
        tensors = [None if x is None else as_tensor(x) for x in inputs]
        others = {name: None if x is None else as_tensor(x) for name, x in named.items()}
        if self.name is None:
            return self.forward(*tensors, training=training, **others)
        with scope(self.name):
            return self.forward(*tensors, training=training, **others)

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        """The layer's result: each subclass states its own ``forward(self, x, training)``."""
        raise NotImplementedError(f"{type(self).__name__} states no forward(self, x, training)")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'/'.join(self.path)!r}>"
