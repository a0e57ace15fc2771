"""A small reader of LaTeX: text for math mode enters, what is wrong with it leaves."""

from __future__ import annotations

import re

_WORDS = """
alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi
chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega
mathrm mathbf mathbin text operatorname frac sqrt top left right begin end sum prod partial infty
odot cdot otimes times tilde leq geq neq approx land lor oplus in lnot vert Vert langle rangle
lfloor rfloor lceil rceil arccos arcsin arctan cos cosh exp log max min sin sinh tan tanh
"""
KNOWN = frozenset(_WORDS.split())
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}^_&]|[^\\{}^_&]+", re.DOTALL)


def faults(text: str) -> list[str]:
    """Unknown commands, unbalanced braces, fences and environments, doubled scripts, stray characters."""
    found, depth, fences, environments, scripts = [], 0, 0, [], [set()]
    tokens = _TOKEN.findall(text)
    for i, token in enumerate(tokens):
        if token == "{":
            depth += 1
            scripts.append(set())
        elif token == "}":
            depth -= 1
            if depth < 0:
                return [*found, "a brace is closed that was not opened"]
            scripts.pop()
        elif token in "^_":
            if token in scripts[-1]:
                found.append(f"double {token}")
            scripts[-1].add(token)
        elif token in (r"\left", r"\right"):
            fences += 1 if token == r"\left" else -1
            scripts[-1] = set()
        elif token in (r"\begin", r"\end"):
            word = tokens[i + 2]
            if token == r"\begin":
                environments.append(word)
            elif not environments or environments.pop() != word:
                found.append(f"environment {word} is not open")
        elif token.startswith("\\"):
            if len(token) > 2 or token[1].isalpha():
                if token[1:] not in KNOWN:
                    found.append(f"unknown command {token}")
            elif token[1] not in ",\\_":
                found.append(f"unknown command {token}")
            scripts[-1] = set()
        elif token == "&":
            if not environments:
                found.append("& outside an environment")
        elif token.strip() or "^" not in scripts[-1]:
            if set(token) & set("#$%~"):
                found.append(f"stray character in {token!r}")
            if token.strip():
                scripts[-1] = set()
        if fences < 0:
            return [*found, r"\right without \left"]
    if depth or fences or environments:
        found.append(f"left open: {depth} braces, {fences} fences, environments {environments}")
    return found
