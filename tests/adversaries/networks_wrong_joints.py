"""Wrong networks whose joint is by hand: forks, skips, chains, ties, encoders and losses."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from adversaries import loss_forms as forms
from adversaries.case import Adversary, NetworkCase
from adversaries.loss_making import Rows, Spoil, made
from adversaries.network_making import NAME, Built, named, network_of, targets_of, weights
from chainrule import (
    Embedding,
    Encoder,
    Layer,
    Lstm,
    add,
    affine,
    concatenate,
    embedding,
    encoded,
    fixed,
    lstm,
    mean_squared_error,
    own,
    sequential,
    softmax_cross_entropy,
    tanh,
    tied,
    tree,
)
from chainrule.parts import Around, Chain, Fork

# What is done to arrays, to trees of them, and with functions that pull a dout back: untyped, as a layer's own is.
OfOne: TypeAlias = Callable[[Any], Any]
OfTwo: TypeAlias = Callable[[Any, Any], Any]
OfThree: TypeAlias = Callable[[Any, Any, Any], Any]
OfFour: TypeAlias = Callable[[Any, Any, Any, Any], Any]


# Joints: of two layers f and g of as many features, by functions of both outputs.


def forked(join: OfThree, back: OfFour, joint: str = "") -> Layer[Any, Any]:
    """Two branches: `join(f(x), g(x), x)`, and `back(df, dg, dout, outs, x)`, where df and dg pull a dout back."""
    f, g = sequential(affine, tanh), affine

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        (a, kept_a), (c, kept_c) = f.forward(params[0], x), g.forward(params[1], x)
        return join(a, c, x), (kept_a, kept_c, own((a, c, x)))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        kept_a, kept_c, outs = cache
        result: tuple[Any, Any] = back(partial(f.backward, kept_a), partial(g.backward, kept_c), dout, outs)
        return result

    return Layer(forward, backward, name=NAME, parts=Fork((f, g), joint) if joint else ())


def sums(da: Any, dc: Any) -> tuple[Any, Any]:
    """Both branches' results, dx added."""
    return da[0] + dc[0], (da[1], dc[1])


def product_back(f: Any, g: Any, d: Any, outs: Any) -> Any:
    return sums(f(d * outs[1]), g(d * outs[0]))


def larger(outs: Any) -> Any:
    return outs[0] > outs[1]


FORKS: dict[str, tuple[OfThree, OfFour]] = {
    "a mean whose branches get all of dout": (lambda a, c, x: (a + c) / 2, lambda f, g, d, o: sums(f(d), g(d))),
    "a sum whose second branch passes no dx": (
        lambda a, c, x: a + c,
        lambda f, g, d, o: (f(d)[0], (f(d)[1], g(d)[1])),
    ),
    "a sum whose dx is the mean of the branches'": (
        lambda a, c, x: a + c,
        lambda f, g, d, o: ((f(d)[0] + g(d)[0]) / 2, (f(d)[1], g(d)[1])),
    ),
    "a difference taken for a sum": (lambda a, c, x: a - c, lambda f, g, d, o: sums(f(d), g(d))),
    "a product whose factors are swapped": (
        lambda a, c, x: a * c,
        lambda f, g, d, o: sums(f(d * o[0]), g(d * o[1])),
    ),
    "a product whose second factor is held fixed": (
        lambda a, c, x: a * c,
        lambda f, g, d, o: sums(f(d * o[1]), g(d * 0)),
    ),
    "a product and a skip, which passes no dx": (lambda a, c, x: a * c + x, product_back),
    "a maximum whose branches both get dout": (
        lambda a, c, x: np.maximum(a, c),
        lambda f, g, d, o: sums(f(d), g(d)),
    ),
    "a maximum whose branches get the other's dout": (
        lambda a, c, x: np.maximum(a, c),
        lambda f, g, d, o: sums(f(d * ~larger(o)), g(d * larger(o))),
    ),
    "side by side, cut in the middle of the other": (
        lambda a, c, x: np.concatenate([a, c], axis=-1),
        lambda f, g, d, o: sums(f(d[..., 4:]), g(d[..., :4])),
    ),
    "side by side, whose second half gets the first's dout": (
        lambda a, c, x: np.concatenate([a, c], axis=-1),
        lambda f, g, d, o: sums(f(d[..., :4]), g(d[..., :4])),
    ),
}


