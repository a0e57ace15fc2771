"""Topic 16, a convolutional network: blocks of convolutions and poolings read digits, and one of any size.

The first network ends in a dense layer and takes images of 8 × 8. The second has none: a pointwise
convolution gives a map of the classes, so that what was trained on single digits reads a page of them.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.3 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

CELL, ROWS, COLUMNS = 12, 3, 6
SHOWN = (1, 5, 7, 9)


# -- training -----------------------------------------------------------------------------------
def trained(net: gc.nn.Layer, size: int, data, held_out, epochs: int):
    """The history of training, and the parameters; ``data`` is arrays or a function from the epoch."""
    x, label = gc.input("x", ("N", 1, size, size)), gc.input("label", ("N",), "int64")
    loss = gc.nn.cross_entropy(net(x, training=True), label, ignore_index=None)
    steps = epochs * -(-1437 // 64)
    rule = gc.optim.Adam(gc.optim.schedules.cosine_decay(5e-3, steps))
    updates = rule.updates(loss, gc.parameters(loss)) | gc.nn.state_updates(loss)
    step = gc.compile(loss, [x, label], updates=updates)
    right = gc.equal(net(x).argmax(axis=1), label).astype("float32")
    evaluate = gc.compile({"accuracy": right.mean()}, [x, label], params=step.params)
    history = gc.fit(
        step, data, epochs=epochs, batch_size=64, validation=held_out, evaluate=evaluate, progress=False
    )
    return history, step.params


def placed(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each digit of 8 × 8 somewhere in a dark cell of 12 × 12."""
    cells = np.zeros((len(images), 1, CELL, CELL), np.float32)
    for cell, image, (i, j) in zip(cells, images, rng.integers(0, CELL - 7, (len(images), 2)), strict=True):
        cell[0, i : i + 8, j : j + 8] = image
    return cells


def page(cells: np.ndarray) -> np.ndarray:
    """Cells laid out in rows and columns as one image (1, 1, H, W)."""
    rows = cells.reshape(ROWS, COLUMNS, CELL, CELL).transpose(0, 2, 1, 3)
    return rows.reshape(1, 1, ROWS * CELL, COLUMNS * CELL)


