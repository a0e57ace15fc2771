"""SymPy functions for what SymPy lacks: rounding halves to even, and the logistic function by name."""

from __future__ import annotations

from typing import Any

import sympy


class rint(sympy.Function):  # type: ignore[misc]  # noqa: N801  (NumPy's name)
    """The nearest integer, halves to even, as ``numpy.rint``.

    >>> [rint(sympy.Rational(n, 2)) for n in (1, 3, 5)]
    [0, 2, 2]
    """

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_number and x.is_real:
            below = sympy.floor(x)
            distance = x - below
            if distance == sympy.Rational(1, 2):
                return below if below % 2 == 0 else below + 1
            return below if distance < sympy.Rational(1, 2) else below + 1
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = rf"\operatorname{{rint}}\left({printer._print(self.args[0])}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"


class sigmoid(sympy.Function):  # type: ignore[misc]  # noqa: N801  (graphc's name)
    """The logistic function 1 / (1 + exp(−x)) kept under its name, so that it prints as σ(x).

    >>> x = sympy.Symbol("x")
    >>> sigmoid(x).rewrite(sympy.exp)
    1/(1 + exp(-x))
    """

    @classmethod
    def eval(cls, x: Any) -> Any:
        return cls.definition(x) if x.is_number else None

    @staticmethod
    def definition(x: Any) -> Any:
        return 1 / (1 + sympy.exp(-x))

    def _eval_rewrite_as_exp(self, x: Any, **hints: Any) -> Any:
        return self.definition(x)

    def fdiff(self, argindex: int = 1) -> Any:
        symbol = sympy.Dummy(real=True)
        slope = sympy.diff(self.definition(symbol), symbol)
        return slope.xreplace({symbol: self.args[0]})

    def _eval_is_real(self) -> Any:
        return self.args[0].is_real

    def _eval_evalf(self, precision: int) -> Any:
        return self.definition(self.args[0])._eval_evalf(precision)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\sigma{power}\left({printer._print(self.args[0])}\right)"


class absorbing_product(sympy.Function):  # type: ignore[misc]  # noqa: N801  (graphc's name)
    """x · y in which a zero x wins over an infinite or undefined y, as ``absorbing_multiply``.

    A product below a ``where``: SymPy would reorder the factors, and 0·∞ would be NaN.
    """

    @classmethod
    def eval(cls, x: Any, y: Any) -> Any:
        if x.is_Number and not y.is_Number:
            return sympy.S.Zero if x == 0 else x * y
        return x * y if y.is_Number and y.is_finite else None

    def doit(self, **hints: Any) -> Any:
        return self.args[0] * self.args[1]

    def fdiff(self, argindex: int = 1) -> Any:
        return self.args[2 - argindex]

    def _eval_is_real(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = printer._print(sympy.Mul(*self.args, evaluate=False))
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(sympy.Mul(*self.args, evaluate=False)))
