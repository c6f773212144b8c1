"""The most memory that a step and a prediction of whole networks hold, in arrays and Python's objects.

Python accounts for what is allocated, NumPy's arrays included; the interpreter and its libraries are not in it. Each
network is measured in a fresh process, that nothing which came before is held or used again.
"""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import (
    Affine,
    Attention,
    Convolution,
    Layer,
    LayerNorm,
    Lstm,
    affine,
    attention,
    convolution,
    gelu,
    global_mean_pool,
    last,
    layer_norm,
    lstm,
    max_pool,
    prediction,
    read_only,
    recomputed,
    relu,
    repeated,
    residual,
    sequential,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
)
from memory.caches import kept, owner
from speed.page import megabytes, ratio, table
from speed.processes import ask, process

CLASSES, WIDTH, BLOCKS = 10, 256, 8


@frozen
class Whole:
    """A network with parameters and a batch."""

    network: Layer[Any, Any]
    params: Any
    x: Any
    labels: Any

    @classmethod
    def drawn(cls, rng: np.random.Generator, network: Layer[Any, Any], params: Any, *shape: int) -> "Whole":
        """One with inputs of a shape."""
        labels = rng.integers(0, CLASSES, shape[0])
        return cls(network, params, read_only(rng.random(shape, np.float32)), read_only(labels))


def of_rows(rng: np.random.Generator, n: int) -> Whole:
    """The README's network."""
    params = (Affine.init(rng, 64, 50), (), Affine.init(rng, 50, CLASSES))
    return Whole.drawn(rng, sequential(affine, relu, affine), params, n, 64)


def of_pictures(rng: np.random.Generator, n: int) -> Whole:
    """Two convolutions with pools, and an affine map of what is left."""
    network = sequential(convolution(), relu, max_pool(2), convolution(), relu, global_mean_pool, affine)
    first, second = Convolution.init(rng, 1, 32, 3), Convolution.init(rng, 32, 64, 3)
    params = (first, (), (), second, (), (), Affine.init(rng, 64, CLASSES))
    return Whole.drawn(rng, network, params, n, 28, 28, 1)


def of_sequences(rng: np.random.Generator, n: int) -> Whole:
    """An LSTM that answers at the end."""
    params = (Lstm.init(rng, 64, 128), (), Affine.init(rng, 128, CLASSES))
    return Whole.drawn(rng, sequential(lstm, last, affine), params, n, 128, 64)


def of_one_block(rng: np.random.Generator, n: int) -> Whole:
    """One block of a transformer, and an affine map of the mean over places."""
    network = sequential(block(), global_mean_pool, affine)
    return Whole.drawn(rng, network, (of_block(rng), (), Affine.init(rng, WIDTH, CLASSES)), n, 128, WIDTH)


def of_blocks(rng: np.random.Generator, n: int) -> Whole:
    """Several of them."""
    return _of_blocks(block(), rng, n)


def of_recomputed_blocks(rng: np.random.Generator, n: int) -> Whole:
    """The same, of which each keeps its input alone."""
    return _of_blocks(recomputed(block()), rng, n)


def _of_blocks(one: Layer[Any, Any], rng: np.random.Generator, n: int) -> Whole:
    network = sequential(repeated(one, BLOCKS), global_mean_pool, affine)
    params = (tuple(of_block(rng) for _ in range(BLOCKS)), (), Affine.init(rng, WIDTH, CLASSES))
    return Whole.drawn(rng, network, params, n, 128, WIDTH)


def block() -> Layer[Any, Any]:
    """Attention of eight heads and a network of two layers, each behind a norm and beside what goes on as it is."""
    mixed = residual(sequential(layer_norm(), attention(8)))
    return sequential(mixed, residual(sequential(layer_norm(), affine, gelu, affine)))


def of_block(rng: np.random.Generator) -> Any:
    """The parameters of a block, whose hidden layer is four times as wide."""
    mixed = (LayerNorm.init(WIDTH), Attention.init(rng, WIDTH))
    hidden = (LayerNorm.init(WIDTH), Affine.init(rng, WIDTH, 4 * WIDTH), (), Affine.init(rng, 4 * WIDTH, WIDTH))
    return mixed, hidden


NETWORKS: dict[str, tuple[Callable[[np.random.Generator, int], Whole], int]] = {
    "the README's, 32 rows": (of_rows, 32),
    "the README's, 1,024 rows": (of_rows, 1024),
    "two convolutions, 32 pictures": (of_pictures, 32),
    "LSTM classifier, 32 sequences": (of_sequences, 32),
    "a transformer block, 8 sequences": (of_one_block, 8),
    f"{BLOCKS} such blocks": (of_blocks, 8),
    f"{BLOCKS} such blocks, each recomputed": (of_recomputed_blocks, 8),
}


@frozen
class Peaks:
    """Bytes of a network."""

    params: int
    batch: int
    caches: int
    """All that the caches keep beyond the parameters and the batch."""
    step: int
    """The most during a step, parameters and batch included."""
    prediction: int
    """The most during a prediction, likewise."""


def peaks(name: str) -> Peaks:
    """Measure a network in this process."""
    make, n = NETWORKS[name]
    once(make(np.random.default_rng(0), 1))  # what is imported for it is no memory of a step
    gc.collect()
    tracemalloc.start()
    try:
        whole = make(np.random.default_rng(0), n)
        predicted, stepped = once(whole)
    finally:
        tracemalloc.stop()
    out, caches = whole.network.forward(whole.params, whole.x)
    return Peaks(
        params=held(whole.params),
        batch=held((whole.x, whole.labels)),
        caches=sum(piece.bytes for piece in kept(whole.params, whole.x, out, caches)),
        step=stepped,
        prediction=predicted,
    )


def once(whole: Whole) -> tuple[int, int]:
    """A prediction and a step: the most memory that Python accounts for during each, if it does."""
    predict, optimizer = prediction(whole.network), sgd(0.1)
    step = training_step(whole.network, softmax_cross_entropy, optimizer)
    state = optimizer.init(whole.params)
    predicted = peak(lambda: predict(whole.params, whole.x))
    return predicted, peak(lambda: step(whole.params, state, whole.x, whole.labels))


def peak(call: Callable[[], object]) -> int:
    """The most memory during a call, and before it."""
    if tracemalloc.is_tracing():
        tracemalloc.reset_peak()
    call()
    return tracemalloc.get_traced_memory()[1]


def held(arrays: Any) -> int:
    """The bytes of the arrays in a tree; those of one that stands in two places count once."""
    return sum({id(owner(leaf)): owner(leaf).nbytes for leaf in tree.leaves(arrays)}.values())


def row(name: str) -> list[str]:
    """A network, in a process of its own: its sizes, and its peaks in multiples of them."""
    with process() as child:
        found = ask(child, peaks, name)
    unit = found.params + found.batch
    sizes = (found.params, found.batch)
    return [
        name,
        *map(megabytes, sizes),
        *(ratio(each / unit) for each in (found.caches, found.prediction, found.step)),
    ]


def part() -> str:
    """The table of all networks."""
    head = ["network", "parameters", "batch", "caches", "peak of a prediction", "peak of a step"]
    return table(head, [row(name) for name in NETWORKS])