def fork_case(join: OfThree, back: OfFour, joint: str = "") -> NetworkCase:
    rng = np.random.default_rng(3)
    layer, sound = forked(join, back, joint), forked(join, lambda f, g, d, o: ())
    params, x = (weights(rng, 4, 4), ()), rng.standard_normal((6, 4))
    both = (params, weights(rng, 4, 4))
    width = sound.forward(both, x)[0].shape[-1]
    all_of: Any = (weights(rng, 4, 4), both, weights(rng, width, 3))
    return network_of((sequential(affine, layer, affine), all_of, x), sequential(affine, sound, affine), rng)


# Skips and gates: around one layer.


def skipping(join: OfTwo, back: OfFour, around: bool = False) -> Layer[Any, Any]:
    """`join(x, f(x))`, and `back(pull, dout, x, out)`."""
    f = sequential(affine, tanh)

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        out, kept = f.forward(params, x)
        return join(x, out), (kept, own((x, out)))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        kept, (x, out) = cache
        result: tuple[Any, Any] = back(partial(f.backward, kept), dout, x, out)
        return result

    return Layer(forward, backward, name=NAME, parts=Around(f, skip=True) if around else ())


def plus(results: Any, more: Any) -> tuple[Any, Any]:
    return results[0] + more, results[1]


def in_dout(pull: Any, d: Any, x: Any, out: Any) -> Any:
    dx, grads = pull(d)
    d += dx
    return d.copy(), grads


SKIPS: dict[str, tuple[OfTwo, OfFour]] = {
    "a skip that passes no dx": (lambda x, f: x + f, lambda pull, d, x, f: pull(d)),
    "a skip that alone passes dx": (lambda x, f: x + f, lambda pull, d, x, f: (d.copy(), pull(d)[1])),
    "a skip that counts twice": (lambda x, f: x + f, lambda pull, d, x, f: plus(pull(d), 2 * d)),
    "a skip of a half that passes all": (lambda x, f: 0.5 * x + f, lambda pull, d, x, f: plus(pull(d), d)),
    "a skip whose dx is added in dout": (lambda x, f: x + f, in_dout),
    "a branch of a tenth that gets all of dout": (lambda x, f: x + 0.1 * f, lambda pull, d, x, f: plus(pull(d), d)),
    "a gate whose x is held fixed": (lambda x, f: x * f, lambda pull, d, x, f: pull(d * x)),
    "a gate that is held fixed": (lambda x, f: x * f, lambda pull, d, x, f: plus(pull(d * 0), d * f)),
    "a gate whose branch gets dout by itself": (lambda x, f: x * f, lambda pull, d, x, f: plus(pull(d * f), d * f)),
    "a highway whose carry is forgotten": (
        lambda x, f: (1 - f) * x + f * np.tanh(x),
        lambda pull, d, x, f: plus(pull(d * (np.tanh(x) - x)), d * f * (1 - np.tanh(x) ** 2)),
    ),
}


def skip_case(join: OfTwo, back: OfFour, around: bool = False) -> NetworkCase:
    rng = np.random.default_rng(3)
    params: Any = (weights(rng, 4, 4), (weights(rng, 4, 4), ()), weights(rng, 4, 3))
    layer = skipping(join, back, around)
    built = sequential(affine, layer, affine), params, rng.standard_normal((6, 4))
    return network_of(built, built[0], rng)


# Chains: layers by hand one after another.


def chained(back: OfTwo, grads: OfTwo | None = None, declared: bool = False) -> Layer[Any, Any]:
    """Three layers; `back(pulls, dout)` has what pulls a dout back through each."""
    layers: Any = (sequential(affine, tanh), affine, sequential(affine, tanh))

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        caches: list[Any] = []
        for layer, each in zip(layers, params, strict=True):
            x, cache = layer.forward(each, x)
            caches.append(cache)
        return x, tuple(caches)

    def pulled(how: OfTwo, caches: Any, dout: Any) -> Any:
        return how([partial(layer.backward, cache) for layer, cache in zip(layers, caches, strict=True)], dout)

    parts = Chain(layers) if declared else ()
    if grads is None:
        return Layer(forward, partial(pulled, back), name=NAME, parts=parts)
    return Layer(forward, partial(pulled, back), partial(pulled, grads), name=NAME, parts=parts)