# -- pictures -----------------------------------------------------------------------------------
def plot_layers(path: Path, filters: np.ndarray, maps: dict[str, np.ndarray]) -> None:
    """The first filters, and the feature maps of one digit, a row a layer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    grid = figure.subplots(1 + len(maps), 16)
    for axes in grid.flat:
        axes.axis("off")
    most = np.abs(filters).max()
    show(grid[0], f"{len(filters)} learned filters of 3 × 3", filters, "RdBu_r", -most, most)
    for row, (name, images) in zip(grid[1:], maps.items(), strict=True):
        size, *_ = images[0].shape
        kept = "16 of " if len(images) > 16 else ""
        title = f"{name}: {kept}{len(images)} channel{'s' * (len(images) > 1)} of {size} × {size}"
        show(row, title, images[:16], "gray" if name == "input" else "magma", 0, images.max())
    figure.savefig(path, dpi=120)


def show(row: np.ndarray, title: str, images: np.ndarray, colours: str, low: float, high: float) -> None:
    row[0].set_title(title, fontsize=10, loc="left").set_in_layout(False)
    for axes, image in zip(row, images, strict=False):
        axes.imshow(image, cmap=colours, vmin=low, vmax=high)


def plot_results(path: Path, history: gc.History, wrong: list[tuple[np.ndarray, int, int, float]]) -> None:
    """Accuracy by epoch, and the held-out digits that were misread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    axes = left.subplots()
    accuracy = 100 * np.array(history.epochs["validation_accuracy"])
    axes.plot(history.epochs["epoch"], accuracy, marker="o")
    axes.axhline(98, color="0.5", linestyle=":")
    axes.set(
        xlabel="epoch", ylabel="accuracy on held-out digits, %", title=f"At the end {accuracy[-1]:.1f} %"
    )
    axes.grid(alpha=0.3)
    columns = min(len(wrong), 4)
    right.suptitle(f"The {len(wrong)} of 360 that it got wrong", fontsize=12)
    grid = right.subplots(-(-len(wrong) // columns), columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (image, label, said, probability) in zip(grid.flat, wrong, strict=False):
        axes.imshow(image, cmap="gray_r")
        axes.set_title(f"{label}, read as {said}\nat {probability:.0%}", fontsize=9)
    figure.savefig(path, dpi=120)


def plot_page(path: Path, image: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> None:
    """A page with what was read, and the maps of some classes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    axes = top.subplots()
    axes.imshow(image, cmap="gray_r")
    for number, (said, label) in enumerate(zip(read(scores), labels, strict=True)):
        i, j = divmod(number, COLUMNS)
        colour = "#2a7f62" if said == label else "#c0392b"
        axes.text(j * CELL + 0.1, i * CELL + 0.2, said, color=colour, fontsize=15, va="top", weight="bold")
    edges = np.arange(0, COLUMNS * CELL, CELL) - 0.5
    axes.vlines(edges[1:], -0.5, ROWS * CELL - 0.5, color="0.85", linewidth=0.8)
    axes.hlines(edges[1:ROWS], -0.5, COLUMNS * CELL - 0.5, color="0.85", linewidth=0.8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"One image of {image.shape[0]} × {image.shape[1]}, and what was read (green: right)")
    most = np.abs(scores[list(SHOWN)]).max()
    bottom.suptitle("The map of a class, 4 pixels a cell, over the image", fontsize=12)
    grid = bottom.subplots(2, 2)
    for axes, digit in zip(grid.flat, SHOWN, strict=True):
        extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
        drawn = axes.imshow(scores[digit], cmap="RdBu_r", vmin=-most, vmax=most, extent=extent)
        axes.contour(image, levels=[0.5], colors="black", linewidths=0.7)
        axes.set(xticks=[], yticks=[], title=f"“{digit}”")
    bottom.colorbar(drawn, ax=list(grid.flat), label="logit")
    figure.savefig(path, dpi=110)


def read(scores: np.ndarray) -> np.ndarray:
    """The class of the largest mean logit in each cell of a page's map (10, H, W)."""
    means = scores.reshape(10, ROWS, CELL // 4, COLUMNS, CELL // 4).mean(axis=(2, 4))
    return means.argmax(axis=0).ravel()


# -- the two networks ---------------------------------------------------------------------------
def classifier(out: Path, train, held_out) -> None:
    net = gc.nn.ConvNet(
        1, 10, blocks=2, convs=2, pool=1, dense=1, channels=16, norm="batch", image_size=8, name="net"
    )
    x = gc.input("x", ("N", 1, 8, 8))
    print(gc.summary(net, x))
    images = held_out.images[:, None]
    history, params = trained(net, 8, (train.images[:, None], train.labels), (images, held_out.labels), 15)
    print(f"\naccuracy on {len(images)} held-out digits: {history.epochs['validation_accuracy'][-1]:.1%}")
    probabilities = gc.compile(gc.nn.softmax(net(x), axis=1), [x], params=params)(images)
    said = probabilities.argmax(axis=1)
    wrong = [
        (held_out.images[k], held_out.labels[k], said[k], probabilities[k, said[k]])
        for k in np.flatnonzero(said != held_out.labels)
    ]
    plot_results(out / "16_held_out.png", history, wrong)
    names = ("conv1, normalised, ReLU", "block 1, pooled", "block 2, pooled")
    first, second = net[0], net[1]
    layers = [first[:3](x), first(x), second(first(x))]
    digit = images[held_out.labels == 3][:1]
    found = gc.compile(layers, [x], params=params)(digit)
    maps = {"input": digit[0]} | {name: f[0] for name, f in zip(names, found, strict=True)}
    plot_layers(out / "16_layers.png", params["net/block1/conv1/weight"][:, 0], maps)


def reader(out: Path, train, held_out) -> None:
    net = gc.nn.ConvNet(1, 10, blocks=2, convs=2, pool=1, dense=0, channels=16, norm="batch", name="reader")
    rng = np.random.default_rng(0)

    def epoch_of(epoch: int):
        order = rng.permutation(len(train.labels))
        for rows in np.split(order, range(64, len(order), 64)):
            yield placed(train.images[rows], rng), train.labels[rows]

    cells = placed(held_out.images, rng)
    history, params = trained(net, CELL, epoch_of, (cells, held_out.labels), 10)
    one = history.epochs["validation_accuracy"][-1]
    print(f"\nfully convolutional, trained on {CELL} × {CELL}: {one:.1%} of the held-out digits, one by one")
    x = gc.input("x", ("N", 1, "H", "W"))
    maps_of = gc.compile(net[:-1](x), [x], params=params)  # all but the mean over the map
    count = ROWS * COLUMNS
    pages = [page(cells[k : k + count]) for k in range(0, len(cells), count)]
    scores = [maps_of(p)[0] for p in pages]
    right = np.concatenate([read(s) for s in scores]) == held_out.labels
    height, width = pages[0].shape[2:]
    print(
        f"  the same network on {len(pages)} pages of {height} × {width}, {count} digits each: "
        f"{right.mean():.1%} read at their places"
    )
    plot_page(out / "16_fully_convolutional.png", pages[0][0, 0], scores[0], held_out.labels[:count])


def main(out: Path) -> None:
    train, held_out = gc.datasets.digits()
    classifier(out, train, held_out)
    reader(out, train, held_out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
