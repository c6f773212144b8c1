"""The library's own layers and combinators, layers made by its rules, and encoders."""

from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen

from adversaries.case import Adversary
from adversaries.right_parts import Draw, Function, member, normal, of_both, pointwise, several, tanh_slope
from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Embedding,
    Encoder,
    Labels,
    Layer,
    LayerNorm,
    Statistics,
    Unit,
    add,
    affine,
    batch_norm,
    dropout,
    embedding,
    encoded,
    fixed,
    identity,
    layer_norm,
    own,
    record,
    relu,
    repeated,
    residual,
    rules,
    sequential,
    sigmoid,
    tanh,
    tied,
    tree,
)
from strategies import Floating

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

SOME = normal(5, 4)


@frozen(eq=False)
@record
class Scale:
    factor: Array


@frozen(eq=False)
@record
class Input:
    """Two inputs of an encoder."""

    words: Labels
    sizes: Array


def affines(*sides: int, scale: float = 1.0, dtype: Floating = np.float64) -> Draw:
    """Parameters of affine layers in a row; of one, its own."""

    def draw(rng: np.random.Generator) -> Any:
        made = [
            Affine((scale * rng.standard_normal((n, m))).astype(dtype), rng.standard_normal(m).astype(dtype))
            for n, m in pairwise(sides)
        ]
        return tuple(made) if len(made) > 1 else made[0]

    return draw


def none(rng: np.random.Generator) -> Unit:
    return ()


def norms(features: int, kind: Any = LayerNorm, dtype: Floating = np.float64) -> Draw:
    return lambda rng: kind(*rng.standard_normal((2, features)).astype(dtype))


def tokens(*shape: int, below: int = 6, dtype: Any = np.int64) -> Draw:
    return lambda rng: rng.integers(0, below, shape).astype(dtype)


def table(dtype: Floating = np.float64) -> Draw:
    return lambda rng: Embedding(rng.standard_normal((6, 3)).astype(dtype))


def many(draw: Draw, n: int) -> Draw:
    return several(*[draw] * n)


def twice(params: Any) -> Any:
    return params, params


def summed(grads: Any) -> Any:
    return tree.map(np.add, *grads)


def scale_forward(xp: rules.Namespace, params: Scale, x: Array) -> tuple[Array, Any]:
    return x * params.factor, Kept(xp.own(x), params.factor)


def scale_backward(xp: rules.Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Scale]:
    dx = dout * cache.factor if wants_dx else None
    return dx, Scale(xp.sum_rows(dout * cache.x))


@frozen(eq=False)
@record
class Kept:
    x: Array
    factor: Array


