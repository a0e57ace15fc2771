"""The update rules: each optimiser's arguments, and the new value of a parameter from its gradient.

Formulas, defaults and order of operations are those of ``torch.optim``; Qiu §7.2.4 derives them.
Below, p is the parameter, g its gradient (with weight decay), η the learning rate, t = 1, 2, ….
"""

from __future__ import annotations

from typing import Any

from graphc import ops
from graphc.ir.tensor import Tensor
from graphc.optim.optimizer import Clock, Optimizer, Rate, Rule, Slots


class SGD(Optimizer):
    """p ← p − η b, with b ← momentum · b + (1 − dampening) g, or b = g without momentum.

    Nesterov's variant steps along g + momentum · b. As in PyTorch the first b is g itself, undamped.
    Robbins and Monro 1951; Polyak 1964; Nesterov 1983; Sutskever et al. 2013.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> list(gc.optim.SGD(0.1, momentum=0.9).updates((w * w).sum()))
    [<parameter 'w': float32(3,)>, <parameter 'sgd/momentum/w': float32(3,)>]
    """

    default_name = "sgd"

    def __init__(
        self,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.momentum = self.nonnegative("momentum", momentum)
        self.dampening, self.nesterov = dampening, nesterov
        if nesterov and (momentum == 0 or dampening != 0):
            raise self._refused(
                f"nesterov with momentum = {momentum}, dampening = {dampening}",
                "nesterov needs a momentum and no dampening",
            )

    def rule(self, clock: Clock) -> Rule:
        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            if self.momentum:
                b = slots.advance("momentum", lambda b: self._buffer(b, g, clock))
                g = g + b * self.momentum if self.nesterov else b
            return p - g * clock.scalar(clock.rate, p)

        return new

    def _buffer(self, b: Tensor, g: Tensor, clock: Clock) -> Tensor:
        if not self.dampening:
            return b * self.momentum + g
        later = b * self.momentum + g * (1 - self.dampening)
        return ops.where(ops.equal(clock.elapsed, 0), g, later)


class AdaGrad(Optimizer):
    """p ← p − η g / (√s + eps), with s ← s + g²; η falls as η / (1 + lr_decay (t − 1)). Duchi et al. 2011.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> list(gc.optim.AdaGrad(0.1).updates((w * w).sum()))
    [<parameter 'w': float32(3,)>, <parameter 'adagrad/sum/w': float32(3,)>]
    """

    default_name = "adagrad"

    def __init__(
        self,
        lr: Rate = 1e-2,
        lr_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.lr_decay = self.nonnegative("lr_decay", lr_decay)
        self.start = self.nonnegative("initial_accumulator_value", initial_accumulator_value)
        self.eps = self.nonnegative("eps", eps)

    def rule(self, clock: Clock) -> Rule:
        rate = clock.rate
        if self.lr_decay:
            rate = ops.divide(rate, clock.elapsed * self.lr_decay + 1.0)

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            s = slots.advance("sum", lambda s: s + ops.square(g), self.start)
            return p - g * clock.scalar(rate, p) / (ops.sqrt(s) + self.eps)

        return new


class RMSProp(Optimizer):
    """p ← p − η b, with b ← momentum · b + g / (√v + eps), v ← α v + (1 − α) g².

    ``centered`` subtracts the square of the mean gradient from v: it is then the variance. Tieleman
    and Hinton 2012; Graves 2013.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> list(gc.optim.RMSProp(0.01).updates((w * w).sum()))
    [<parameter 'w': float32(3,)>, <parameter 'rmsprop/v/w': float32(3,)>]
    """

    default_name = "rmsprop"

    def __init__(
        self,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.alpha = self.nonnegative("alpha", alpha)
        self.eps = self.nonnegative("eps", eps)
        self.momentum = self.nonnegative("momentum", momentum)
        self.centered = centered

    def rule(self, clock: Clock) -> Rule:
        a = self.alpha

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            v = slots.advance("v", lambda v: v * a + ops.square(g) * (1 - a))
            if self.centered:
                m = slots.advance("m", lambda m: m * a + g * (1 - a))
                v = v - ops.square(m)
            step = g / (ops.sqrt(v) + self.eps)
            if self.momentum:
                direction = step
                step = slots.advance("momentum", lambda b: b * self.momentum + direction)
            return p - step * clock.scalar(clock.rate, p)

        return new


class AdaDelta(Optimizer):
    """p ← p − η d, with d = g √(u + eps) / √(v + eps): u and v are running means of d² and g². Zeiler 2012.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> [p.name for p in gc.optim.AdaDelta().updates((w * w).sum())]
    ['w', 'adadelta/v/w', 'adadelta/u/w']
    """

    default_name = "adadelta"

    def __init__(self, lr: Rate = 1.0, rho: float = 0.9, eps: float = 1e-6, **options: Any) -> None:
        super().__init__(lr, **options)
        self.rho = self.below_one("rho", rho)
        self.eps = self.nonnegative("eps", eps)

    def rule(self, clock: Clock) -> Rule:
        rho, eps = self.rho, self.eps

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            v = slots.advance("v", lambda v: v * rho + ops.square(g) * (1 - rho))
            u = slots.present("u")
            d = ops.sqrt(u + eps) / ops.sqrt(v + eps) * g
            slots.advance("u", lambda u: u * rho + ops.square(d) * (1 - rho))
            return p - d * clock.scalar(clock.rate, p)

        return new
