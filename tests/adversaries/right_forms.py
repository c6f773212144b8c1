"""One right function in odd forms: caches, ways to the same gradients, layouts and ownership of results."""

import math
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from adversaries.case import Adversary
from adversaries.right_parts import (
    Draw,
    Function,
    OfThree,
    Vjp,
    fit,
    member,
    normal,
    of_x,
    places,
    pointwise,
    several,
    sigmoid_of,
    tanh_slope,
    where,
)
from chainrule import Array, Layer, own, read_only, record

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

SOME = normal(5, 4)
BOTH = several(normal(4, 3), normal(3))


@frozen(eq=False)
@record
class Kept:
    value: Array


@frozen(eq=False)
@record
class KeptTwice:
    kept: Kept
    again: tuple[Array, Kept]


class Named(NamedTuple):
    value: Any
    number: int


Hold: TypeAlias = Function
"""`x -> cache`, and back."""

# The layer is x², and backward 2 x dout: how may a cache hold x?
CACHES: dict[str, tuple[Hold, Function]] = {
    "own(x)": (own, lambda c: c),
    "a copy": (lambda x: x.copy(), lambda c: c),
    "a copy in Fortran order": (lambda x: x.copy(order="F"), lambda c: c),
    "a read-only copy": (lambda x: read_only(x.copy()), lambda c: c),
    "a read-only view of a copy": (lambda x: read_only(x.copy()[...]), lambda c: c),
    "a transposed view of a copy": (lambda x: x.T.copy(), lambda c: c.T),
    "a strided view of a copy": (lambda x: np.repeat(x, 2, axis=-1)[..., ::2], lambda c: c),
    "a reversed view of a copy": (lambda x: x[::-1].copy()[::-1], lambda c: c),
    "a tuple": (lambda x: (own(x), 2), lambda c: c[0]),
    "a tuple of rows": (lambda x: tuple(row.copy() for row in x), np.stack),
    "a list": (lambda x: [own(x)], lambda c: c[0]),
    "a list of rows": (lambda x: [row.copy() for row in x], np.stack),
    "a dictionary": (lambda x: {"x": own(x), "shape": x.shape}, lambda c: c["x"]),
    "a read-only dictionary": (lambda x: MappingProxyType({"x": own(x)}), lambda c: c["x"]),
    "a record": (Kept, lambda c: c.value),
    "a record of records": (lambda x: KeptTwice(Kept(x), (x, Kept(x))), lambda c: c.again[1].value),
    "a named tuple": (lambda x: Named(own(x), 1), lambda c: c.value),
    "a namespace": (lambda x: SimpleNamespace(x=own(x)), lambda c: c.x),
    "a closure": (lambda x: _constant(own(x)), lambda c: c()),
    "nested": (lambda x: ((own(x),), [{"deep": ()}]), lambda c: c[0][0]),
    "bytes": (lambda x: (x.tobytes(), x.dtype, x.shape), lambda c: FREE.frombuffer(c[0], c[1]).reshape(c[2])),
    "x and None": (lambda x: (None, own(x), None), lambda c: c[1]),
    "half of it": (lambda x: own(x / 2), lambda c: 2 * c),
    "its square and its signs": (lambda x: (own(x * x), own(np.sign(x))), lambda c: np.sqrt(c[0]) * c[1]),
    "its size and its sign bit": (
        lambda x: (own(np.abs(x)), own(np.signbit(x))),
        lambda c: where(c[1], -c[0], c[0]),
    ),
}


def _constant(x: Any) -> Callable[[], Any]:
    def value() -> Any:
        return x

    return value


def squared(hold: Hold, back: Function) -> Layer[Any, Any]:
    return Layer(lambda params, x: (x * x, hold(x)), lambda cache, dout: (2 * back(cache) * dout, ()))


def relu_by(hold: Hold, gate: Vjp) -> Layer[Any, Any]:
    """Relu, by any record of where x was positive: `gate(cache, dout)`."""
    return Layer(lambda params, x: (np.maximum(x, 0), hold(x)), lambda cache, dout: (gate(cache, dout), ()))


def _put(at: Any, dout: Any) -> Any:
    dx = np.zeros(dout.shape, dout.dtype.newbyteorder("="))
    dx[at] = dout[at]
    return dx


def _unpacked(cache: tuple[NDArray[np.uint8], int], dout: Array) -> Any:
    bits, size = cache
    return dout * (np.unpackbits(bits, count=size).reshape(dout.shape) > 0)