def sine_forward(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return np.sin(x), np.cos(x)


def cubed(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x * x * x, xp.own(x)


def cube_slope(xp: rules.Namespace, x: Array) -> Array:
    return 3 * x * x


def gated(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    out = xp.positive_part(x)
    return out, out


def gate(xp: rules.Namespace, out: Array, dout: Array) -> Array:
    return xp.gate(out, dout)


def by_rules(name: str) -> Layer[Any, Any]:
    layers: dict[str, Any] = {
        "scale": lambda: rules.layer("scale", Scale, scale_forward, scale_backward, "factor", event_axes=1),
        "sine, which saves its slope": lambda: rules.elementwise("sine", sine_forward),
        "cube, by its slope": lambda: rules.elementwise("cube", cubed, cube_slope),
        "relu, by its backward": lambda: rules.elementwise("gated", gated, backward=gate),
    }
    made: Layer[Any, Any] = layers[name]()
    return made


def loud_sine() -> Layer[Any, Any]:
    return pointwise(np.sin, np.cos)


def hand_written() -> Layer[Any, Any]:
    """x W + b by a bare pair, on the library's record."""

    def vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
        return d @ p.W.T, Affine(x.T @ d, d.sum(axis=0))

    def forward(params: Affine, x: Any) -> tuple[Any, Any]:
        return x @ params.W + params.b, (params, own(x))

    return Layer(forward, lambda cache, dout: vjp(cache[0], cache[1], dout))


def lookup(scatter: Function) -> Encoder[Any, Any, Any]:
    """Rows of a table; `scatter((table, tokens, dout)) -> gradient`."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return params[x], (own(params), own(x))

    return Encoder(forward, lambda cache, dout: scatter((*cache, dout)))


def _add_at(given: Any) -> Any:
    E, x, dout = given
    grad = np.zeros(E.shape, E.dtype)
    np.add.at(grad, x, dout)
    return grad


def _one_hot(given: Any) -> Any:
    E, x, dout = given
    hot = (x.reshape(-1, 1) == np.arange(len(E))).astype(E.dtype)
    return hot.T @ dout.reshape(-1, E.shape[1])


def _counted(given: Any) -> Any:
    E, x, dout = given
    columns = [FREE.bincount(x.reshape(-1), column, len(E)) for column in dout.reshape(-1, E.shape[1]).T]
    return np.stack(columns, axis=1).astype(E.dtype)


def _looped(given: Any) -> Any:
    E, x, dout = given
    grad = E * 0
    for token, row in zip(x.reshape(-1), dout.reshape(-1, E.shape[1]), strict=True):
        grad[token] += row
    return grad


def bag() -> Encoder[Any, Any, Any]:
    """The mean of the words' rows."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return params[x].mean(axis=1), (own(params), own(x))

    def grads(cache: Any, dout: Any) -> Any:
        E, x = cache
        return _add_at((E, x, np.zeros((*x.shape, E.shape[1]), E.dtype) + dout[:, None] / x.shape[1]))

    return Encoder(forward, grads)


def sized() -> Encoder[Any, Any, Input]:
    """Rows of a table, times a size: its input is a record."""

    def forward(params: Any, x: Input) -> tuple[Any, Any]:
        return params[x.words] * x.sizes[:, None].astype(params.dtype), (own(params), own(x.words), own(x.sizes))

    def grads(cache: Any, dout: Any) -> Any:
        E, words, sizes = cache
        return _add_at((E, words, dout * sizes[:, None].astype(E.dtype)))

    return Encoder(forward, grads)


STATISTICS = Statistics(mean=np.array([0.5, -1.0, 2.0]), var=np.array([1.0, 0.25, 4.0]))

LAYERS: dict[str, tuple[Any, Draw | None, Draw]] = {
    "affine": (lambda: affine, affines(4, 3), SOME),
    "affine of sentences": (lambda: affine, affines(4, 3), normal(3, 5, 4)),
    "relu": (lambda: relu, None, SOME),
    "sigmoid": (lambda: sigmoid, None, SOME),
    "sigmoid, saturated": (lambda: sigmoid, None, normal(5, 4, scale=30)),
    "tanh": (lambda: tanh, None, SOME),
    "tanh, saturated": (lambda: tanh, None, normal(5, 4, scale=30)),
    "identity": (lambda: identity, None, SOME),
    "layer norm": (layer_norm, norms(4), SOME),
    "layer norm of sentences": (layer_norm, norms(4), normal(2, 3, 4)),
    "layer norm with a large eps": (lambda: layer_norm(0.5), norms(4), SOME),
    "layer norm of rows near a constant": (layer_norm, norms(4), normal(5, 4, scale=1e-3, shift=100)),
    "batch norm": (batch_norm, norms(3, BatchNorm), normal(5, 3)),
    "batch norm of pictures": (batch_norm, norms(3, BatchNorm), normal(3, 2, 2, 3)),
    "batch norm in use": (lambda: batch_norm(STATISTICS), norms(3, BatchNorm), normal(5, 3)),
    "dropout": (lambda: dropout(0.4, seed=1), None, SOME),
    "dropout of nothing": (lambda: dropout(0.0, seed=1), None, SOME),
    "affine in float32": (lambda: affine, affines(4, 3, dtype=np.float32), normal(5, 4, dtype=np.float32)),
    "affine in float16": (lambda: affine, affines(4, 3, dtype=np.float16), normal(5, 4, dtype=np.float16)),
    "layer norm in float32": (layer_norm, norms(4, dtype=np.float32), normal(5, 4, dtype=np.float32)),
    "layer norm in float16": (layer_norm, norms(4, dtype=np.float16), normal(5, 4, dtype=np.float16)),
    "tanh in float32": (lambda: tanh, None, normal(5, 4, dtype=np.float32)),
    "sigmoid in float16": (lambda: sigmoid, None, normal(5, 4, dtype=np.float16)),
}
COMBINED: dict[str, tuple[Any, Draw | None, Draw]] = {
    "sequential of nothing": (sequential, none, SOME),
    "sequential": (
        lambda: sequential(affine, relu, affine),
        lambda rng: (affines(4, 6)(rng), (), affines(6, 3)(rng)),
        SOME,
    ),
    "sequential in float32": (
        lambda: sequential(affine, tanh, affine),
        lambda rng: (affines(4, 6, dtype=np.float32)(rng), (), affines(6, 3, dtype=np.float32)(rng)),
        normal(5, 4, dtype=np.float32),
    ),
    "sequential of sequential": (
        lambda: sequential(sequential(affine, sigmoid), affine),
        lambda rng: ((affines(4, 6)(rng), ()), affines(6, 3)(rng)),
        SOME,
    ),
    "a pair beside rules": (
        lambda: sequential(affine, loud_sine(), affine),
        lambda rng: (affines(4, 6)(rng), (), affines(6, 3)(rng)),
        SOME,
    ),
    "a pair first": (lambda: sequential(hand_written(), tanh), several(affines(4, 3), none), SOME),
    "five layers of tanh": (
        lambda: sequential(*[sequential(affine, tanh) for _ in range(5)]),
        many(several(affines(4, 4), none), 5),
        SOME,
    ),
    "residual": (lambda: residual(sequential(affine, tanh)), several(affines(4, 4), none), SOME),
    "residual of identity": (lambda: residual(identity), None, SOME),
    "add": (lambda: add(affine, tanh), several(affines(4, 4), none), SOME),
    "add one": (lambda: add(affine), several(affines(4, 3)), SOME),
    "add the same three times": (lambda: add(relu, relu, relu), many(none, 3), SOME),
    "add a pair": (lambda: add(loud_sine(), affine), several(none, affines(4, 4)), SOME),
    "repeated": (
        lambda: repeated(residual(sequential(affine, tanh)), 3),
        many(several(affines(4, 4, scale=0.5), none), 3),
        SOME,
    ),
    "tied": (lambda: tied(sequential(affine, affine), twice, summed), affines(4, 4), SOME),
    "fixed": (lambda: fixed(affine), affines(4, 3), SOME),
    "fixed first": (
        lambda: sequential(fixed(affine), tanh, affine),
        lambda rng: (affines(4, 6)(rng), (), affines(6, 3)(rng)),
        SOME,
    ),
    "norm, affine, dropout": (
        lambda: sequential(layer_norm(), affine, dropout(0.3, seed=2)),
        several(norms(4), affines(4, 3), none),
        SOME,
    ),
    "batch norm between affines": (
        lambda: sequential(affine, batch_norm(), relu, affine),
        lambda rng: (affines(4, 3)(rng), norms(3, BatchNorm)(rng), (), affines(3, 2)(rng)),
        SOME,
    ),
    "residual of a pair that holds tuples": (
        lambda: residual(
            of_both(
                lambda p, x: np.tanh(x @ p),
                lambda p, x, d: ((d * tanh_slope(x @ p)) @ p.T, x.T @ (d * tanh_slope(x @ p))),
            )
        ),
        normal(4, 4),
        SOME,
    ),
}
RULES: dict[str, tuple[Draw | None, Draw]] = {
    "scale": (lambda rng: Scale(rng.standard_normal(4)), SOME),
    "sine, which saves its slope": (None, SOME),
    "cube, by its slope": (None, SOME),
    "relu, by its backward": (None, SOME),
}
TABLE = normal(6, 3)
ENCODERS: dict[str, tuple[Any, Draw, Draw]] = {
    "embedding": (lambda: embedding, table(), tokens(7)),
    "embedding of sentences": (lambda: embedding, table(), tokens(3, 4)),
    "embedding of bytes": (lambda: embedding, table(), tokens(7, dtype=np.uint8)),
    "embedding in float32": (lambda: embedding, table(np.float32), tokens(7)),
    "embedding of one token many times": (lambda: embedding, table(), tokens(7, below=1)),
    "fixed embedding": (lambda: fixed(embedding), table(), tokens(7)),
    "embedding and affine": (lambda: encoded(embedding, affine), several(table(), affines(3, 2)), tokens(3, 4)),
    "embedding and residual": (
        lambda: encoded(embedding, residual(sequential(affine, tanh))),
        several(table(), several(affines(3, 3), none)),
        tokens(5),
    ),
    "lookup by add.at": (lambda: lookup(_add_at), TABLE, tokens(7)),
    "lookup by one-hot rows": (lambda: lookup(_one_hot), TABLE, tokens(3, 4)),
    "lookup by bincount": (lambda: lookup(_counted), TABLE, tokens(7)),
    "lookup by a loop": (lambda: lookup(_looped), TABLE, tokens(3, 2)),
    "lookup in float32": (lambda: lookup(_add_at), normal(6, 3, dtype=np.float32), tokens(7, dtype=np.int32)),
    "lookup and a pair": (lambda: encoded(lookup(_add_at), loud_sine()), several(TABLE, none), tokens(7)),
    "bag of words": (bag, TABLE, tokens(3, 4)),
    "words with sizes, a record": (sized, TABLE, lambda rng: Input(rng.integers(0, 6, 5), rng.uniform(0.5, 2, 5))),
}


def library_layers() -> list[Adversary]:
    members = [member(f"library: {name}", "library", layer, x, params) for name, (layer, params, x) in LAYERS.items()]
    members += [
        member(f"combinator: {name}", "combinator", layer, x, params) for name, (layer, params, x) in COMBINED.items()
    ]
    members += [member(f"rule: {name}", "rule", _by_rules(name), x, params) for name, (params, x) in RULES.items()]
    members += [
        member(f"encoder: {name}", "encoder", layer, x, params) for name, (layer, params, x) in ENCODERS.items()
    ]
    return members


def _by_rules(name: str) -> Any:
    return lambda: by_rules(name)
