"""Names of a graph's nodes in formulas: nodes enter, a unique SymPy symbol with LaTeX leaves for each."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence

import sympy

from graphc.ir.dtype import BOOL
from graphc.ir.tensor import Tensor

_LONGEST = 48
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma",
    "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_GREEK_WORDS = set(_GREEK.values()) | {"epsilon", "phi"}


def identifier(name: str) -> str:
    """Any text as one word of letters, digits and underscores, so that a formula can be read back.

    >>> identifier("block1/w"), identifier("2x; import os"), identifier("lambda")
    ('block1_w', '_2x_import_os', 'lambda_')
    """
    word = re.sub(r"\W+", "_", name)[:_LONGEST] or "_"
    if word[0].isdigit():
        word = f"_{word}"
    return f"{word}_" if keyword.iskeyword(word) else word


def _latex_word(word: str) -> str:
    if word in _GREEK:
        return rf"\{_GREEK[word]}"
    if word in _GREEK_WORDS:
        return rf"\{word}"
    if len(word) == 1 and word.isascii():
        return word
    if word.isdigit():
        return word
    if word.isascii():
        return rf"\mathrm{{{word}}}"
    return rf"\text{{{word}}}"  # letters outside ASCII: LuaLaTeX and XeLaTeX set them


def latex_name(word: str, scopes: Sequence[str] = ()) -> str:
    r"""An identifier as LaTeX: parts after an underscore, trailing digits and scopes become subscripts.

    >>> print(latex_name("W_1"), latex_name("h12"), latex_name("sigma"), latex_name("loss_x"))
    W_{1} h_{12} \sigma \mathrm{loss}_{x}
    >>> print(latex_name("w", ["block1"]))
    w_{\mathrm{block1}}
    """
    parts = [p for p in word.split("_") if p]
    if not parts:
        return r"\_"
    trailing = re.fullmatch(r"(\D+)(\d+)", parts[0])
    if trailing:
        parts[:1] = [trailing[1], trailing[2]]
    head, *subscripts = map(_latex_word, parts)
    # An underscore inside a scope's name would be a subscript of its own.
    subscripts += [_latex_word(part) for scope in scopes for part in scope.split("_") if part]
    return f"{head}_{{{','.join(subscripts)}}}" if subscripts else head


class Names:
    """One symbol for each node: the user's names where given, ``h_1``, ``h_2``, … for the rest.

    Two nodes of one name are told apart by a number. Symbols of real tensors are declared real.
    """

    def __init__(self, order: Iterable[Tensor], prefix: str = "h") -> None:
        nodes = list(order)
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}
        self.symbol: dict[Tensor, sympy.Symbol] = {}
        self.latex: dict[sympy.Symbol, str] = {}
        for named in (True, False):  # the user's names first: no number may take one of them
            count = 0
            for node in nodes:
                if bool(node.name) is not named:
                    continue
                if named:
                    word = self._unique(identifier(node.name or ""))
                elif node.op.family in ("source", "random"):
                    word = self._unique("c" if node.op.family == "source" else "u")
                else:
                    count += 1
                    word = self._unique(f"{prefix}_{count}")
                self._declare(node, word)

    def _declare(self, node: Tensor, word: str) -> None:
        *scopes, last = (node.name or "").split("/")
        number = word[len(identifier(node.name)) :] if node.name else ""
        symbol = sympy.Symbol(word) if node.dtype == BOOL else sympy.Symbol(word, real=True)
        self.symbol[node] = symbol
        if any(scopes):
            self.latex[symbol] = latex_name(identifier(last) + number, [identifier(s) for s in scopes if s])
        else:
            self.latex[symbol] = latex_name(word)

    def _unique(self, word: str) -> str:
        chosen, number = word, self._last.get(word, 1)
        while chosen in self._taken:
            number += 1
            chosen = f"{word}_{number}"
        self._last[word] = number  # where to go on: many nodes of one name stay linear
        self._taken.add(chosen)
        return chosen

    def fresh(self, word: str) -> sympy.Symbol:
        """A real symbol that no node has."""
        chosen = self._unique(word)
        symbol = sympy.Symbol(chosen, real=True)
        self.latex[symbol] = latex_name(chosen)
        return symbol

    def derivative(self, above: Tensor | sympy.Symbol, below: Tensor | sympy.Symbol) -> sympy.Symbol:
        """The symbol that stands for ∂above/∂below in a formula."""
        upper = above if isinstance(above, sympy.Symbol) else self.symbol[above]
        lower = below if isinstance(below, sympy.Symbol) else self.symbol[below]
        symbol = sympy.Symbol(f"(∂{upper.name}/∂{lower.name})", real=True)
        self.latex.setdefault(
            symbol, rf"\frac{{\partial {self.latex[upper]}}}{{\partial {self.latex[lower]}}}"
        )
        return symbol
