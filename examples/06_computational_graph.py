"""Topic 6, the computational graph of f(x; w, b) = σ(wx + b) and ∂f/∂w as a product of seven factors.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.5 (nndl.github.io).
"""

import argparse
from pathlib import Path

import graphc as gc


def main(out: Path) -> None:
    x, w, b = (gc.input(name, (), "float64") for name in "xwb")
    h1 = (x * w).named("h1")
    h2 = (h1 + b).named("h2")
    h3 = (h2 * -1.0).named("h3")
    h4 = gc.exp(h3).named("h4")
    h5 = (h4 + 1.0).named("h5")
    f = gc.reciprocal(h5).named("f")
    at = {x: 1.0, w: 0.0, b: 0.0}
    chain = gc.symbolic.chain(f, w)
    print(chain.text(at))
    (by_sweep,) = gc.interpret([gc.grad(f, w)], at)
    print(f"reverse mode gives {float(by_sweep)}")
    (out / "06_chain.tex").write_text(chain.latex(at) + "\n", encoding="utf-8")
    nodes = [h1, h2, h3, h4, h5, f]
    values = at | dict(zip(nodes, gc.interpret(nodes, at), strict=True))
    gc.draw(f, values=values, direction="LR", shapes=False).save(out / "06_computational_graph.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
