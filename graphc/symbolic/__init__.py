"""Symbolic calculus: graphs to SymPy and back, and derivatives one can read."""

from graphc.symbolic.chain_rule import chain
from graphc.symbolic.derivation import Derivation
from graphc.symbolic.equality import Verdict, equal
from graphc.symbolic.expression import symbols, to_sympy
from graphc.symbolic.gradient import grad, hessian, jacobian, vjp
from graphc.symbolic.index.known_sums import sums_to_one
from graphc.symbolic.jacobian_chain import JacobianChain
from graphc.symbolic.raising import from_sympy
from graphc.symbolic.refutation import Counterexample
from graphc.symbolic.scalar_chain import ScalarChain
from graphc.symbolic.scalar_derivation import Step

__all__ = [
    "Counterexample",
    "Derivation",
    "JacobianChain",
    "ScalarChain",
    "Step",
    "Verdict",
    "chain",
    "equal",
    "from_sympy",
    "grad",
    "hessian",
    "jacobian",
    "sums_to_one",
    "symbols",
    "to_sympy",
    "vjp",
]
