"""Symbolic calculus: graphs to SymPy and back, and derivatives one can read."""

from graphc.symbolic.derivation import Derivation, Step
from graphc.symbolic.expression import symbols, to_sympy
from graphc.symbolic.gradient import grad
from graphc.symbolic.raising import from_sympy
from graphc.symbolic.scalar_chain import ScalarChain, chain

__all__ = ["Derivation", "ScalarChain", "Step", "chain", "from_sympy", "grad", "symbols", "to_sympy"]
