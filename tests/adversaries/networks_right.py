"""Right networks: right parts by hand at every place, joints, ties and encoders in odd forms, and the library's own."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from adversaries import bases as b
from adversaries import loss_forms as forms
from adversaries import network_making as at
from adversaries import networks_wrong_joints as joints
from adversaries.bases import Base, layer_of
from adversaries.case import Adversary, NetworkCase
from adversaries.loss_making import made
from adversaries.network_making import Built, Place, network_of, placed, weights
from chainrule import (
    Affine,
    Attention,
    BatchNorm,
    Convolution,
    Embedding,
    Encoder,
    GroupNorm,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    Positions,
    RmsNorm,
    add,
    affine,
    attention,
    batch_norm,
    concatenate,
    convolution,
    dropout,
    embedding,
    encoded,
    fixed,
    flatten,
    gelu,
    global_mean_pool,
    group_norm,
    gru,
    huber,
    identity,
    last,
    layer_norm,
    lstm,
    max_pool,
    mean_absolute_error,
    mean_squared_error,
    multiply,
    own,
    positions,
    recomputed,
    relu,
    repeated,
    residual,
    rms_norm,
    sequential,
    sigmoid,
    softmax,
    tanh,
    tied,
    tree,
)

Build: TypeAlias = Callable[[np.random.Generator], Built]

RIGHT_NETWORKS: list[Adversary] = []


# Right parts by hand, at every place.

PARTS: list[tuple[Place, Base, int, Any]] = [
    (at.first, b.layer_norm, 6, np.float64),
    (at.first, b.convolution, 6, np.float64),
    (at.middle, b.softmax, 6, np.float64),
    (at.middle, b.attention, 4, np.float64),
    (at.middle, b.recurrent, 4, np.float32),
    (at.last, b.log_softmax, 6, np.float64),
    (at.nested, b.prelu, 6, np.float64),
    (at.in_sum, b.unit, 6, np.float64),
    (at.side_by_side, b.glu, 6, np.float64),
    (at.in_product, b.cumsum, 6, np.float32),
    (at.in_residual, b.rms_norm, 6, np.float64),
    (at.thrice, b.square_affine, 6, np.float64),
    (at.shared, b.scale_shift, 6, np.float64),
    (at.recomputing, b.gelu, 6, np.float64),
    (at.held_fixed, b.scale_shift, 6, np.float64),
    (at.behind_tokens, b.bilinear, 6, np.float64),
    (at.behind_attention, b.layer_norm, 4, np.float64),
    (at.behind_lstm, b.silu, 4, np.float64),
    (at.behind_convolution, b.relu, 4, np.float64),
    (at.middle, b.batch_norm, 8, np.float64),
    (at.middle, b.maximum, 6, np.float64),
    (at.alone, b.net, 6, np.float32),
]


def right_part(place: Place, base: Base, rows: int, dtype: Any) -> NetworkCase:
    return placed(place, base, layer_of(base), rows, dtype)


RIGHT_NETWORKS.extend(
    Adversary(f"{row[1].name}, {row[0].__name__.replace('_', ' ')}", "part", partial(right_part, *row)) for row in PARTS
)


# Joints by hand.

FORKS: dict[str, tuple[joints.OfThree, joints.OfFour]] = {
    "a mean": (lambda a, c, x: (a + c) / 2, lambda f, g, d, o: joints.sums(f(d / 2), g(d / 2))),
    "a product": (lambda a, c, x: a * c, joints.product_back),
    "a maximum": (
        lambda a, c, x: np.maximum(a, c),
        lambda f, g, d, o: joints.sums(f(d * joints.larger(o)), g(d * ~joints.larger(o))),
    ),
    "side by side": (
        lambda a, c, x: np.concatenate([a, c], axis=-1),
        lambda f, g, d, o: joints.sums(f(d[..., :4]), g(d[..., 4:])),
    ),
    "a difference": (lambda a, c, x: a - c, lambda f, g, d, o: joints.sums(f(d), g(-d))),
    "one branch, beside one whose output is not used": (
        lambda a, c, x: a.copy(),
        lambda f, g, d, o: joints.sums(f(d), g(0 * d)),
    ),
}
RIGHT_NETWORKS.extend(
    Adversary(f"fork: {what}", "joint", partial(joints.fork_case, *row)) for what, row in FORKS.items()
)

SKIPS: dict[str, tuple[joints.OfTwo, joints.OfFour]] = {
    "a skip": (lambda x, f: x + f, lambda pull, d, x, f: joints.plus(pull(d), d)),
    "a skip of a half": (lambda x, f: 0.5 * x + f, lambda pull, d, x, f: joints.plus(pull(d), 0.5 * d)),
    "a gate": (lambda x, f: x * f, lambda pull, d, x, f: joints.plus(pull(d * x), d * f)),
    "a highway": (
        lambda x, f: (1 - f) * x + f * np.tanh(x),
        lambda pull, d, x, f: joints.plus(pull(d * (np.tanh(x) - x)), d * ((1 - f) + f * (1 - np.tanh(x) ** 2))),
    ),
}
RIGHT_NETWORKS.extend(
    Adversary(f"around: {what}", "joint", partial(joints.skip_case, *row)) for what, row in SKIPS.items()
)
BY_HAND = [
    Adversary("chain: by hand", "joint", partial(joints.chain_case, joints.rightly, None)),
    Adversary("chain: by hand, declared", "joint", partial(joints.chain_case, joints.rightly, None, declared=True)),
    Adversary(
        "chain: by hand, with grads",
        "joint",
        partial(joints.chain_case, joints.rightly, lambda pulls, d: joints.rightly(pulls, d)[1]),
    ),
    Adversary(
        "both ways: a turned lstm",
        "joint",
        partial(joints.both_ways_case, lambda pull, d: joints.not_turned(pull, d[:, ::-1])),
    ),
    Adversary(
        "fixed: by hand", "fixed", partial(joints.fixed_case, lambda dx, grads: (dx, tree.map(np.zeros_like, grads)))
    ),
    Adversary("encoder: a table", "encoder", partial(joints.encoder_case, joints.look_up, joints.rightly_put)),
]
RIGHT_NETWORKS.extend(BY_HAND)

TIES: dict[str, tuple[joints.OfOne, joints.OfOne]] = {
    "two weights that are one": (joints.same, lambda g: g[0] + g[1]),
    "a weight and its transpose": (joints.turned, lambda g: g[0] + g[1].T),
    "a weight and its double": (lambda p: (p, 2 * p), lambda g: g[0] + 2 * g[1]),
    "a weight and its opposite": (lambda p: (p, -p), lambda g: g[0] - g[1]),
    "a weight with its rows turned round": (lambda p: (p, p[::-1]), lambda g: g[0] + g[1][::-1]),
    "the symmetric half": (lambda p: (p + p.T, p), lambda g: g[0] + g[0].T + g[1]),
}
RIGHT_NETWORKS.extend(Adversary(f"tied: {what}", "tied", partial(joints.tie_case, *row)) for what, row in TIES.items())


# Encoders by hand.


def one_hot(tokens: Any, n: int, dtype: Any) -> Any:
    return (tokens[..., None] == np.arange(n)).astype(dtype)


def by_product(table: Any, tokens: Any) -> tuple[Any, Any]:
    chosen = one_hot(tokens, len(table.E), table.E.dtype)
    return chosen @ table.E, chosen


def product_put(chosen: Any, d: Any) -> Any:
    return Embedding(b.flat(chosen).T @ b.flat(d))


def bag(table: Any, tokens: Any) -> tuple[Any, Any]:
    """The mean over the tokens of a row."""
    counts = one_hot(tokens, len(table.E), table.E.dtype).mean(axis=1)
    return counts @ table.E, counts


def by_weights(table: Any, tokens: Any) -> tuple[Any, Any]:
    """Scaled by the root of the number of features."""
    return table.E[tokens] * table.E.shape[-1] ** 0.5, (table, tokens.copy())


def scaled_put(cache: Any, d: Any) -> Any:
    return Embedding(joints.put(cache, d * d.shape[-1] ** 0.5, add_up=True))


def encoder_built(forward: joints.OfTwo, grads: joints.OfTwo, rng: np.random.Generator) -> Built:
    params = (Embedding(rng.standard_normal((7, 4))), ((), weights(rng, 4, 3)))
    return encoded(Encoder(forward, grads), sequential(tanh, affine)), params, rng.integers(0, 7, (4, 5))


ENCODERS: dict[str, tuple[joints.OfTwo, joints.OfTwo]] = {
    "an embedding by a product": (by_product, product_put),
    "a bag of words": (bag, product_put),
    "an embedding by the root of its features": (by_weights, scaled_put),
}


# The library's, in odd forms.


def norm(rng: np.random.Generator, kind: Any, n: int) -> Any:
    """Parameters of a normalisation that are not those of its start."""
    return tree.map(lambda leaf: leaf + rng.uniform(-0.4, 0.4, leaf.shape), kind.init(n, dtype=np.float64))


def heads_of(rng: np.random.Generator, n: int) -> Attention:
    return Attention(weights(rng, n, 3 * n), weights(rng, n, n))


def empty_places(rng: np.random.Generator) -> Built:
    network = sequential(sequential(), affine, sequential(sequential()), repeated(tanh, 0), identity, affine)
    return network, ((), weights(rng, 4, 4), ((),), (), (), weights(rng, 4, 3)), rng.standard_normal((6, 4))


def single_branches(rng: np.random.Generator) -> Built:
    network = sequential(add(affine), concatenate(tanh), multiply(affine))
    return network, ((weights(rng, 4, 4),), ((),), (weights(rng, 4, 3),)), rng.standard_normal((6, 4))


def residuals_within(rng: np.random.Generator) -> Built:
    network = sequential(residual(residual(sequential(affine, residual(tanh)))), residual(identity), affine)
    return network, ((weights(rng, 4, 4), ()), (), weights(rng, 4, 3)), rng.standard_normal((6, 4))


def one_layer_often(rng: np.random.Generator) -> Built:
    layer = sequential(affine, tanh)
    each = [(weights(rng, 4, 4), ()) for _ in range(4)]
    network = sequential(add(layer, layer), concatenate(layer, layer), affine)
    return network, ((each[0], each[1]), (each[2], each[3]), weights(rng, 8, 3)), rng.standard_normal((6, 4))


def one_array_often(rng: np.random.Generator) -> Built:
    same = weights(rng, 4, 4)
    return repeated(sequential(affine, tanh), 3), ((same, ()),) * 3, rng.standard_normal((6, 4))


def recomputed_twice(rng: np.random.Generator) -> Built:
    network = sequential(recomputed(recomputed(sequential(affine, dropout(0.3, 5), tanh))), affine)
    return network, ((weights(rng, 4, 5), (), ()), weights(rng, 5, 3)), rng.standard_normal((6, 4))


def all_fixed_but_last(rng: np.random.Generator) -> Built:
    network = sequential(fixed(sequential(affine, tanh)), fixed(layer_norm()), affine)
    return network, ((weights(rng, 4, 4), ()), norm(rng, LayerNorm, 4), weights(rng, 4, 3)), rng.standard_normal((6, 4))


def all_fixed(rng: np.random.Generator) -> Built:
    return (
        fixed(sequential(affine, tanh, affine)),
        (weights(rng, 4, 4), (), weights(rng, 4, 3)),
        rng.standard_normal((6, 4)),
    )


def fixed_tokens(rng: np.random.Generator) -> Built:
    params = Embedding(rng.standard_normal((7, 4))), (weights(rng, 4, 3), ())
    return encoded(fixed(embedding), sequential(affine, tanh)), params, rng.integers(0, 7, (6, 3))


def dropping(rng: np.random.Generator) -> Built:
    network = sequential(affine, dropout(0.4, 3), tanh, dropout(0.2, 4), affine)
    return network, (weights(rng, 4, 8), (), (), (), weights(rng, 8, 3)), rng.standard_normal((6, 4))


def batches(rng: np.random.Generator) -> Built:
    network = sequential(affine, batch_norm(), relu, affine)
    return network, (weights(rng, 4, 5), norm(rng, BatchNorm, 5), (), weights(rng, 5, 3)), rng.standard_normal((9, 4))


def little_gpt(rng: np.random.Generator) -> Built:
    block = sequential(
        residual(sequential(rms_norm(), attention(2, causal=True))),
        residual(sequential(layer_norm(), affine, gelu, affine)),
    )
    inner = (
        (norm(rng, RmsNorm, 4), heads_of(rng, 4)),
        (norm(rng, LayerNorm, 4), weights(rng, 4, 8), (), weights(rng, 8, 4)),
    )
    params = (
        Embedding(rng.standard_normal((7, 4))),
        (Positions(rng.standard_normal((5, 4))), (inner, inner), norm(rng, LayerNorm, 4), weights(rng, 4, 7)),
    )
    network = encoded(embedding, sequential(positions, repeated(block, 2), layer_norm(), affine))
    return network, params, rng.integers(0, 7, (3, 5))


def with_table_at_its_end(p: Any) -> Any:
    return Embedding(p[0]), ((p[1], ()), Affine(p[0].T, p[2]))


def table_gradients(g: Any) -> Any:
    table, ((first, _), final) = g
    return table.E + final.W.T, first, final.b.copy()


def tied_table(rng: np.random.Generator) -> Built:
    """The table of tokens gives the scores as well."""
    network = encoded(embedding, sequential(sequential(affine, tanh), affine))
    params = (rng.standard_normal((7, 4)), weights(rng, 4, 4), rng.standard_normal(7))
    return tied(network, with_table_at_its_end, table_gradients), params, rng.integers(0, 7, (4, 3))


def cut(p: Any) -> Any:
    return Affine(p[:16].reshape(4, 4), p[16:20]), (), Affine(p[20:32].reshape(4, 3), p[32:35])


def uncut(g: Any) -> Any:
    return np.concatenate([g[0].W.ravel(), g[0].b, g[2].W.ravel(), g[2].b])


def one_vector(rng: np.random.Generator) -> Built:
    """All parameters are one array."""
    return tied(sequential(affine, tanh, affine), cut, uncut), rng.standard_normal(35), rng.standard_normal((6, 4))


def images(rng: np.random.Generator) -> Built:
    kernels = [Convolution.init(rng, n, m, 3, std=0.4, dtype=np.float64) for n, m in ((2, 4), (4, 4))]
    network = sequential(
        convolution(stride=2), group_norm(2), relu, residual(convolution()), max_pool(2), flatten, affine
    )
    params = (kernels[0], norm(rng, GroupNorm, 4), (), kernels[1], (), (), weights(rng, 4, 3))
    return network, params, rng.standard_normal((5, 4, 4, 2))


def pooled(rng: np.random.Generator) -> Built:
    kernel = Convolution.init(rng, 2, 3, 3, std=0.4, dtype=np.float64)
    network = sequential(convolution(padding="valid"), tanh, global_mean_pool, affine)
    return network, (kernel, (), (), weights(rng, 3, 3)), rng.standard_normal((5, 5, 5, 2))


def readers(rng: np.random.Generator) -> Built:
    memories = Lstm.init(rng, 3, 4, std=0.6, dtype=np.float64), Gru.init(rng, 3, 4, std=0.6, dtype=np.float64)
    return (
        sequential(concatenate(lstm, gru), last, affine),
        (memories, (), weights(rng, 8, 3)),
        rng.standard_normal((5, 4, 3)),
    )


def experts(rng: np.random.Generator) -> Built:
    """Two branches, weighed by a softmax of a third."""
    network = sequential(multiply(sequential(affine, softmax), affine, sequential(affine, sigmoid)), affine)
    params = (((weights(rng, 4, 5), ()), weights(rng, 4, 5), (weights(rng, 4, 5), ())), weights(rng, 5, 3))
    return network, params, rng.standard_normal((6, 4))


def deep(rng: np.random.Generator) -> Built:
    network = sequential(repeated(residual(sequential(layer_norm(), affine, tanh)), 12), affine)
    inner = tuple((norm(rng, LayerNorm, 4), weights(rng, 4, 4), ()) for _ in range(12))
    return network, (inner, weights(rng, 4, 3)), rng.standard_normal((6, 4))


def dead_units(rng: np.random.Generator) -> Built:
    """All units but one are below 0 for every row."""
    head = Affine(rng.standard_normal((4, 5)), np.array([-40.0, -40, -40, 0.5, -40]))
    return sequential(affine, relu, affine), (head, (), weights(rng, 5, 3)), rng.standard_normal((6, 4))


def one_unit(rng: np.random.Generator) -> Built:
    return sequential(affine, tanh, affine), (weights(rng, 4, 1), (), weights(rng, 1, 3)), rng.standard_normal((6, 4))


def one_row(rng: np.random.Generator) -> Built:
    return sequential(affine, tanh, affine), (weights(rng, 4, 5), (), weights(rng, 5, 3)), rng.standard_normal((1, 4))


def saturated(rng: np.random.Generator) -> Built:
    head = Affine(8 * rng.standard_normal((4, 5)), rng.standard_normal(5))
    return sequential(affine, sigmoid, affine), (head, (), weights(rng, 5, 3)), rng.standard_normal((6, 4))


def in_float16(p: Any, x: Any) -> tuple[Any, Any]:
    """The product, which is computed in float32 where float16 is given."""
    return (x.astype(np.promote_types(x.dtype, np.float32)) * p.astype(np.promote_types(p.dtype, np.float32))).astype(
        x.dtype
    ), own((p, x))


def back_in_float16(cache: Any, d: Any) -> tuple[Any, Any]:
    p, x = cache
    high = np.promote_types(d.dtype, np.float32)
    return (d.astype(high) * p).astype(d.dtype), (d.astype(high) * x).reshape(-1, len(p)).sum(axis=0).astype(d.dtype)


def wide_part(rng: np.random.Generator) -> Built:
    part = Layer(in_float16, back_in_float16)
    network = sequential(affine, part, affine)
    return network, (weights(rng, 4, 4), rng.standard_normal(4), weights(rng, 4, 3)), rng.standard_normal((6, 4))


BUILDS: list[Build] = [
    empty_places,
    single_branches,
    residuals_within,
    one_layer_often,
    one_array_often,
    recomputed_twice,
    all_fixed_but_last,
    all_fixed,
    fixed_tokens,
    dropping,
    batches,
    little_gpt,
    tied_table,
    one_vector,
    images,
    pooled,
    readers,
    experts,
    deep,
    dead_units,
    one_unit,
    one_row,
    saturated,
    wide_part,
]


def built_case(build: Build, loss: Any = None, dtype: Any = np.float64) -> NetworkCase:
    built = build(np.random.default_rng(3))
    return network_of(built, built[0], np.random.default_rng(4), loss, dtype)


RIGHT_NETWORKS.extend(
    Adversary(build.__name__.replace("_", " "), "library", partial(built_case, build)) for build in BUILDS
)
RIGHT_NETWORKS.extend(
    Adversary(f"encoder: {what}", "encoder", partial(built_case, partial(encoder_built, *row)))
    for what, row in ENCODERS.items()
)
LOSSES: list[tuple[str, Build, Any, Any]] = [
    ("mean squares", experts, mean_squared_error, np.float64),
    ("mean absolute errors", one_unit, mean_absolute_error, np.float64),
    ("huber", readers, huber(), np.float64),
    ("log cosh by hand", residuals_within, made(forms.log_cosh), np.float64),
    ("squares by hand", dropping, made(forms.squares), np.float32),
]
RIGHT_NETWORKS.extend(
    Adversary(f"{build.__name__.replace('_', ' ')}: {name}", "loss", partial(built_case, build, loss, dtype))
    for name, build, loss, dtype in LOSSES
)