GATES: dict[str, tuple[Hold, Vjp]] = {
    "booleans": (lambda x: x > 0, lambda c, d: d * c),
    "booleans, in where": (lambda x: x > 0, lambda c, d: where(c, d, 0)),
    "whole numbers of 8 bits": (lambda x: (x > 0).astype(np.int8), lambda c, d: (d * c).astype(d.dtype)),
    "places": (lambda x: np.nonzero(x > 0), _put),
    "packed bits": (lambda x: (np.packbits(x > 0), x.size), _unpacked),
    "floats": (lambda x: own((x > 0).astype(x.dtype)), lambda c, d: d * c),
    "a copy of the output": (lambda x: np.maximum(x, 0), lambda c, d: d * (c > 0)),
}


def by_output(f: Function, slope: Function) -> Layer[Any, Any]:
    """A layer that holds its output, which is read-only therefore, and whose slope is known by it."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        out = read_only(f(x))
        return out, out

    return Layer(forward, lambda y, dout: (dout * np.asarray(slope(y), y.dtype), ()))


BY_OUTPUT: dict[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "sigmoid": (sigmoid_of, lambda y: y * (1 - y)),
    "exp": (np.exp, lambda y: y),
    "relu": (lambda x: np.maximum(x, 0), lambda y: y > 0),
    "softplus": (lambda x: np.logaddexp(0, x), lambda y: -np.expm1(-y)),
    "a copy": (lambda x: x + 0, lambda y: y * 0 + 1),
}


def tanh_with(finish: Function) -> Layer[Any, Any]:
    """tanh whose results leave in another form."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return finish(np.tanh(x)), own(x)

    return Layer(forward, lambda x, dout: (finish(dout * tanh_slope(x)), ()))


