"""Backwards that are meant to differ from the derivative and do not say so, and gradients of whole numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Fault, fed, giving, pulling, sloping, unlocked, wrong
from adversaries.case import Adversary, LayerCase
from chainrule import Encoder, own


def quantised(p: Any, x: Any) -> Any:
    return x @ (b.to_whole(p * 4) / 4)


def hardest(p: Any, x: Any) -> Any:
    return (x == x.max(axis=-1, keepdims=True)).astype(x.dtype)


def ranks(p: Any, x: Any) -> Any:
    return x.argsort(axis=-1).argsort(axis=-1).astype(x.dtype)


def nearest(c: Any, x: Any) -> Any:
    return c[((x[:, None, :] - c) ** 2).sum(axis=2).argmin(axis=1)]


def nearest_pull(c: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """The code book's gradient is right, and dx passes straight through."""
    chosen = ((x[:, None, :] - c) ** 2).sum(axis=2).argmin(axis=1)
    dc = np.zeros_like(c)
    np.add.at(dc, chosen, d)
    return d.copy(), dc


def counted(p: Any, x: Any) -> Any:
    return (x > 0).sum(axis=-1, keepdims=True).astype(x.dtype)


codes = Base("nearest code", "c", b.distance.draw, nearest, nearest_pull)

ROWS: list[tuple[Base, str, Fault]] = [
    (b.floor, "straight through", sloping(np.ones_like)),
    (b.rounded, "straight through", sloping(np.ones_like)),
    (b.rounded, "straight through within 1", sloping(lambda x: np.abs(x) < 1)),
    (b.rounded, "a gradient of 1e-3", sloping(lambda x: np.full_like(x, 1e-3))),
    (b.floor, "gradient of the sawtooth", sloping(lambda x: x - np.floor(x))),
    (b.sign, "straight through", sloping(np.ones_like)),
    (b.sign, "straight through within 1", sloping(lambda x: np.abs(x) < 1)),
    (b.sign, "the slope of tanh", sloping(lambda x: 1 - np.tanh(x) ** 2)),
    (b.sign, "the slope of an arc tangent, as of spikes", sloping(lambda x: 1 / (1 + (np.pi * x) ** 2))),
    (b.relu, "guided: negative dout is stopped", pulling(lambda p, x, d: (d * ((x > 0) & (d > 0)), ()))),
    (b.relu, "deconvolution: only positive dout passes", pulling(lambda p, x, d: (np.maximum(d, 0), ()))),
    (b.identity, "gradient reversal", fed(lambda d: -d)),
    (b.identity, "gradient scaled by 0.1", fed(lambda d: d * 0.1)),
    (b.identity, "gradient stopped", fed(np.zeros_like)),
    (b.identity, "gradient clipped to 0.5", fed(lambda d: np.clip(d, -0.5, 0.5))),
    (b.linear, "weights quantised, gradients of those that are not", giving(quantised)),
    (b.softmax, "the hardest forward, softmax coming back", giving(hardest)),
    (b.tanh, "its sign forward", giving(lambda p, x: np.sign(x))),
    (b.sigmoid, "a step forward", giving(lambda p, x: (x > 0).astype(x.dtype))),
    (b.identity, "rounded to 2 decimals forward", giving(lambda p, x: b.to_whole(x, 2))),
    (b.identity, "ranks forward", giving(ranks)),
    (b.norm, "a count forward", giving(counted)),
    (b.maximum, "softmax coming back", pulling(lambda p, x, d: (b.probabilities(x) * d, ()))),
    (codes, "straight through", pulling(nearest_pull)),
]


# Encoders, whose x are whole numbers.

Grads = Callable[[Any, Any, Any], Any]


def right_grads(table: Any, ids: Any, d: Any) -> Any:
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, d)
    return gradient


def embedding_case(grads: Grads, ids: Any, dtype: Any, hold: bool, mangle: Grads | None) -> LayerCase:
    def forward(table: Any, x: Any) -> tuple[Any, Any]:
        out = table[x]
        if mangle:
            out = mangle(table, x, out)
        return out, (own(table), x if hold else own(x))

    def back(cache: Any, d: Any) -> Any:
        return grads(cache[0], cache[1], d)

    table = np.random.default_rng(0).standard_normal((6, 3)).astype(dtype)
    return LayerCase(Encoder(forward, back), table, unlocked(np.array(ids)))


def changing(change: Callable[[Any, Any], Any]) -> Grads:
    """The right gradient, changed at the end."""
    return lambda table, ids, d: change(right_grads(table, ids, d), ids)


def without_duplicates(table: Any, ids: Any, d: Any) -> Any:
    gradient = np.zeros_like(table)
    gradient[ids] += d
    return gradient


def last_of_duplicates(table: Any, ids: Any, d: Any) -> Any:
    gradient = np.zeros_like(table)
    gradient[ids] = d
    return gradient


def by_frequency(g: Any, ids: Any) -> Any:
    return (g / np.maximum(np.bincount(ids.ravel(), minlength=len(g)), 1)[:, None]).astype(g.dtype)


def padding(g: Any, ids: Any) -> Any:
    g[0] = 0
    return g


def last_entry(g: Any, ids: Any) -> Any:
    g[-1] = 0
    return g


def one_entry(g: Any, ids: Any) -> Any:
    g[2, 1] *= 1 + 1e-5
    return g


def writing_ids(table: Any, ids: Any, out: Any) -> Any:
    ids[ids < 0] = 0
    ids += 0
    np.clip(ids, 0, 4, out=ids)
    return out


FLAT, NESTED = [0, 5, 2, 2, 3, 1, 5, 4], [[0, 1, 1], [5, 5, 2], [3, 4, 0], [2, 0, 5]]
EMBEDDINGS: list[tuple[str, Grads, Any, Any, bool, Grads | None]] = [
    ("equal ids count once", without_duplicates, FLAT, np.float64, False, None),
    ("the last of equal ids alone", last_of_duplicates, NESTED, np.float64, False, None),
    ("divided by how often an id occurs", changing(by_frequency), FLAT, np.float64, False, None),
    ("id 0 is padding and gets nothing", changing(padding), NESTED, np.float64, False, None),
    ("the last id gets nothing", changing(last_entry), FLAT, np.float64, False, None),
    ("off by one", changing(lambda g, ids: np.roll(g, 1, axis=0)), FLAT, np.float64, False, None),
    ("everything by 1e-6", changing(lambda g, ids: g * (1 + 1e-6)), NESTED, np.float64, False, None),
    ("float64 for float32", changing(lambda g, ids: g.astype(np.float64)), FLAT, np.float32, False, None),
    ("rows of ids that occur alone", changing(lambda g, ids: g[np.unique(ids)]), [0, 3, 3, 2], np.float64, False, None),
    ("ids are cached without a copy", right_grads, FLAT, np.float64, True, None),
    ("ids are clipped in place", right_grads, FLAT, np.float64, False, writing_ids),
    ("forward scales by 2", right_grads, NESTED, np.float64, False, lambda table, ids, out: 2 * out),
    (
        "one entry by 1e-5",
        changing(one_entry),
        FLAT,
        np.float64,
        False,
        None,
    ),
]


def surrogates() -> list[Adversary]:
    """Members whose backward is not the derivative on purpose."""
    return [wrong("surrogate", base, what, fault) for base, what, fault in ROWS]


def integers() -> list[Adversary]:
    """Members whose input is whole numbers."""
    return [
        Adversary(f"embedding: {what}", "integers", partial(embedding_case, grads, ids, dtype, hold, mangle))
        for what, grads, ids, dtype, hold, mangle in EMBEDDINGS
    ]
