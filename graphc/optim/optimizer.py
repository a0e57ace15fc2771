"""What all optimisers share: a loss and parameters enter, a dict from parameter to new value leaves.

The dict holds the optimiser's own state too, as parameters that are not trainable; it is made for
``gc.compile(…, updates=…)``. Clipping comes first, then weight decay, then the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeAlias

from graphc import ops
from graphc.autodiff import grad
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Shape, format_shape, same_shape
from graphc.ir.dtype import FLOAT64, DType, is_float
from graphc.ir.origin import Origin, current_scope, inheriting, scope, user_location
from graphc.ir.tensor import Tensor
from graphc.nn.parameters import check_names, parameters
from graphc.ops.sources import as_tensor
from graphc.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from graphc.optim.schedules import Schedule

Rate: TypeAlias = "float | Tensor | Schedule"
Scalar: TypeAlias = "float | Tensor"


class Slots:
    """One parameter's share of the optimiser's state during one application of the rule."""

    def __init__(self, optimizer: Optimizer, parameter: Tensor, changes: dict[Tensor, Tensor]) -> None:
        self._optimizer = optimizer
        self._parameter = parameter
        self._changes = changes

    def present(self, kind: str, start: float = 0.0) -> Tensor:
        """A state array of the parameter's shape before the update; ``start`` everywhere at first."""
        return self._optimizer.state(kind, self._parameter, start)

    def advance(self, kind: str, new: Callable[[Tensor], Tensor], start: float = 0.0) -> Tensor:
        """Move a state array; gives its new value."""
        present = self.present(kind, start)
        self._changes[present] = new(present)
        return self._changes[present]


class Clock:
    """The numbers all parameters share: learning rate and step, as 0-dimensional float64 tensors.

    Rules compute scalars in float64, as PyTorch does in Python, and round once to the parameter's
    dtype with `scalar`.
    """

    def __init__(self, optimizer: Optimizer, changes: dict[Tensor, Tensor]) -> None:
        self._optimizer = optimizer
        self._changes = changes
        self._elapsed: Tensor | None = None
        self._rounded: dict[tuple[int, DType], tuple[Tensor, Tensor]] = {}
        lr = optimizer.lr
        self.rate: Scalar = lr if isinstance(lr, (float, Tensor)) else self._scheduled(lr)

    @property
    def elapsed(self) -> Tensor:
        """How many updates were made before this one. Asking for it adds a step counter to the state."""
        if self._elapsed is None:
            step = self._optimizer.counter("step", 0, "int64")
            self._changes[step] = step + 1
            self._elapsed = step.astype(FLOAT64)
        return self._elapsed

    def advance(self, kind: str, new: Callable[[Tensor], Tensor], start: float) -> Tensor:
        """Move a number of the optimiser's state; gives its new value."""
        present = self._optimizer.counter(kind, start, "float64")
        self._changes[present] = new(present)
        return self._changes[present]

    def scalar(self, value: Scalar, like: Tensor) -> Scalar:
        """The number in the dtype of a parameter, so that float32 stays float32."""
        if not isinstance(value, Tensor):
            return value
        key = (id(value), like.dtype)
        if key not in self._rounded:
            self._rounded[key] = (value, value.astype(like.dtype))
        return self._rounded[key][1]

    def _scheduled(self, schedule: Schedule) -> Tensor:
        rate = schedule(self.elapsed)
        if not isinstance(rate, Tensor) or rate.ndim != 0:
            raise ShapeError(
                f"the schedule gave {rate!r}, where a 0-dimensional tensor is needed",
                op=type(self._optimizer).__name__, location=user_location(),
                remedy="a schedule maps the step, a 0-dimensional tensor, to the rate",
            )  # fmt: skip
        return rate


# The new value of a parameter, from its value, its gradient and its state.
Rule: TypeAlias = Callable[[Tensor, Tensor, Slots], Tensor]


