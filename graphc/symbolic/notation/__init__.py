"""Textbook notation: formulas, and the pens that write them as text, LaTeX and MathML."""

from graphc.symbolic.notation.formula import (
    Array,
    Big,
    Call,
    Cases,
    Element,
    Fence,
    Formula,
    Indicator,
    Name,
    Negative,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Scaled,
    Span,
    Sum,
    Symbol,
    Transpose,
    equation,
    name,
    name_of,
)
from graphc.symbolic.notation.latex import display, latex
from graphc.symbolic.notation.mathml import mathml
from graphc.symbolic.notation.matrix import matrix_formula
from graphc.symbolic.notation.page import Row, page
from graphc.symbolic.notation.plain_text import text
from graphc.symbolic.notation.scalars import scalar_formula

__all__ = [
    "Array", "Big", "Call", "Cases", "Element", "Fence", "Formula", "Indicator", "Name", "Negative", "Number",
    "Partial", "Power", "Product", "Quotient", "Relation", "Root", "Row", "Scaled", "Span", "Sum", "Symbol",
    "Transpose", "display", "equation", "latex", "mathml", "matrix_formula", "name", "name_of", "page",
    "scalar_formula", "text",
]  # fmt: skip
