"""Random networks over the whole catalogue: layers of every kind in combinators of every kind, and the same in torch.

A layer of the catalogue that has a form in torch takes part by itself, wherever it takes an input of the shape there.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen

from catalogue import LAYERS, Subject, summed, twice
from chainrule import (
    Array,
    Embedding,
    Layer,
    add,
    concatenate,
    dropout,
    embedding,
    encoded,
    fixed,
    multiply,
    recomputed,
    repeated,
    residual,
    sequential,
    split_seed,
    tied,
    tree,
)

Shape: TypeAlias = tuple[int, ...]

InTorch: TypeAlias = Callable[[Any, Any, Iterator[Any], int], Any]
"""`(torch, x, arrays, seed) -> out`: a part takes its parameters' arrays from the iterator, in order."""

Make: TypeAlias = Callable[[int, Callable[[Any], Any]], Any]
"""`(seed, wrap) -> layer`."""

DRAWS = 24
"""So many sets of parameters of each layer of the catalogue are tried on a shape."""

MOST = 400
"""The most numbers of an output: joints side by side make it larger and larger."""

LARGEST = 1e3
"""The largest number of an output: products of products grow fast, and what is far out is not compared well."""


@frozen
class Part:
    """A layer of random parameters, and the same function in torch."""

    make: Make
    """From a seed to the layer, in which each layer of the catalogue is given to a function first."""
    params: Any
    torch: InTorch
    shape: Shape
    """The shape of its output."""
    seeds: int = 0
    """The number of seeds that it takes."""
    fixed: bool = False
    """True if something in it is fixed, which can't be tied."""


CANDIDATES = [each for each in LAYERS if each.torch is not None and each.layer.parts == ()]
ELEMENTWISE = [each for each in CANDIDATES if each.layer.elementwise]
OTHERWISE = [each for each in CANDIDATES if not each.layer.elementwise]


@lru_cache
def draws(name: str, n: int) -> list[tuple[Any, Shape]]:
    """Parameters of a candidate that is not elementwise, and shapes of its input."""
    subject = next(each for each in OTHERWISE if each.name == name)
    made = [subject.make(np.random.default_rng(seed), n, np.float64) for seed in range(DRAWS)]
    return [(params, x.shape) for params, x in made]


LEARNED = [each for each in OTHERWISE if tree.leaves(draws(each.name, 1)[0][0])]
"""Those that have parameters."""


def of_subject(subject: Subject, params: Any, rng: np.random.Generator, shape: Shape) -> Part | None:
    """A layer of the catalogue; None if it does not take the shape, or takes it for a single example."""
    if len(shape) <= (subject.layer.event_axes or 0):
        return None
    try:
        out, _ = subject.layer.forward(params, rng.standard_normal(shape))
    except (ValueError, TypeError):
        return None
    if out.size > max(MOST, math.prod(shape)):
        return None
    function: Any = subject.torch
    count = len(tree.leaves(params))

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        return function(torch, x, *(next(arrays) for _ in range(count)))

    def make(seed: int, wrap: Callable[[Any], Any]) -> Any:
        return wrap(subject.layer)

    return Part(make, params, in_torch, out.shape)


def as_it_is(layer: Any) -> Any:
    """The layer."""
    return layer


def of_seed(rng: np.random.Generator, shape: Shape) -> Part:
    """Dropout, with a seed that is one of those of the network."""
    i, rate = int(rng.integers(4)), float(rng.random() / 2)

    def make(seed: int, wrap: Callable[[Any], Any]) -> Any:
        return wrap(dropout(rate, split_seed(seed, i + 1)[i]))

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        mask, _ = make(seed, as_it_is).forward((), np.ones(tuple(x.shape)))
        return x * torch.tensor(mask.copy())

    return Part(make, (), in_torch, shape, seeds=1)


def leaf(rng: np.random.Generator, shape: Shape) -> Part:
    """A layer that takes a shape."""
    kind = rng.random()
    if kind < 0.1:
        return of_seed(rng, shape)
    if kind < 0.75:
        some: list[Subject] = LEARNED if kind < 0.5 else OTHERWISE
        for i in map(int, rng.permutation(len(some))):
            subject = some[i]
            ready = draws(subject.name, shape[0])
            for j in map(int, rng.permutation(len(ready))):
                part = of_subject(subject, ready[j][0], rng, shape)
                if part is not None:
                    return part
    while True:
        subject = ELEMENTWISE[rng.integers(len(ELEMENTWISE))]
        part = of_subject(subject, subject.make(rng, 1, np.float64)[0], rng, shape)
        if part is not None:
            return part


