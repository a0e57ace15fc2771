"""Formulas as presentation MathML: a formula enters, an element leaves that browsers draw by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from graphc.symbolic.notation.formula import Formula, Name
from graphc.symbolic.notation.plain_text import GREEK
from graphc.symbolic.notation.writing import ATOM, FRACTION, written

_SIGNS = {
    "⊛": "<mover><mo>⊗</mo><mo>~</mo></mover>",  # wide: what the sign stands for in LaTeX too
    "⊗ᵀ": "<msup><mo>⊗</mo><mi>T</mi></msup>",
    "Σ": "<mo>∑</mo>", "∏": "<mo>∏</mo>", "max": "<mi>max</mi>", "min": "<mi>min</mi>",
}  # fmt: skip
_TIMES = '<mo>&#x2062;</mo><mspace width="0.17em"/>'


def mathml(formula: Formula, block: bool = False) -> str:
    """The formula as a ``<math>`` element, set on a line of its own if ``block``.

    >>> from graphc.symbolic.notation import Transpose, name
    >>> print(mathml(Transpose(name("X"))))
    <math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>X</mi><mi>⊤</mi></msup></math>
    """
    display = ' display="block"' if block else ""
    body = written(formula, _Pen())
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"{display}>{body}</math>'


def _row(*items: str) -> str:
    return items[0] if len(items) == 1 else f"<mrow>{''.join(items)}</mrow>"


def _commas(items: Sequence[str]) -> str:
    return _row("<mo>,</mo>".join(items)) if len(items) == 1 else f"<mrow>{'<mo>,</mo>'.join(items)}</mrow>"


def _operator(sign: str) -> str:
    return _SIGNS.get(sign) or f"<mo>{escape(sign)}</mo>"


def _word(word: str) -> str:
    return f"<mn>{word}</mn>" if word.isdigit() else f"<mi>{escape(GREEK.get(word, word))}</mi>"


class _Pen:
    quotient_level = FRACTION
    root_level = ATOM
    name_takes_indices = False

    def name(self, name: Name) -> str:
        head, *below = map(_word, name.pieces)
        return f"<msub>{head}{_commas(below)}</msub>" if below else head

    def symbol(self, sign: str) -> str:
        return '<mn mathvariant="bold">𝟏</mn>' if sign == "𝟏" else f"<mi>{escape(sign)}</mi>"

    def digits(self, text: str) -> str:
        return f"<mn>{text}</mn>"

    def scientific(self, mantissa: str, exponent: int) -> str:
        raised = f"<mn>{exponent}</mn>" if exponent >= 0 else _row("<mo>−</mo>", f"<mn>{-exponent}</mn>")
        power = f"<msup><mn>10</mn>{raised}</msup>"
        return power if mantissa == "1" else _row(f"<mn>{mantissa}</mn>", "<mo>·</mo>", power)

    def sum(self, terms: Sequence[tuple[bool, str]]) -> str:
        items: list[str] = []
        for minus, term in terms:
            items += ["<mo>−</mo>"] if minus else ["<mo>+</mo>"] if items else []
            items.append(term)
        return _row(*items)

    def product(self, factors: Sequence[str], sign: str, below: Sequence[str]) -> str:
        operator = _operator(sign) if sign else _TIMES
        if below:
            operator = f"<mrow><msub>{operator}{_commas(below)}</msub></mrow>"
        return _row(operator.join(factors)) if len(factors) == 1 else f"<mrow>{operator.join(factors)}</mrow>"

    def quotient(self, above: str, below: str) -> str:
        return f"<mfrac>{above}{below}</mfrac>"

    def power(self, base: str, exponent: str, simple: bool) -> str:
        return f"<msup>{base}{exponent}</msup>"

    def transpose(self, base: str) -> str:
        return f"<msup>{base}<mi>⊤</mi></msup>"

    def root(self, part: str) -> str:
        return f"<msqrt>{part}</msqrt>"

    def call(self, function: str, below: Sequence[str], arguments: Sequence[str]) -> str:
        sign = f"<mi>{escape(function)}</mi>"
        if below:
            sign = f"<msub>{sign}{_commas(below)}</msub>"
        return _row(sign, "<mo>&#x2061;</mo>", self.fence("(", arguments, ")"))

    def fence(self, left: str, items: Sequence[str], right: str) -> str:
        return _row(
            f'<mo fence="true" form="prefix">{left}</mo>',
            _commas(items),
            f'<mo fence="true" form="postfix">{right}</mo>',
        )

    def indicator(self, condition: str) -> str:
        return _row(self.symbol("𝟏"), self.fence("[", [condition], "]"))

    def cases(self, branches: Sequence[tuple[str, str]], otherwise: str | None) -> str:
        rows = [(value, _row("<mtext>if&#xA0;</mtext>", condition)) for value, condition in branches]
        if otherwise is not None:
            rows.append((otherwise, "<mtext>otherwise</mtext>"))
        cells = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in rows)
        return _row('<mo fence="true" form="prefix">{</mo>', f'<mtable columnalign="left">{cells}</mtable>')

    def element(self, base: str, indices: Sequence[str]) -> str:
        return f"<msub>{base}{_commas(indices)}</msub>"

    def array(self, element: str, indices: Sequence[str]) -> str:
        return self.element(self.fence("[", [element], "]"), indices)

    def big(self, sign: str, indices: Sequence[str], body: str) -> str:
        operator = f"<munder>{_operator(sign)}{_commas(indices)}</munder>" if indices else _operator(sign)
        return _row(operator, body)

    def relation(self, left: str, sign: str, right: str) -> str:
        return _row(left, _operator(sign), right)

    def partial(self, above: str, below: str) -> str:
        return f"<mfrac>{_row('<mo>∂</mo>', above)}{_row('<mo>∂</mo>', below)}</mfrac>"

    def span(self, ends: Sequence[str]) -> str:
        return f"<mrow>{'<mo>:</mo>'.join(ends)}</mrow>"
