"""Formulas as LaTeX: a formula enters, what stands between dollars leaves; amsmath is all it needs."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.symbolic.naming import latex_name
from graphc.symbolic.notation.formula import Formula, Name, Relation
from graphc.symbolic.notation.writing import ATOM, FRACTION, written

_SIGNS = {
    "⊙": r"\odot", "·": r"\cdot", "⊗": r"\otimes", "*": "*", "×": r"\times",
    "⊛": r"\mathbin{\tilde{\otimes}}",
    "⊗ᵀ": r"\mathbin{\otimes^{\top}}", "=": "=", "<": "<", ">": ">", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq",
    "≈": r"\approx", "∧": r"\land", "∨": r"\lor", "⊕": r"\oplus", "∈": r"\in",
    "Σ": r"\sum", "∏": r"\prod", "max": r"\max", "min": r"\min", "|": r"\vert", "‖": r"\Vert",
    "⟨": r"\langle", "⟩": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil",
    "(": "(", ")": ")", "[": "[", "]": "]",
    "𝟏": r"\mathbf{1}", "∞": r"\infty", "π": r"\pi", "I": "I", "e": "e", "NaN": r"\mathrm{NaN}",
}  # fmt: skip
_FUNCTIONS = {
    "σ": r"\sigma", "arccos": r"\arccos", "arcsin": r"\arcsin", "arctan": r"\arctan", "cos": r"\cos",
    "cosh": r"\cosh", "exp": r"\exp", "log": r"\log", "max": r"\max", "min": r"\min", "sin": r"\sin",
    "sinh": r"\sinh", "tan": r"\tan", "tanh": r"\tanh", "¬": r"\lnot",
}  # fmt: skip


def latex(formula: Formula, aligned: bool = False) -> str:
    r"""The formula as LaTeX for math mode; with ``aligned`` an ``&`` stands before its relation sign.

    >>> from graphc.symbolic.notation import Product, Transpose, name
    >>> print(latex(Product((Transpose(name("X")), name("delta_1")))))
    X^{\top} \, \delta_{1}
    """
    if aligned and isinstance(formula, Relation):
        return f"{latex(formula.left)} &{_SIGNS[formula.sign]} {latex(formula.right)}"
    return written(formula, _Pen())


def display(formulas: Sequence[Formula]) -> str:
    r"""Equations under each other, aligned at their signs: a display that compiles as it stands.

    >>> from graphc.symbolic.notation import equation, name
    >>> print(display([equation(name("y"), name("x"))]))
    \[
    \begin{aligned}
    y &= x
    \end{aligned}
    \]
    """
    body = " \\\\\n".join(latex(f, aligned=True) for f in formulas)
    return f"\\[\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n\\]"


def _below(items: Sequence[str]) -> str:
    return f"_{{{','.join(items)}}}" if items else ""


_THIN = r"\,"


class _Pen:
    quotient_level = FRACTION
    root_level = ATOM
    name_takes_indices = False

    def name(self, name: Name) -> str:
        return latex_name(name.word, name.scopes)

    def symbol(self, sign: str) -> str:
        return _SIGNS[sign]

    def digits(self, text: str) -> str:
        return text

    def scientific(self, mantissa: str, exponent: int) -> str:
        power = f"10^{{{exponent}}}"
        return power if mantissa == "1" else rf"{mantissa} \cdot {power}"

    def sum(self, terms: Sequence[tuple[bool, str]]) -> str:
        first, *rest = terms
        start = f"-{first[1]}" if first[0] else first[1]
        return start + "".join(f" {'-' if minus else '+'} {term}" for minus, term in rest)

    def product(self, factors: Sequence[str], sign: str, below: Sequence[str]) -> str:
        return (f" {_SIGNS[sign]}{_below(below)} " if sign else r" \, ").join(factors)

    def quotient(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def power(self, base: str, exponent: str, simple: bool) -> str:
        return f"{base}^{{{exponent}}}"

    def transpose(self, base: str) -> str:
        return rf"{base}^{{\top}}"

    def root(self, part: str) -> str:
        return rf"\sqrt{{{part}}}"

    def call(self, function: str, below: Sequence[str], arguments: Sequence[str]) -> str:
        sign = _FUNCTIONS.get(function) or rf"\operatorname{{{function.replace('_', _THIN)}}}"
        return rf"{sign}{_below(below)}\left({', '.join(arguments)}\right)"

    def fence(self, left: str, items: Sequence[str], right: str) -> str:
        return rf"\left{_SIGNS[left]} {', '.join(items)} \right{_SIGNS[right]}"

    def indicator(self, condition: str) -> str:
        return rf"\mathbf{{1}}\left[{condition}\right]"

    def cases(self, branches: Sequence[tuple[str, str]], otherwise: str | None) -> str:
        rows = [rf"{value} & \text{{if }} {condition}" for value, condition in branches]
        if otherwise is not None:
            rows.append(rf"{otherwise} & \text{{otherwise}}")
        lines = r" \\ ".join(rows)
        return rf"\begin{{cases}} {lines} \end{{cases}}"

    def element(self, base: str, indices: Sequence[str]) -> str:
        return base + _below(indices)

    def array(self, element: str, indices: Sequence[str]) -> str:
        return rf"\left[{element}\right]{_below(indices)}"

    def big(self, sign: str, indices: Sequence[str], body: str) -> str:
        return f"{_SIGNS[sign]}{_below(indices)} {body}"

    def relation(self, left: str, sign: str, right: str) -> str:
        return f"{left} {_SIGNS[sign]} {right}"

    def partial(self, above: str, below: str) -> str:
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"

    def span(self, ends: Sequence[str]) -> str:
        return ":".join(ends)
