"""Networks around a part by hand: the places that it may stand at, and what comes before and after it."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen

from adversaries.bases import Base, Fault, unlocked
from adversaries.case import Adversary, NetworkCase
from chainrule import (
    Affine,
    Attention,
    Convolution,
    Embedding,
    Layer,
    Lstm,
    add,
    affine,
    attention,
    concatenate,
    convolution,
    embedding,
    encoded,
    fixed,
    flatten,
    lstm,
    mean_squared_error,
    multiply,
    recomputed,
    repeated,
    residual,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tanh,
    tied,
    tree,
)

NAME = "the wrong one"
"""The name of the part that is wrong, which a report should name."""

Generator: TypeAlias = np.random.Generator


@frozen(eq=False)
class Part:
    """A layer, its parameters, an input that suits it, and the shape of what it gives for that."""

    layer: Layer[Any, Any]
    params: Any
    x: Any
    out: tuple[int, ...]


Built: TypeAlias = tuple[Any, Any, Any]
"""`(network, params, x)`."""

Place: TypeAlias = Callable[[Generator, Part], Built]


def named(layer: Any, name: str = NAME) -> Any:
    """The same with a name of its own."""
    return evolve(layer, name=name)


def weights(rng: Generator, n_in: int, n_out: int) -> Affine:
    """Of an affine layer, with a bias that is not 0."""
    return Affine(rng.standard_normal((n_in, n_out)) / np.sqrt(n_in), rng.standard_normal(n_out) / 2)


def before(rng: Generator, part: Part, features: int = 4) -> tuple[Affine, Any]:
    """Parameters of an affine layer before the part, and an input of that."""
    return weights(rng, features, part.x.shape[-1]), rng.standard_normal((*part.x.shape[:-1], features))


def after(rng: Generator, part: Part, more: int = 0) -> Affine:
    """Parameters of an affine layer with 3 outputs behind the part, and behind more features beside it."""
    return weights(rng, part.out[-1] + more, 3)


def first(rng: Generator, part: Part) -> Built:
    return sequential(part.layer, affine), (part.params, after(rng, part)), part.x


def middle(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    return sequential(affine, part.layer, affine), (head, part.params, after(rng, part)), x


def last(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    return sequential(affine, tanh, part.layer), (head, (), part.params), x


def alone(rng: Generator, part: Part) -> Built:
    return sequential(part.layer), (part.params,), part.x


def nested(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    inner = sequential(tanh, sequential(part.layer, affine))
    return sequential(affine, inner), (head, ((), (part.params, after(rng, part)))), x


def in_sum(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    other = weights(rng, part.x.shape[-1], part.out[-1])
    network = sequential(affine, add(affine, part.layer), affine)
    return network, (head, (other, part.params), after(rng, part)), x


def side_by_side(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    network = sequential(affine, concatenate(part.layer, sigmoid), affine)
    return network, (head, (part.params, ()), after(rng, part, part.x.shape[-1])), x


def in_product(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    other = weights(rng, part.x.shape[-1], part.out[-1])
    network = sequential(affine, multiply(part.layer, affine), affine)
    return network, (head, (part.params, other), after(rng, part)), x


def in_residual(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    return sequential(affine, residual(part.layer), affine), (head, part.params, after(rng, part)), x


def thrice(rng: Generator, part: Part) -> Built:
    """One layer with three sets of parameters."""
    head, x = before(rng, part)
    return sequential(affine, repeated(part.layer, 3), affine), (head, (part.params,) * 3, after(rng, part)), x


def recomputing(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    return sequential(recomputed(sequential(affine, part.layer)), affine), ((head, part.params), after(rng, part)), x


def held_fixed(rng: Generator, part: Part) -> Built:
    head, x = before(rng, part)
    return sequential(affine, fixed(part.layer), affine), (head, part.params, after(rng, part)), x


def twice(params: Any) -> Any:
    return params, (), params


def summed(grads: Any) -> Any:
    return tree.map(np.add, grads[0], grads[2])


def shared(rng: Generator, part: Part) -> Built:
    """One layer in two places with the same parameters."""
    head, x = before(rng, part)
    both = tied(sequential(part.layer, tanh, part.layer), twice, summed)
    return sequential(affine, both, affine), (head, part.params, after(rng, part)), x


def behind_tokens(rng: Any, part: Part) -> Built:
    table = Embedding(rng.standard_normal((7, part.x.shape[-1])))
    tokens = rng.integers(0, 7, part.x.shape[:-1])
    return encoded(embedding, sequential(part.layer, affine)), (table, (part.params, after(rng, part))), tokens


def behind_attention(rng: Generator, part: Part) -> Built:
    features = part.x.shape[-1]
    heads = Attention(weights(rng, features, 3 * features), weights(rng, features, features))
    x = rng.standard_normal((len(part.x), 3, features))
    return sequential(residual(attention(1)), part.layer, affine), (heads, part.params, after(rng, part)), x


def behind_lstm(rng: Generator, part: Part) -> Built:
    memory = Lstm.init(rng, 3, part.x.shape[-1], std=0.7, dtype=np.float64)
    x = rng.standard_normal((len(part.x), 5, 3))
    return sequential(lstm, part.layer, affine), (memory, part.params, after(rng, part)), x


def behind_convolution(rng: Generator, part: Part) -> Built:
    """On an image: for parts that take any shape and keep it."""
    kernel = Convolution.init(rng, 2, 3, 3, std=0.5, dtype=np.float64)
    network = sequential(convolution(), part.layer, flatten, affine)
    return network, (kernel, part.params, (), weights(rng, 48, 3)), rng.standard_normal((len(part.x), 4, 4, 2))


def targets_of(rng: Any, loss: Any, out: Any) -> Any:
    """Labels for the cross entropy, and numbers for another loss."""
    if loss is softmax_cross_entropy:
        return rng.integers(0, out.shape[-1], out.shape[:-1])
    return rng.standard_normal(out.shape)


def network_of(built: Built, sound: Any, rng: Generator, loss: Any = None, dtype: Any = np.float64) -> NetworkCase:
    """A case, whose targets suit what a sound network gives."""
    network, params, x = built
    loss = loss or softmax_cross_entropy
    targets = targets_of(rng, loss, sound.forward(params, x)[0])
    params = tree.map(lambda leaf: leaf.astype(dtype), params)
    x = x.astype(dtype) if x.dtype.kind == "f" else x
    return NetworkCase(network, loss, unlocked(params), unlocked(x), targets)


def placed(
    place: Place, base: Base, layer: Any, rows: int = 6, dtype: Any = np.float64, loss: Any = None
) -> NetworkCase:
    """The layer at a place, with the arguments of a base."""
    rng = np.random.default_rng(3)
    params, x = base.draw(rng, rows)
    out = base.out(params, x).shape
    rng = np.random.default_rng(4)
    sound = Layer(lambda p, x: (base.out(p, x), ()), lambda cache, dout: (dout, ()))
    calm, again = (np.random.default_rng(5) for _ in range(2))
    loss = mean_squared_error if place is last or place is alone else loss
    return network_of(
        place(calm, Part(layer, params, x, out)), place(again, Part(sound, params, x, out))[0], rng, loss, dtype
    )


def spoiled(place: Place, base: Base, fault: Fault, rows: int, dtype: Any) -> NetworkCase:
    return placed(place, base, named(fault(base)), rows, dtype)


def wrong_part(
    kind: str, place: Place, base: Base, what: str, fault: Fault, rows: int = 6, dtype: Any = np.float64
) -> Adversary:
    """A network with a wrong part at a place."""
    where = place.__name__.replace("_", " ")
    return Adversary(f"{base.name}, {where}: {what}", kind, partial(spoiled, place, base, fault, rows, dtype))
