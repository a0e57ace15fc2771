"""The Adam family of update rules: means of the gradient and of its square, corrected for their start at 0.

Formulas, defaults and order of operations are those of ``torch.optim``; Qiu §7.2.4 derives them.
Below, p is the parameter, g its gradient (with weight decay), η the learning rate, t = 1, 2, ….
"""

from __future__ import annotations

from typing import Any

from graphc import ops
from graphc.ir.tensor import Tensor
from graphc.optim.optimizer import Clock, Optimizer, Rate, Rule, Slots


class Adam(Optimizer):
    """p ← p − η m̂ / (√v̂ + eps), with m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m / (1 − β₁ᵗ), v̂ alike.

    ``amsgrad`` divides by the largest v so far (Reddi et al. 2018). Kingma and Ba 2014.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> [p.name for p in gc.optim.Adam(1e-3).updates((w * w).sum())]
    ['w', 'adam/step', 'adam/m/w', 'adam/v/w']
    """

    default_name = "adam"

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.betas = self.below_one("betas[0]", betas[0]), self.below_one("betas[1]", betas[1])
        self.eps = self.nonnegative("eps", eps)
        self.amsgrad = amsgrad

    def rule(self, clock: Clock) -> Rule:
        beta1, beta2 = self.betas
        t = clock.elapsed + 1.0
        rate = ops.divide(clock.rate, 1.0 - ops.power(beta1, t))
        correction = ops.sqrt(1.0 - ops.power(beta2, t))

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            m = slots.advance("m", lambda m: m * beta1 + g * (1 - beta1))
            v = slots.advance("v", lambda v: v * beta2 + ops.square(g) * (1 - beta2))
            if self.amsgrad:
                newest = v
                v = slots.advance("v_max", lambda largest: ops.maximum(largest, newest))
            denominator = ops.sqrt(v) / clock.scalar(correction, p) + self.eps
            return p - m * clock.scalar(rate, p) / denominator

        return new


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − η · weight_decay) p before the step.

    Loshchilov and Hutter 2017.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> [p.name for p in gc.optim.AdamW(1e-3).updates((w * w).sum())]
    ['w', 'adamw/step', 'adamw/m/w', 'adamw/v/w']
    """

    default_name = "adamw"

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
        *,
        weight_decay: float = 1e-2,
        **options: Any,
    ) -> None:
        super().__init__(lr, betas, eps, amsgrad, weight_decay=weight_decay, **options)

    def rule(self, clock: Clock) -> Rule:
        adam = super().rule(clock)
        if not self.weight_decay:
            return adam
        rate = clock.rate
        shrink = 1.0 - rate * self.weight_decay

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            # The state belongs to the parameter, the step starts from its shrunken value.
            return adam(p * clock.scalar(shrink, p), g, slots)

        return new

    def _decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        return gradient


class Adamax(Optimizer):
    """p ← p − η m / ((1 − β₁ᵗ) u), with m as in Adam and u ← max(β₂u, |g| + eps). Kingma and Ba 2014, §7.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> [p.name for p in gc.optim.Adamax().updates((w * w).sum())]
    ['w', 'adamax/step', 'adamax/m/w', 'adamax/u/w']
    """

    default_name = "adamax"

    def __init__(
        self, lr: Rate = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self.betas = self.below_one("betas[0]", betas[0]), self.below_one("betas[1]", betas[1])
        self.eps = self.nonnegative("eps", eps)

    def rule(self, clock: Clock) -> Rule:
        beta1, beta2 = self.betas
        rate = ops.divide(clock.rate, 1.0 - ops.power(beta1, clock.elapsed + 1.0))

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            m = slots.advance("m", lambda m: m * beta1 + g * (1 - beta1))
            u = slots.advance("u", lambda u: ops.maximum(u * beta2, ops.abs(g) + self.eps))
            return p - m * clock.scalar(rate, p) / u

        return new


class NAdam(Optimizer):
    """Adam with Nesterov's look-ahead: the step mixes m̂ with the fresh gradient. Dozat 2016.

    μₜ = β₁(1 − ½ · 0.96^(t · momentum_decay)) weighs the two.

    >>> import graphc as gc
    >>> w = gc.parameter("w", (3,), init=1.0)
    >>> [p.name for p in gc.optim.NAdam().updates((w * w).sum())]
    ['w', 'nadam/step', 'nadam/mu_product', 'nadam/m/w', 'nadam/v/w']
    """

    default_name = "nadam"

    def __init__(
        self,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.betas = self.below_one("betas[0]", betas[0]), self.below_one("betas[1]", betas[1])
        self.eps = self.nonnegative("eps", eps)
        self.momentum_decay = self.nonnegative("momentum_decay", momentum_decay)

    def rule(self, clock: Clock) -> Rule:
        beta1, beta2 = self.betas
        t = clock.elapsed + 1.0

        def mu(t: Tensor) -> Tensor:
            return (1.0 - ops.power(0.96, t * self.momentum_decay) * 0.5) * beta1

        now, following = mu(t), mu(t + 1.0)
        product = clock.advance("mu_product", lambda product: product * now, 1.0)
        fresh = (1.0 - now) * clock.rate / (1.0 - product)
        kept = following * clock.rate / (1.0 - product * following)
        correction = 1.0 - ops.power(beta2, t)

        def new(p: Tensor, g: Tensor, slots: Slots) -> Tensor:
            m = slots.advance("m", lambda m: m * beta1 + g * (1 - beta1))
            v = slots.advance("v", lambda v: v * beta2 + ops.square(g) * (1 - beta2))
            denominator = ops.sqrt(v / clock.scalar(correction, p)) + self.eps
            return p - g * clock.scalar(fresh, p) / denominator - m * clock.scalar(kept, p) / denominator

        return new
