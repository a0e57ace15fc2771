"""Topic 5, a model as a composition f3(f2(f1(x))), its criterion, the gradient as a product of Jacobians.

A handwritten digit goes through three layers and a criterion; the chain rule is printed factor by factor,
with each factor's shape, drawn with its values, and the product is held against reverse mode.

Source: X. Qiu, *Neural Networks and Deep Learning*, sections 4.4 and 4.5 (nndl.github.io).
"""

import argparse
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import graphc as gc

WIDTHS = (64, 5, 4, 3)


def main(out: Path) -> None:
    x, target = gc.input("x", (WIDTHS[0],), "float64"), gc.input("target", (WIDTHS[-1],), "float64")
    layers = []
    for number, (fan_in, fan_out) in enumerate(pairwise(WIDTHS), 1):
        weight = gc.parameter(f"W_{number}", (fan_out, fan_in), dtype="float64")
        layers.append(gc.tanh(weight @ (layers[-1] if layers else x)).named(f"h_{number}"))
    loss = (gc.sum(gc.square(layers[-1] - target)) / 2).named("L")

    image = gc.datasets.digits(flat=True).train[0][0].astype(float)
    rng = np.random.default_rng(0)
    at = {"x": image, "target": np.array([1.0, 0.0, 0.0])}
    for weight in gc.parameters(loss):
        fan_in = weight.shape[1]
        at[weight.name] = rng.normal(size=weight.shape) / np.sqrt(fan_in)

    chain = gc.symbolic.chain(loss, x, through=layers)
    print(chain.text())
    values = chain.values(at)
    print("factors:", " · ".join(str(f.shape) for f in values.factors))
    product = np.linalg.multi_dot(values.factors).reshape(-1)
    named = {t: at[t.name] for t in (x, target, *gc.parameters(loss))}
    (by_sweep,) = gc.interpret([gc.grad(loss, x)], named)
    print(f"the product differs from reverse mode's gradient by {np.abs(product - by_sweep).max():.1e}")
    (out / "05_chain.tex").write_text(chain.latex() + "\n", encoding="utf-8")

    figure, axes = plt.subplots(1, len(values.factors) + 1, figsize=(13, 2.6), layout="constrained")
    titles = [f"∂{a}/∂{b}" for a, b in zip(("L", "h₃", "h₂", "h₁"), ("h₃", "h₂", "h₁", "x"), strict=True)]
    for ax, factor, title in zip(axes, values.factors, titles, strict=False):
        reach = np.abs(factor).max()
        ax.imshow(factor, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
        ax.set(title=f"{title}, {factor.shape[0]} × {factor.shape[1]}", xticks=[], yticks=[])
    reach = np.abs(product).max()
    axes[-1].imshow(product.reshape(8, 8), cmap="RdBu", vmin=-reach, vmax=reach)
    axes[-1].set(title="their product, ∂L/∂x", xticks=[], yticks=[])
    figure.savefig(out / "05_product_of_jacobians.png", dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