def chain(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """Layers one after another."""
    parts: list[Part] = []
    for _ in range(rng.integers(2, 6)):
        parts.append(grown(rng, parts[-1].shape if parts else shape, depth - 1))

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        for part in parts:
            x = part.torch(torch, x, arrays, seed)
        return x

    return joined(parts, sequential, in_torch, parts[-1].shape)


def joined(parts: list[Part], combine: Callable[..., Any], in_torch: InTorch, shape: Shape) -> Part:
    """Parts in a combinator."""

    def make(seed: int, wrap: Callable[[Any], Any]) -> Any:
        return combine(*(part.make(seed, wrap) for part in parts))

    params = tuple(part.params for part in parts)
    return Part(make, params, in_torch, shape, sum(part.seeds for part in parts), any(part.fixed for part in parts))


def around(part: Part, combine: Callable[[Any], Any], in_torch: InTorch | None = None, **changes: Any) -> Part:
    """A part in a combinator that takes one layer."""

    def make(seed: int, wrap: Callable[[Any], Any]) -> Any:
        return combine(part.make(seed, wrap))

    return evolve(part, make=make, torch=in_torch or part.torch, **changes)


def like(part: Part, rng: np.random.Generator) -> Part:
    """The same layers with other parameters of the same size."""
    return evolve(part, params=tree.map(lambda a: a * rng.uniform(0.5, 1.5), part.params))


def keeping(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A part whose output has the shape of its input."""
    for _ in range(6):
        part = grown(rng, shape, depth - 1)
        if part.shape == shape:
            return part
    while True:
        part = leaf(rng, shape)
        if part.shape == shape:
            return part


def skipping(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A residual."""
    part = keeping(rng, shape, depth)
    return around(part, residual, lambda t, x, arrays, seed: x + part.torch(t, x, arrays, seed))


def forked(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """Branches of one input, added, multiplied or side by side."""
    first = grown(rng, shape, depth - 1)
    parts = [first]
    for _ in range(rng.integers(1, 3)):
        other = grown(rng, shape, depth - 1)
        parts.append(other if other.shape == first.shape else like(first, rng))
    kind = rng.integers(3 if math.prod(first.shape) * len(parts) <= MOST else 2)

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        outs = [part.torch(torch, x, arrays, seed) for part in parts]
        if kind == 2:
            return torch.cat(outs, dim=-1)
        total = outs[0]
        for out in outs[1:]:
            total = total + out if kind == 0 else total * out
        return total

    wide = (*first.shape[:-1], first.shape[-1] * len(parts))
    return joined(parts, (add, multiply, concatenate)[kind], in_torch, wide if kind == 2 else first.shape)


def again(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A layer several times: of its own parameters each time, or of the same."""
    part, shared = keeping(rng, shape, depth), rng.random() < 0.5
    if shared and not part.fixed:

        def with_the_same(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
            own = [next(arrays) for _ in tree.leaves(part.params)]
            return part.torch(torch, part.torch(torch, x, iter(own), seed), iter(own), seed)

        return around(part, _tied_twice, with_the_same)
    n = int(rng.integers(1, 4))
    params = tuple(like(part, rng).params for _ in range(n))

    def with_others(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        for _ in range(n):
            x = part.torch(torch, x, arrays, seed)
        return x

    of_the_index = rng.random() < 0.5

    def times(layer: Layer[Any, Any]) -> Any:
        return repeated((lambda _: layer) if of_the_index else layer, n)

    return around(part, times, with_others, params=params, seeds=part.seeds * n)


def _tied_twice(layer: Layer[Any, Any]) -> Any:
    return tied(sequential(layer, layer), twice, summed)


def unmoved(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A part that stays as it is."""
    part = grown(rng, shape, depth - 1)

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        own = [next(arrays).detach() for _ in tree.leaves(part.params)]
        return part.torch(torch, x, iter(own), seed)

    return around(part, fixed, in_torch, fixed=True)


def forgetful(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A part that is computed again."""
    return around(grown(rng, shape, depth - 1), recomputed)


COMBINATORS = (chain, chain, skipping, forked, again, unmoved, forgetful)
COMBINATIONS = (sequential, residual, add, multiply, concatenate, tied, fixed, recomputed, encoded)
"""The layers that these are made of; `repeated` is a chain by its name."""


def grown(rng: np.random.Generator, shape: Shape, depth: int) -> Part:
    """A layer, or layers in combinators, nested up to a depth."""
    if depth <= 0 or rng.random() < 0.3:
        return leaf(rng, shape)
    return COMBINATORS[rng.integers(len(COMBINATORS))](rng, shape, depth)


@frozen
class Network:
    """A random network, and a batch for it."""

    part: Part
    x: Any
    """Numbers, or labels if it begins with an embedding."""
    dout: Any
    """The dout that comes back to it: of the shape of its output."""

    @property
    def encodes(self) -> bool:
        """True if it begins with an embedding."""
        return bool(self.x.dtype.kind == "i")

    def layer(self, seed: int = 0, wrap: Callable[[Any], Any] = as_it_is) -> Any:
        """A layer or an encoder."""
        return self.part.make(seed, wrap)

    def results(self, wrap: Callable[[Any], Any] = as_it_is) -> list[Array]:
        """The output, dx unless it encodes, and the gradients."""
        layer = self.layer(0, wrap)
        out, cache = layer.forward(self.part.params, self.x)
        back = layer.grads(cache, self.dout) if self.encodes else layer.backward(cache, self.dout)
        return [out, *tree.leaves(back)]

    def keeps_its_digits(self, rng: np.random.Generator) -> bool:
        """True if the 11th digits of results stay when all numbers between layers are moved by 1e-13 of their size.

        Else no two libraries agree in them: where equal numbers are normalised, the variance is that of their rounding,
        and a kink may be nearer than that.
        """
        right, wrap = self.results(), partial(jittered, rng)
        pairs = [*zip(right * 2, self.results(wrap) + self.results(wrap), strict=True)]
        return all(np.abs(a - b).max(initial=0) <= 1e-11 * size_of(a) for a, b in pairs)


def jittered(rng: np.random.Generator, layer: Layer[Any, Any]) -> Layer[Any, Any]:
    """A layer of which x and dx are moved, in the 13th digit and if they are small in the 13th decimal."""

    def moved(a: Array) -> Array:
        return a + 1e-13 * (1 + np.abs(a)) * rng.standard_normal(a.shape)

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return layer.forward(params, moved(x))

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, grads = layer.backward(cache, dout)
        return moved(dx), grads

    return Layer(forward, backward)


def size_of(a: Array) -> float:
    """The size of the numbers of an array, 1 at least, to which errors are set."""
    return max(1.0, float(np.abs(a).max(initial=0)))


def any_network(rng: np.random.Generator) -> Network:
    """A network and a batch of numbers or, one in five, of labels."""
    n = int(rng.integers(1, 5))
    if rng.random() < 0.2:
        part, x = _behind_labels(rng, n)
    else:
        options = draws(OTHERWISE[rng.integers(len(OTHERWISE))].name, n)
        shape = options[rng.integers(len(options))][1]
        part, x = chain(rng, shape, 3), rng.standard_normal(shape)
    return Network(part, x, rng.standard_normal(part.shape))


def drawn(rng: np.random.Generator) -> Network:
    """A network whose numbers can be compared: they are not too large, and rounding does not move them far."""
    while True:
        network = any_network(rng)
        if size_of(network.results()[0]) < LARGEST and network.keeps_its_digits(rng):
            return network


def _behind_labels(rng: np.random.Generator, n: int) -> tuple[Part, Any]:
    k, d = (int(side) for side in rng.integers(1, 5, 2))
    labels: Any = rng.integers(0, k, (n, *([int(rng.integers(1, 5))] if rng.random() < 0.7 else [])))
    part = chain(rng, (*labels.shape, d), 3)
    first = Embedding(rng.standard_normal((k, d)))
    of_rows: Any = fixed(embedding) if rng.random() < 0.2 else embedding

    def make(seed: int, wrap: Callable[[Any], Any]) -> Any:
        return encoded(of_rows, part.make(seed, wrap))

    def in_torch(torch: Any, x: Any, arrays: Iterator[Any], seed: int) -> Any:
        E = next(arrays)
        rows = torch.nn.functional.embedding(x, E if of_rows is embedding else E.detach())
        return part.torch(torch, rows, arrays, seed)

    return evolve(part, make=make, params=(first, part.params), torch=in_torch), labels