class Optimizer:
    """An update rule. Subclasses state `rule`; semantics and defaults are those of ``torch.optim``.

    ``lr`` is a number, a schedule (`gc.optim.schedules`), or a 0-dimensional tensor: an input, or a
    parameter to be set between calls. ``weight_decay`` adds weight_decay · parameter to each
    gradient. ``clip_value``, ``clip_norm`` (each gradient by itself) and ``clip_global_norm`` bound
    the gradients first, in this order. State is named ``<name>/<kind>/<parameter>``: give optimisers
    that are compiled together different names.
    """

    default_name = "optimizer"

    def __init__(
        self,
        lr: Rate,
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        clip_global_norm: float | None = None,
        name: str | None = None,
    ) -> None:
        self.lr = self._checked_rate(lr)
        self.name = self.default_name if name is None else name
        self.weight_decay = self.nonnegative("weight_decay", weight_decay)
        self.clip_value, self.clip_norm, self.clip_global_norm = clip_value, clip_norm, clip_global_norm
        self._state: dict[tuple[str, Tensor | None], Tensor] = {}

    # -- use -----------------------------------------------------------------------------------------
    def updates(
        self, loss: Tensor, params: Sequence[Tensor] | Mapping[str, Tensor] | None = None
    ) -> dict[Tensor, Tensor]:
        """The new value of every parameter and of the state, for one step down the loss.

        ``loss`` is 0-dimensional; ``params`` are all trainable parameters below it unless given.
        Raises GraphError where there are none.
        """
        if params is None:
            chosen = parameters(loss)
        else:
            chosen = list(params.values() if isinstance(params, Mapping) else params)
        if not chosen:
            raise GraphError(
                "there are no trainable parameters below the loss",
                op=type(self).__name__, location=user_location(),
                remedy="make the weights with gc.parameter or a layer of gc.nn",
            )  # fmt: skip
        self._check_parameters(chosen)
        return self.apply(dict(zip(chosen, grad(loss, chosen), strict=True)))

    def apply(self, gradients: Mapping[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        """As `updates`, from gradients of your own: a dict from parameter to gradient.

        Raises ShapeError where a gradient has not its parameter's shape.
        """
        found = {p: as_tensor(g) for p, g in gradients.items()}
        self._check_parameters(list(found))
        for parameter, gradient in found.items():
            if not same_shape(parameter.shape, gradient.shape):
                raise ShapeError(
                    f"the gradient of {parameter.name!r} has shape {format_shape(gradient.shape)}, "
                    f"the parameter {format_shape(parameter.shape)}",
                    op=type(self).__name__, location=user_location(),
                    remedy="pass gradients in their parameter's shape",
                )  # fmt: skip
        origin = Origin((*current_scope(), self.name), user_location(), "update")
        changes: dict[Tensor, Tensor] = {}
        with inheriting((origin,)):
            found = self._clipped({p: g.astype(p.dtype) for p, g in found.items()})
            clock = Clock(self, changes)
            rule = self.rule(clock)
            for parameter, gradient in found.items():
                changes[parameter] = rule(
                    parameter, self._decayed(parameter, gradient), Slots(self, parameter, changes)
                )
        # Parameters first, then the state in the order it was made.
        return {**{p: changes[p] for p in found}, **changes}

    def rule(self, clock: Clock) -> Rule:
        """The rule of one application; called once, so that what all parameters share is built once."""
        raise NotImplementedError(f"{type(self).__name__} states no rule(self, clock)")

    # -- state ---------------------------------------------------------------------------------------
    def state(self, kind: str, parameter: Tensor, start: float = 0.0) -> Tensor:
        """The state array of this kind that belongs to a parameter; the same one at every call."""
        found = self._state.get((kind, parameter))
        if found is None:
            name = parameter.name or "parameter"
            made = self._made((self.name, kind), name, parameter.shape, start, parameter.dtype)
            found = self._state.setdefault((kind, parameter), made)
        return found

    def counter(self, kind: str, start: float, dtype: str) -> Tensor:
        """A number of the optimiser's state; the same one at every call."""
        found = self._state.get((kind, None))
        if found is None:
            found = self._state.setdefault((kind, None), self._made((self.name,), kind, (), start, dtype))
        return found

    def _made(self, scopes: tuple[str, ...], name: str, shape: Shape, start: float, dtype: object) -> Tensor:
        with ExitStack() as opened:
            for part in scopes:
                opened.enter_context(scope(part))
            opened.enter_context(inheriting((Origin(current_scope(), user_location(), "update"),)))
            return ops.parameter(name, shape, init=start, dtype=dtype, trainable=False)

    # -- steps before the rule -----------------------------------------------------------------------
    def _clipped(self, gradients: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        if self.clip_value is not None:
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients = clip_by_norm(gradients, self.clip_norm)
        if self.clip_global_norm is not None:
            gradients = clip_by_global_norm(gradients, self.clip_global_norm)
        return gradients

    def _decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        return gradient + parameter * self.weight_decay if self.weight_decay else gradient

    # -- checks --------------------------------------------------------------------------------------
    def _checked_rate(self, lr: object) -> Rate:
        if isinstance(lr, Tensor):
            if lr.ndim != 0 or not is_float(lr.dtype):
                raise ShapeError(
                    f"lr is {lr!r}", op=type(self).__name__, location=user_location(),
                    remedy="give a 0-dimensional float tensor",
                )  # fmt: skip
            return lr
        if callable(lr):
            return lr
        return self.nonnegative("lr", lr)

    def nonnegative(self, name: str, value: object) -> float:
        """The number as a float; GraphError where it is none, or negative."""
        if not isinstance(value, (int, float)) or not value >= 0:
            raise self._refused(f"{name} = {value!r}", "give a number of 0 or more")
        return float(value)

    def below_one(self, name: str, value: object) -> float:
        """The number as a float; GraphError where it is none, or outside [0, 1)."""
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise self._refused(f"{name} = {value!r}", "give a number from 0 to below 1")
        return float(value)

    def _refused(self, message: str, remedy: str) -> GraphError:
        return GraphError(message, op=type(self).__name__, location=user_location(), remedy=remedy)

    def _check_parameters(self, chosen: list[Tensor]) -> None:
        for parameter in chosen:
            if not isinstance(parameter, Tensor) or parameter.op.name != "parameter":
                raise self._refused(f"{parameter!r} is no parameter", "only parameters have values to update")
            if not is_float(parameter.dtype):
                raise self._refused(f"{parameter!r} has no float dtype", "declare it with a float dtype")
        check_names(chosen)