def in_order(pulls: Any, d: Any) -> Any:
    """Backward in the order of forward."""
    grads: list[Any] = []
    for pull in pulls:
        d, each = pull(d)
        grads.append(each)
    return d, tuple(grads)


def rightly(pulls: Any, d: Any) -> Any:
    dx, grads = in_order(pulls[::-1], d)
    return dx, grads[::-1]


def unreversed(pulls: Any, d: Any) -> Any:
    """Gradients in the order of backward."""
    return in_order(pulls[::-1], d)


def past_the_middle(pulls: Any, d: Any) -> Any:
    """The middle layer's dx is its dout."""
    d2, last = pulls[2](d)
    _, mid = pulls[1](d2)
    dx, first = pulls[0](d2)
    return dx, (first, mid, last)


def one_dout(pulls: Any, d: Any) -> Any:
    """Every layer gets the last one's dout."""
    return pulls[0](d)[0], tuple(pull(d)[1] for pull in pulls)


def first_zeroed(pulls: Any, d: Any) -> Any:
    first, *others = rightly(pulls, d)[1]
    return (tree.map(np.zeros_like, first), *others)


CHAINS: dict[str, tuple[OfTwo, OfTwo | None]] = {
    "backward in the order of forward": (in_order, None),
    "gradients in the order of backward": (unreversed, None),
    "the middle layer's dx is its dout": (past_the_middle, None),
    "every layer gets the last one's dout": (one_dout, None),
    "grads() of the first layer zero": (rightly, first_zeroed),
}


def chain_case(back: OfTwo, grads: OfTwo | None, declared: bool = False) -> NetworkCase:
    rng = np.random.default_rng(3)
    inner = ((weights(rng, 4, 4), ()), weights(rng, 4, 4), (weights(rng, 4, 4), ()))
    network = sequential(chained(back, grads, declared), affine)
    built: Any = network, (inner, weights(rng, 4, 3)), rng.standard_normal((6, 4))
    return network_of(built, network, rng)


# Parameters that are shared.


def same(p: Any) -> Any:
    return p, p


def turned(p: Any) -> Any:
    return p, p.T


def product(W: Any, x: Any) -> tuple[Any, Any]:
    return x @ W, own((W, x))


def product_back_both(cache: Any, d: Any) -> tuple[Any, Any]:
    W, x = cache
    return d @ W.T, x.T @ d


linear = Layer(product, product_back_both)

TIES: dict[str, tuple[OfOne, OfOne]] = {
    "two weights that are one, the first's gradient alone": (same, lambda g: g[0].copy()),
    "two weights that are one, the last's gradient alone": (same, lambda g: g[1].copy()),
    "two weights that are one, the mean of gradients": (same, lambda g: (g[0] + g[1]) / 2),
    "two weights that are one, the difference of gradients": (same, lambda g: g[0] - g[1]),
    "a weight and its transpose, gradients not turned back": (turned, lambda g: g[0] + g[1]),
    "a weight and its double, gradients added": (lambda p: (p, 2 * p), lambda g: g[0] + g[1]),
    "a weight and its square, gradients added": (lambda p: (p, p * p), lambda g: g[0] + g[1]),
    "two weights that are one, gradients in float32": (same, lambda g: (g[0] + g[1]).astype(np.float32)),
    "two weights that are one, gradients of one entry off": (
        same,
        lambda g: (g[0] + g[1]) * np.where(np.arange(16).reshape(4, 4) == 5, 1.001, 1),
    ),
}


def tie_case(expand: OfOne, contract: OfOne) -> NetworkCase:
    rng = np.random.default_rng(3)
    both = named(tied(sequential(linear, linear), expand, contract))
    network = sequential(affine, both, affine)
    params = (weights(rng, 4, 4), rng.standard_normal((4, 4)) / 2, weights(rng, 4, 3))
    return network_of((network, params, rng.standard_normal((6, 4))), network, rng)


# Fixed by hand.


