"""Layers whose results have another form than they should."""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from adversaries import bases as b
from adversaries.bases import Base, Fault, around, wrong
from adversaries.case import Adversary
from chainrule import Affine, Array, record


@frozen(eq=False)
@record
class Other:
    """The fields of an Affine, and another class."""

    W: Array
    b: Array


def ending(change: Callable[[Any, Any], Any]) -> Fault:
    """Backward's results are changed at its end: `(dx, grads)`."""

    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        return change(*right.backward(cache, d))

    return around(backward=backward)


def giving(change: Callable[[Any, Any], Any]) -> Fault:
    """Forward's results are changed at its end: `(out, cache)`."""

    def forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
        return change(*right.forward(p, x))

    return around(forward)


def one_row(out: Any, cache: Any) -> Any:
    return (out[0] if len(out) == 1 else out), cache


def as_matrix(a: Any) -> Any:
    return np.asmatrix(a)


def masked(dx: Any, grads: Any) -> Any:
    return np.ma.masked_array(dx, dx == 0), grads


ROWS: list[tuple[Base, str, Fault]] = [
    (b.scale_shift, "gradients in a list", ending(lambda dx, g: (dx, list(g)))),
    (b.scale_shift, "gradients in an array", ending(lambda dx, g: (dx, np.stack(g)))),
    (b.affine, "gradients in a tuple for a record", ending(lambda dx, g: (dx, (g.W, g.b)))),
    (b.affine, "gradients in a dictionary", ending(lambda dx, g: (dx, {"W": g.W, "b": g.b}))),
    (b.affine, "gradients in another record", ending(lambda dx, g: (dx, Other(g.W, g.b)))),
    (b.linear, "a gradient in a tuple for an array", ending(lambda dx, g: (dx, (g,)))),
    (b.linear, "dW is None", ending(lambda dx, g: (dx, None))),
    (b.scale_shift, "dbeta is None", ending(lambda dx, g: (dx, (g[0], None)))),
    (b.scale_shift, "dbeta is missing", ending(lambda dx, g: (dx, g[:1]))),
    (b.scale_shift, "a gradient too much", ending(lambda dx, g: (dx, (*g, g[0].copy())))),
    (b.tanh, "None for no gradients", ending(lambda dx, g: (dx, None))),
    (b.tanh, "an empty list for no gradients", ending(lambda dx, g: (dx, []))),
    (b.relu, "dx alone", ending(lambda dx, g: dx)),
    (b.affine, "gradients first", ending(lambda dx, g: (g, dx))),
    (b.affine, "three results", ending(lambda dx, g: (dx, g.W, g.b))),
    (b.linear, "dx is None", ending(lambda dx, g: (None, g))),
    (b.bias, "db keeps its dimensions", ending(lambda dx, g: (dx, g[None]))),
    (b.bias, "db is a column", ending(lambda dx, g: (dx, g[:, None]))),
    (b.bias, "db is not summed", ending(lambda dx, g: (dx, dx.copy()))),
    (b.linear, "dW is flat", ending(lambda dx, g: (dx, g.ravel()))),
    (b.in_time, "dW for each row", ending(lambda dx, g: (dx, (np.stack([g[0]] * len(dx)), g[1])))),
    (b.in_time, "dx without its axis of time", ending(lambda dx, g: (dx.reshape(-1, dx.shape[-1]), g))),
    (b.softmax, "dx is transposed", ending(lambda dx, g: (dx.T.copy(), g))),
    (b.sigmoid, "dx has an axis more", ending(lambda dx, g: (dx[..., None], g))),
    (b.gelu, "dx is a list", ending(lambda dx, g: (dx.tolist(), g))),
    (b.relu, "dx is a matrix", ending(lambda dx, g: (as_matrix(dx), g))),
    (b.relu, "dx is a masked array", ending(masked)),
    (b.tanh, "dx is of objects", ending(lambda dx, g: (dx.astype(object), g))),
    (b.square, "dx is complex", ending(lambda dx, g: (dx.astype(complex), g))),
    (b.temperature, "dt is a float", ending(lambda dx, g: (dx, float(g)))),
    (b.temperature, "dt has an axis", ending(lambda dx, g: (dx, g.reshape(1)))),
    (b.pooling, "dx of one time", ending(lambda dx, g: (dx[:, :1].copy(), g))),
    (b.affine, "out alone", giving(lambda out, cache: out)),
    (b.tanh, "the cache first", giving(lambda out, cache: (cache, out))),
    (b.relu, "out is a list", giving(lambda out, cache: (out.tolist(), cache))),
    (b.softmax, "out of one row loses its axis", giving(one_row)),
    (b.net, "gradients of the layers are swapped", ending(lambda dx, g: (dx, b.TwoLayer(g.second, g.first)))),
    (b.net, "gradients of the layers in a tuple", ending(lambda dx, g: (dx, (g.first, g.second)))),
    (b.affine, "db is dW's first row", ending(lambda dx, g: (dx, Affine(g.W, g.W[0])))),
]


def structures() -> list[Adversary]:
    """Members whose results have a wrong form."""
    return [wrong("structure", base, what, fault) for base, what, fault in ROWS]
