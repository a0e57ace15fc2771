"""Formulas as plain text in Unicode: a formula enters, one line leaves that reads as a textbook's does."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.symbolic.notation.formula import Formula, Name
from graphc.symbolic.notation.writing import LINE_QUOTIENT, RAISED, written

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
_RAISED = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


def text(formula: Formula) -> str:
    """The formula on one line.

    >>> from graphc.symbolic.notation import Product, Transpose, name
    >>> text(Product((Transpose(name("X")), name("delta_1"))))
    'Xᵀ δ_1'
    """
    return written(formula, _Pen())


def _below(items: Sequence[str]) -> str:
    if not items:
        return ""
    joined = ",".join(items).replace(" ", "")
    return f"_{joined}" if joined.isalnum() else f"_{{{joined}}}"


class _Pen:
    quotient_level = LINE_QUOTIENT
    root_level = RAISED
    name_takes_indices = True

    def name(self, name: Name) -> str:
        words = [name.word.rstrip("_") or "_", *name.scopes]
        return "_".join(GREEK.get(part, part) for word in words for part in word.split("_"))

    def symbol(self, sign: str) -> str:
        return {"𝟏": "1"}.get(sign, sign)

    def digits(self, text: str) -> str:
        return text

    def scientific(self, mantissa: str, exponent: int) -> str:
        power = "10" + str(exponent).translate(_RAISED)
        return power if mantissa == "1" else f"{mantissa}·{power}"

    def sum(self, terms: Sequence[tuple[bool, str]]) -> str:
        first, *rest = terms
        start = f"−{first[1]}" if first[0] else first[1]
        return start + "".join(f" {'−' if minus else '+'} {term}" for minus, term in rest)

    def product(self, factors: Sequence[str], sign: str, below: Sequence[str]) -> str:
        return (f" {sign}{_below(below)} " if sign else " ").join(factors)

    def quotient(self, above: str, below: str) -> str:
        return f"{above}/{below}" if above.isdigit() and below.isdigit() else f"{above} / {below}"

    def power(self, base: str, exponent: str, simple: bool) -> str:
        if exponent.lstrip("−").isdigit():
            return base + exponent.translate(_RAISED)
        return f"{base}^{exponent}" if simple else f"{base}^({exponent})"

    def transpose(self, base: str) -> str:
        return f"{base}ᵀ"

    def root(self, part: str) -> str:
        return f"√{part}"

    def call(self, function: str, below: Sequence[str], arguments: Sequence[str]) -> str:
        return f"{function}{_below(below)}({', '.join(arguments)})"

    def fence(self, left: str, items: Sequence[str], right: str) -> str:
        return f"{left}{', '.join(items)}{right}"

    def indicator(self, condition: str) -> str:
        return f"1[{condition}]"

    def cases(self, branches: Sequence[tuple[str, str]], otherwise: str | None) -> str:
        rows = [f"{value} if {condition}" for value, condition in branches]
        return f"{{{'; '.join(rows if otherwise is None else [*rows, f'{otherwise} otherwise'])}}}"

    def element(self, base: str, indices: Sequence[str]) -> str:
        return f"{base}[{','.join(indices)}]"

    def array(self, element: str, indices: Sequence[str]) -> str:
        return f"[{element}]{_below(indices)}"

    def big(self, sign: str, indices: Sequence[str], body: str) -> str:
        return f"{sign}{_below(indices)} {body}"

    def relation(self, left: str, sign: str, right: str) -> str:
        return f"{left} {sign} {right}"

    def partial(self, above: str, below: str) -> str:
        return f"∂{above}/∂{below}"

    def span(self, ends: Sequence[str]) -> str:
        return ":".join(ends)