def fixing(back: OfTwo) -> Layer[Any, Any]:
    """An affine layer whose parameters should stay: `back(dx, grads)` is what it gives."""

    def backward(cache: Any, dout: Any) -> Any:
        return back(*affine.backward(cache, dout))

    return Layer(affine.forward, backward, name=NAME, parts=Around(affine, fixed=True))


def zeros(grads: Any) -> Any:
    return tree.map(np.zeros_like, grads)


FIXED: dict[str, OfTwo] = {
    "a fixed layer that blocks dx": lambda dx, grads: (np.zeros_like(dx), zeros(grads)),
    "a fixed layer whose dx has the wrong sign": lambda dx, grads: (-dx, zeros(grads)),
    "a fixed layer that gives no gradients": lambda dx, grads: (dx, None),
    "a fixed layer whose bias is not": lambda dx, grads: (dx, type(grads)(np.zeros_like(grads.W), grads.b)),
}


def fixed_case(back: OfTwo) -> NetworkCase:
    rng = np.random.default_rng(3)
    network: Any = sequential(affine, fixing(back), affine)
    params = (weights(rng, 4, 4), weights(rng, 4, 4), weights(rng, 4, 3))
    return network_of((network, params, rng.standard_normal((6, 4))), network, rng)


# Encoders.


def look_up(table: Any, tokens: Any) -> tuple[Any, Any]:
    return table.E[tokens], (table, tokens.copy())


def put(cache: Any, d: Any, add_up: bool) -> Any:
    table, tokens = cache
    dE = np.zeros_like(table.E)
    if add_up:
        np.add.at(dE, tokens, d)
    else:
        dE[tokens] = d
    return dE


def once(cache: Any, d: Any) -> Any:
    return Embedding(put(cache, d, add_up=False))


def first_row_padding(cache: Any, d: Any) -> Any:
    dE = put(cache, d, add_up=True)
    dE[0] = 0
    return Embedding(dE)


def averaged(cache: Any, d: Any) -> Any:
    dE = put(cache, d, add_up=True)
    counts = np.bincount(cache[1].ravel(), minlength=len(dE))
    return Embedding(dE / np.maximum(counts, 1)[:, None])


def next_row(cache: Any, d: Any) -> Any:
    return Embedding(np.roll(put(cache, d, add_up=True), 1, axis=0))


def last_steps(cache: Any, d: Any) -> Any:
    return Embedding(put((cache[0], cache[1][:, 1:]), d[:, 1:], add_up=True))


def unwritten_rows(cache: Any, d: Any) -> Any:
    table, tokens = cache
    dE, found = np.empty_like(table.E), put(cache, d, add_up=True)
    dE[tokens] = found[tokens]
    return Embedding(dE)


def scaled_look_up(table: Any, tokens: Any) -> tuple[Any, Any]:
    return table.E[tokens] * 2, (table, tokens.copy())


def rightly_put(cache: Any, d: Any) -> Any:
    return Embedding(put(cache, d, add_up=True))


ENCODERS: dict[str, tuple[OfTwo, OfTwo]] = {
    "an embedding that puts and does not add": (look_up, once),
    "an embedding whose token 0 learns nothing": (look_up, first_row_padding),
    "an embedding that averages over tokens": (look_up, averaged),
    "an embedding whose gradient is a row off": (look_up, next_row),
    "an embedding whose first step is forgotten": (look_up, last_steps),
    "an embedding whose other rows are not written": (look_up, unwritten_rows),
    "an embedding whose factor is forgotten": (scaled_look_up, rightly_put),
}


def encoder_case(forward: OfTwo, grads: OfTwo) -> NetworkCase:
    rng = np.random.default_rng(3)
    head = Encoder(forward, grads, name=NAME)
    params = (Embedding(rng.standard_normal((7, 4))), ((), weights(rng, 4, 3)))
    tokens = rng.integers(0, 7, (4, 5))
    built: Built = encoded(head, sequential(tanh, affine)), params, tokens
    return network_of(built, encoded(embedding, sequential(tanh, affine)), rng)


# Sequences both ways.