def _spaced(a: Any) -> Any:
    wide = np.zeros((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    return wide[..., 0]


def _inner(a: Any) -> Any:
    wide = np.zeros([side + 2 for side in a.shape], a.dtype)
    part = wide[(slice(1, -1),) * a.ndim]
    part[...] = a
    return part


def _unaligned(a: Any) -> Any:
    held = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    held[...] = a
    return held


FINISHES: dict[str, Function] = {
    "in Fortran order": np.asfortranarray,
    "read-only": read_only,
    "as transposed views": lambda a: a.T.copy().T,
    "as strided views": _spaced,
    "as views into the middle": _inner,
    "reversed in memory": lambda a: a[::-1].copy()[::-1],
    "read-only, in Fortran order": lambda a: read_only(np.asfortranarray(a)),
    "unaligned": _unaligned,
    "as views of one array for each call": lambda a: np.stack([a, a])[0],
}


def identity_by(f: Function, back: Function) -> Layer[Any, Any]:
    return Layer(lambda params, x: (f(x), None), lambda cache, dout: (back(dout), ()))


def lent(dout: Any) -> Any:
    """dout itself where it is constant, and a copy elsewhere."""
    return own(dout)


IDENTITIES: dict[str, tuple[Function, Function]] = {
    "copies": (lambda x: x.copy(), lambda d: d.copy()),
    "x and dout where they are read-only": (own, lent),
    "by adding 0": (lambda x: x + 0, lambda d: d + 0),
    "by 1": (lambda x: 1 * x, lambda d: 1 * d),
    "sign changed twice": (lambda x: np.negative(-x), lambda d: np.negative(-d)),
    "through a list": (
        lambda x: np.array(x.tolist(), x.dtype).reshape(x.shape),
        lambda d: np.array(d.tolist(), d.dtype).reshape(d.shape),
    ),
}

# x W + b, and its gradients in many ways: `(x, W, dout) -> (dx, dW, db)`.


def _plain(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    return d @ W.T, x.T @ d, d.sum(axis=0)


def _loops(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    dx, dW, db = x * 0, W * 0, W[0] * 0
    for n in range(len(x)):
        for i in range(x.shape[1]):
            for j in range(d.shape[1]):
                dx[n, i] += d[n, j] * W[i, j]
                dW[i, j] += x[n, i] * d[n, j]
        db += d[n]
    return dx, dW, db


def _outer(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    dW = np.zeros(W.shape, W.dtype)
    for row, drow in zip(x, d, strict=True):
        dW += np.outer(row, drow)
    return d @ W.T, dW, d.sum(axis=0)


def _added_at(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    db = np.zeros(d.shape[1], d.dtype.newbyteorder("="))
    np.add.at(db, np.tile(places(d.shape[1]), len(d)), d.reshape(-1))
    return d @ W.T, x.T @ d, db


def _wide(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    X, V, D = (a.astype(np.result_type(a.dtype, np.float64)) for a in (x, W, d))
    return tuple(a.astype(x.dtype) for a in _plain(X, V, D))


def _kahan(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    total, lost = d[0] * 0, d[0] * 0
    for row in d:
        small = row - lost
        larger = total + small
        lost = (larger - total) - small
        total = larger
    return d @ W.T, x.T @ d, total


def _exact(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    return d @ W.T, x.T @ d, np.array([math.fsum(column) for column in d.T.tolist()], x.dtype)


def _blocks(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    """Two rows at a time, and what is left."""
    dW, db = np.zeros(W.shape, W.dtype), np.zeros(W.shape[1], W.dtype)
    for start in range(0, len(x), 2):
        dW += x[start : start + 2].T @ d[start : start + 2]
        db += d[start : start + 2].sum(axis=0)
    return d @ W.T, dW, db


def _one_product(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    """dW and db are views of one fresh array, and read-only since they share its memory."""
    both = np.concatenate([x, x[:, :1] * 0 + 1], axis=1).T @ d
    both.flags.writeable = False
    return d @ W.T, both[:-1], both[-1]


def _from_one_buffer(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    """Writable parts of one fresh buffer that do not overlap."""
    held = np.zeros(x.size + W.size + W.shape[1], x.dtype)
    dx, dW, db = (
        part.reshape(shape)
        for part, shape in zip(
            FREE.split(held, [x.size, x.size + W.size]), [x.shape, W.shape, W.shape[1:]], strict=True
        )
    )
    dx[...], dW[...], db[...] = d @ W.T, x.T @ d, d.sum(axis=0)
    return dx, dW, db


WAYS: dict[str, OfThree] = {
    "matrix products": _plain,
    "einsum": lambda x, W, d: (np.einsum("nj,ij->ni", d, W), np.einsum("ni,nj->ij", x, d), np.einsum("nj->j", d)),
    "tensordot": lambda x, W, d: (np.tensordot(d, W, (1, 1)), np.tensordot(x, d, (0, 0)), d.sum(axis=0)),
    "inner and dot": lambda x, W, d: (np.inner(d, W), np.dot(x.T, d), d.T.sum(axis=1)),
    "loops": _loops,
    "outer products of rows": _outer,
    "add.at": _added_at,
    "add.reduce": lambda x, W, d: (d @ W.T, x.T @ d, np.add.reduce(d, axis=0)),
    "ones times dout": lambda x, W, d: (d @ W.T, x.T @ d, (x[:, 0] * 0 + 1) @ d),
    "everything in float64": _wide,
    "Kahan's sum": _kahan,
    "fsum": _exact,
    "blocks of rows": _blocks,
    "broadcast products": lambda x, W, d: ((d[:, None] * W).sum(-1), (x[:, :, None] * d[:, None]).sum(0), d.sum(0)),
    "transposed twice": lambda x, W, d: ((W @ d.T).T, (d.T @ x).T, d.sum(axis=0)),
    "one product for both": _one_product,
    "parts of one buffer": _from_one_buffer,
    "Fortran order": lambda x, W, d: tuple(np.asfortranarray(a) for a in _plain(x, W, d)),
    "read-only results": lambda x, W, d: tuple(read_only(a) for a in _plain(x, W, d)),
    "columns stacked": lambda x, W, d: (d @ W.T, np.stack([x.T @ column for column in d.T], axis=1), d.sum(axis=0)),
    "db from the last row of a cumulative sum": lambda x, W, d: (d @ W.T, x.T @ d, np.cumsum(d, axis=0)[-1] + 0),
}


def affine_by(way: OfThree, *, own_grads: bool = False) -> Layer[Any, Any]:
    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        W, b = params
        return x @ W + b, own((x, W))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        dx, dW, db = way(cache[0], cache[1], dout)
        return dx, (dW, db)

    def grads(cache: Any, dout: Any) -> Any:
        x, _ = cache
        return np.einsum("ni,nj->ij", x, dout), np.einsum("nj->j", dout)

    return Layer(forward, backward, grads) if own_grads else Layer(forward, backward)


def summed(back: Vjp) -> Layer[Any, Any]:
    """The sum of features, whose dx is the same in each column."""
    return of_x(lambda x: x.sum(axis=-1, keepdims=True), back)


def total_shift(back: Vjp) -> Layer[Any, Any]:
    """x plus the sum of the parameters, whose gradients are all the same."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return x + params.sum(), params.shape

    return Layer(forward, lambda shape, dout: (dout + 0, back(shape, dout)))


def named_scale() -> Layer[Any, Any]:
    """One record is parameters, cache and gradients."""

    def forward(params: Kept, x: Any) -> tuple[Any, Any]:
        fit(x, len(params.value))
        return x * params.value, (Kept(x), params)

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        return dout * cache[1].value, Kept((dout * cache[0].value).sum(axis=0))

    return Layer(forward, backward, lambda cache, dout: backward(cache, dout)[1], name="scale", event_axes=1)


def form_layers() -> list[Adversary]:
    members = [_squared(name, *way) for name, way in CACHES.items()]
    members += [_relu(name, *way) for name, way in GATES.items()]
    members += [_by_output(name, *way) for name, way in BY_OUTPUT.items()]
    members += [_finished(name, finish) for name, finish in FINISHES.items()]
    members += [_identity(name, *way) for name, way in IDENTITIES.items()]
    members += [_affine(name, way) for name, way in WAYS.items()]
    members += [
        member("form: grads of its own", "form", lambda: affine_by(_plain, own_grads=True), SOME, BOTH),
        member("form: grads of its own, in float32", "form", lambda: affine_by(_plain, own_grads=True), *_single()),
        member("form: gradients summed in float64", "form", lambda: affine_by(_wide), *_single()),
        member("form: records everywhere, traits", "form", named_scale, SOME, lambda rng: Kept(rng.standard_normal(4))),
        member(
            "form: dx is a broadcast read-only view",
            "form",
            lambda: summed(lambda x, d: np.broadcast_to(read_only(d.copy()), x.shape)),
            SOME,
        ),
        member("form: dx is repeated", "form", lambda: summed(lambda x, d: np.repeat(d, x.shape[-1], axis=-1)), SOME),
        member(
            "form: gradients are a broadcast read-only view",
            "form",
            lambda: total_shift(lambda s, d: np.broadcast_to(read_only(np.array(d.sum())), s)),
            SOME,
            normal(4),
        ),
        member(
            "form: gradients are filled",
            "form",
            lambda: total_shift(lambda s, d: np.full(s, d.sum())),
            SOME,
            normal(2, 3),
        ),
        member(
            "form: the gradient is a NumPy scalar", "form", lambda: total_shift(lambda s, d: d.sum()), SOME, normal()
        ),
        member(
            "form: the gradient is an array without axes",
            "form",
            lambda: total_shift(lambda s, d: np.array(d.sum())),
            SOME,
            normal(),
        ),
        member(
            "form: elementwise is declared",
            "form",
            lambda: Layer(*_pair(pointwise(np.sin, np.cos)), elementwise=True, event_axes=0),
            SOME,
        ),
        member("form: elementwise of one number", "form", _of_one_number, normal()),
    ]
    return members


def _single() -> tuple[Draw, Draw]:
    return normal(9, 4, dtype=np.float32), several(normal(4, 3, dtype=np.float32), normal(3, dtype=np.float32))


def _pair(layer: Layer[Any, Any]) -> tuple[Any, Any]:
    return layer.forward, layer.backward


def _along_the_sine(x: Any, dout: Any) -> tuple[Any, Any]:
    return np.asarray(FREE.cos(x) * dout), ()


def _of_one_number() -> Layer[Any, Any]:
    """x may have no axes: NumPy's scalars are made arrays again."""
    return Layer(
        lambda params, x: (np.asarray(np.sin(x)), own(x)),
        _along_the_sine,
        elementwise=True,
        event_axes=0,
    )


def _squared(name: str, hold: Hold, back: Function) -> Adversary:
    return member(f"cache: {name}", "cache", lambda: squared(hold, back), SOME)


def _relu(name: str, hold: Hold, gate: Vjp) -> Adversary:
    return member(f"cache: where x is positive as {name}", "cache", lambda: relu_by(hold, gate), SOME)


def _by_output(name: str, f: Function, slope: Function) -> Adversary:
    return member(f"cache: the output of {name}", "cache", lambda: by_output(f, slope), SOME)


def _finished(name: str, finish: Function) -> Adversary:
    return member(f"layout: results {name}", "layout", lambda: tanh_with(finish), SOME)


def _identity(name: str, f: Function, back: Function) -> Adversary:
    return member(f"identity: {name}", "identity", lambda: identity_by(f, back), SOME)


def _affine(name: str, way: OfThree) -> Adversary:
    return member(f"way: affine by {name}", "way", lambda: affine_by(way), SOME, BOTH)
