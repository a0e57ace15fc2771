"""Parts of networks as they are written by hand in NumPy, with buffers that are made once."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench.workload import Array

Pair = tuple[int, int]


class Convolution:
    """A convolution of stride 1, (N, C, H, W) and (O, C, K, L), with its two gradients.

    In a padded image whose rows lie one behind the other, the pixels that one tap of the filter meets are a
    single slice. So each tap is a product of whole slices, and no windows are copied; the columns that belong
    to no result are left over. ``rows`` and ``columns`` pad before and after.
    """

    def __init__(
        self, x: Array, filters: Array, rows: Pair = (0, 0), columns: Pair = (0, 0), dilation: int = 1
    ) -> None:
        count, channels, height, width = x.shape
        out, _, k, l = filters.shape
        kind = x.dtype
        self.inside = np.s_[:, :, rows[0] : rows[0] + height, columns[0] : columns[0] + width]
        self.padded = np.zeros((count, channels, height + sum(rows), width + sum(columns)), kind)
        wide = self.padded.shape[3]
        high, self.width = self.padded.shape[2] - dilation * (k - 1), wide - dilation * (l - 1)
        length = (high - 1) * wide + self.width
        self.taps = [
            (i, j, np.s_[:, dilation * (i * wide + j) : dilation * (i * wide + j) + length])
            for i in range(k)
            for j in range(l)
        ]
        self.sum = np.zeros((out, high, wide), kind)
        self.product = np.empty((out, length), kind)
        self.back_sum = np.empty(self.padded.shape[1:], kind)
        self.back_product = np.empty((channels, length), kind)
        self.result = np.empty((count, out, high, self.width), kind)
        self.length = length

    def forward(self, x: Array, filters: Array, bias: Array | None = None) -> Array:
        """The convolution; its memory is used again by the next call."""
        self.padded[self.inside] = x
        parts = [(where, np.ascontiguousarray(filters[:, :, i, j])) for i, j, where in self.taps]
        flat = self.sum.reshape(len(filters), -1)[:, : self.length]
        for image, y in zip(self.padded.reshape(*self.padded.shape[:2], -1), self.result, strict=True):
            for number, (where, part) in enumerate(parts):
                np.matmul(part, image[where], out=self.product)
                np.add(flat, self.product, out=flat) if number else np.copyto(flat, self.product)
            if bias is None:
                y[...] = self.sum[:, :, : self.width]
            else:
                np.add(self.sum[:, :, : self.width], bias[:, None, None], out=y)
        return self.result

    def backward(self, g: Array, filters: Array) -> tuple[Array, Array]:
        """The gradients by x and by the filters."""
        by_x = np.empty((len(g), *self.padded[self.inside].shape[1:]), g.dtype)
        return by_x, self._gradients(g, filters, by_x)

    def filter_gradient(self, g: Array, filters: Array) -> Array:
        """The gradient by the filters alone."""
        return self._gradients(g, filters, None)

    def _gradients(self, g: Array, filters: Array, by_x: Array | None) -> Array:
        count, channels, height, width = self.padded.shape
        by_filters = np.zeros((len(self.taps), *filters.shape[:2]), g.dtype)
        self.sum[:, :, self.width :] = 0
        flat = self.sum.reshape(len(filters), -1)[:, : self.length]
        back = self.back_sum.reshape(channels, height * width)
        parts = [np.ascontiguousarray(filters[:, :, i, j].T) for i, j, _ in self.taps]
        for n, image in enumerate(self.padded.reshape(count, channels, -1)):
            self.sum[:, :, : self.width] = g[n]
            back[...] = 0
            for (_, _, where), part, total in zip(self.taps, parts, by_filters, strict=True):
                total += flat @ image[where].T
                if by_x is not None:
                    np.matmul(part, flat, out=self.back_product)
                    back[where] += self.back_product
            if by_x is not None:
                by_x[n] = self.back_sum[self.inside[1:]]
        return by_filters.transpose(1, 2, 0).reshape(filters.shape)


class Pooling:
    """The maximum of windows of 2 × 2, of (N, C, H, W), and its gradient."""

    def forward(self, x: Array) -> Array:
        self.corners = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        a, b, c, d = self.corners
        self.result = np.maximum(np.maximum(a, b), np.maximum(c, d))
        return self.result

    def backward(self, g: Array) -> Array:
        count, channels, height, width = g.shape
        by_x = np.empty((count, channels, 2 * height, 2 * width), g.dtype)
        for corner, where in zip(self.corners, [(i, j) for i in (0, 1) for j in (0, 1)], strict=True):
            np.multiply(g, corner == self.result, out=by_x[:, :, where[0] :: 2, where[1] :: 2])
        return by_x


def cross_entropy(logits: Array, labels: Array) -> tuple[Any, Array]:
    """The mean cross-entropy of rows of logits with one-hot labels, and its gradient by the logits."""
    z = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    count = len(logits)
    return -(labels * (z - np.log(total))).sum() / count, (e / total - labels) / count


def normalization(x: Array, eps: float = 1e-5) -> tuple[Array, Array]:
    """Rows less their mean, over their deviation, and one over the deviation."""
    width = x.shape[-1]
    centred = x - (x @ np.full((width, 1), 1 / width, x.dtype))
    inverse = 1 / np.sqrt(np.einsum("ij,ij->i", centred, centred)[:, None] / width + eps)
    centred *= inverse
    return centred, inverse


def normalization_gradient(g: Array, normalized: Array, inverse: Array) -> Array:
    """The gradient by the rows that were normalised."""
    width = g.shape[-1]
    by_x: Array = normalized * (np.einsum("ij,ij->i", g, normalized)[:, None] / -width)
    by_x += g
    by_x -= g @ np.full((width, 1), 1 / width, g.dtype)
    by_x *= inverse
    return by_x