def turned_lstm(back: OfTwo) -> Layer[Any, Any]:
    """An lstm from the last step to the first."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        out, cache = lstm.forward(params, x[:, ::-1])
        return out[:, ::-1].copy(), cache

    def backward(cache: Any, d: Any) -> Any:
        return back(partial(lstm.backward, cache), d)

    return Layer(forward, backward, name=NAME)


def not_turned_back(pull: Any, d: Any) -> Any:
    return pull(d[:, ::-1])


def not_turned(pull: Any, d: Any) -> Any:
    dx, grads = pull(d)
    return dx[:, ::-1].copy(), grads


BOTH_WAYS: dict[str, OfTwo] = {
    "a turned lstm whose dx is not turned back": not_turned_back,
    "a turned lstm whose dout is not turned": not_turned,
}


def both_ways_case(back: OfTwo) -> NetworkCase:
    rng = np.random.default_rng(3)
    memories = tuple(Lstm.init(rng, 3, 4, std=0.7, dtype=np.float64) for _ in range(2))
    network: Any = sequential(concatenate(lstm, turned_lstm(back)), affine)
    return network_of((network, (memories, weights(rng, 8, 3)), rng.standard_normal((5, 4, 3))), network, rng)


# A wrong loss behind a right network.

LOSSES: dict[str, tuple[Rows, Spoil, Any]] = {
    "a loss that is not averaged back": (forms.cross_entropy, lambda seen: seen.dout * seen.n, "labels"),
    "a loss off by 1e-5": (forms.cross_entropy, lambda seen: seen.dout * (1 + 1e-5), "labels"),
    "a loss without its label": (forms.cross_entropy, lambda seen: seen.of(forms.softmax(seen.out)), "labels"),
    "a loss without its 2": (forms.mean_squares, lambda seen: seen.dout / 2, "numbers"),
    "a loss that ignores dloss": (forms.squares, lambda seen: seen.slopes / seen.n, "numbers"),
    "a loss whose last row is forgotten": (
        forms.squares,
        lambda seen: seen.dout * (np.arange(len(seen.out)) < len(seen.out) - 1)[:, None],
        "numbers",
    ),
}


def loss_case(rows: Rows, spoil: Spoil, targets: str) -> NetworkCase:
    rng = np.random.default_rng(3)
    network: Any = sequential(affine, add(affine, fixed(affine)), tanh, affine)
    branches = weights(rng, 4, 4), weights(rng, 4, 4)
    params: Any = (weights(rng, 4, 4), branches, (), weights(rng, 4, 3))
    x = rng.standard_normal((6, 4))
    wanted = softmax_cross_entropy if targets == "labels" else mean_squared_error
    out = network.forward(params, x)[0]
    return NetworkCase(network, made(rows, spoil), params, x, targets_of(rng, wanted, out))


def wrong_joints() -> list[Adversary]:
    """Members whose joint, tie, encoder or loss is wrong."""
    return [
        *(Adversary(f"fork: {what}", "joint", partial(fork_case, *row)) for what, row in FORKS.items()),
        Adversary(
            "fork: declared, whose second branch passes no dx",
            "joint",
            partial(fork_case, *FORKS["a sum whose second branch passes no dx"], "+"),
        ),
        *(Adversary(f"around: {what}", "joint", partial(skip_case, *row)) for what, row in SKIPS.items()),
        Adversary(
            "around: declared, a skip that counts twice",
            "joint",
            partial(skip_case, *SKIPS["a skip that counts twice"], around=True),
        ),
        *(Adversary(f"chain: {what}", "joint", partial(chain_case, *row)) for what, row in CHAINS.items()),
        Adversary(
            "chain: declared, the middle layer's dx is its dout",
            "joint",
            partial(chain_case, past_the_middle, None, declared=True),
        ),
        *(Adversary(f"tied: {what}", "tied", partial(tie_case, *row)) for what, row in TIES.items()),
        *(Adversary(f"fixed: {what}", "fixed", partial(fixed_case, back)) for what, back in FIXED.items()),
        *(Adversary(f"encoder: {what}", "encoder", partial(encoder_case, *row)) for what, row in ENCODERS.items()),
        *(Adversary(f"both ways: {what}", "joint", partial(both_ways_case, back)) for what, back in BOTH_WAYS.items()),
        *(Adversary(f"loss: {what}", "loss", partial(loss_case, *row)) for what, row in LOSSES.items()),
    ]
