"""The differences of the library from torch's and JAX's own derivatives."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from catalogue import ENCODERS, LAYERS, OTHERS, Subject
from chainrule import Array, Labels, softmax_cross_entropy, tree
from chainrule.laws import LOSS_LAWS
from oracles.in_jax import JAX
from oracles.in_torch import TORCH
from oracles.oracle import Oracle
from strategies import Floating

ORACLES = {"torch": TORCH, "jax": JAX}


def layer_difference(oracle: Oracle, name: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The largest difference in a layer's output, dx and gradients, relative to the largest entry, or to 1."""
    (subject,) = (each for each in LAYERS if each.name == name)
    x: Array
    out: Array
    params, x = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, x)
    dout = rng.standard_normal(x.shape[:1] + out.shape[1:]).astype(dtype)
    ours = [out, *tree.leaves(subject.layer.backward(cache, dout))]
    function = oracle.functions.get(name) or oracle.catalogue[name]
    their_out, gradients = oracle.pullback(function, [x, *(np.array(leaf) for leaf in tree.leaves(params))], dout)
    return largest(ours, [their_out, *gradients], floor=1.0)


def loss_difference(oracle: Oracle, kind: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The same for cross-entropy and its gradient, with labels or probabilities, at logits of size 1."""
    k = int(rng.integers(1, 7))
    z = rng.standard_normal((n, k)).astype(dtype)
    t = rng.random((n, k)) + 0.01
    probabilities = (t / t.sum(axis=1, keepdims=True)).astype(dtype)
    targets: Labels | Array = rng.integers(0, k, n) if kind == "labels" else probabilities
    loss, cache = softmax_cross_entropy.forward(z, targets)
    ours = [np.asarray(1 + loss), softmax_cross_entropy.backward(cache, 1.0)]  # a loss near 0 is relative to 1
    their_loss, gradient = oracle.loss_and_gradient(z, targets)
    return largest(ours, [np.asarray(1 + their_loss), gradient], floor=1.0 / n)


def catalogue_difference(oracle: Oracle, name: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The same for any loss of the catalogue and its gradient."""
    (subject,) = (each for each in OTHERS if each.name == name and each.laws is LOSS_LAWS)
    out, targets = subject.make(rng, n, dtype)
    targets = tree.map(lambda leaf: leaf if leaf.dtype.kind in "iu" else leaf.astype(dtype), targets)
    loss, cache = subject.layer.forward(out, targets)
    given = [np.array(leaf) for leaf in tree.leaves(targets)]
    their_loss, (gradient,) = oracle.pullback(oracle.catalogue[name], [out], np.ones((), dtype), *given)
    ours = [np.asarray(1 + loss), subject.layer.backward(cache, 1.0)]
    return largest(ours, [np.asarray(1 + their_loss), gradient], floor=1.0 / n)


def largest(ours: list[Array], theirs: list[Array], floor: float = 0.0) -> float:
    """The largest difference, relative to the largest entry of each array, or to `floor` if that is larger."""
    differences = [0.0]
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(float(np.abs(b).max(initial=0)), floor)
        if scale > 0:
            differences.append(float(np.abs(a - b).max(initial=0)) / scale)
        else:
            assert not a.any()
    return max(differences)


def encoder_difference(oracle: Oracle, name: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The same for an encoder, with respect to whose input nothing can be differentiated."""
    (subject,) = (each for each in ENCODERS if each.name == name)
    out: Array
    params, labels = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, labels)
    dout: Array = rng.standard_normal(out.shape).astype(dtype)
    ours = [out, *tree.leaves(subject.layer.grads(cache, dout))]
    given = [np.array(leaf) for leaf in tree.leaves(params)]
    their_out, gradients = oracle.pullback(oracle.catalogue[name], given, dout, labels.astype(np.int64))
    return largest(ours, [their_out, *gradients], floor=1.0)


Difference: TypeAlias = Callable[[Oracle, str, np.random.Generator, int, Floating], float]
KINDS = {f"softmax_cross_entropy, {kind}": kind for kind in ("labels", "probabilities")}
COLUMNS = [(oracle, dtype) for oracle in ORACLES.values() for dtype in (np.float32, np.float64)]
HEAD = ["subject", *(f"{oracle.name}, {np.dtype(dtype).name}" for oracle, dtype in COLUMNS)]


def table(cases: int = 100) -> list[list[str]]:
    """The largest differences over drawn cases: a row for each subject, a column for each of the libraries' dtypes."""
    subjects = [*LAYERS, *ENCODERS, *(each for each in OTHERS if each.laws is LOSS_LAWS)]
    rows = [[each.name, *(worst(each, *column, cases) for column in COLUMNS)] for each in subjects]
    return [row for row in rows if any(row[1:])]


def worst(subject: Subject, oracle: Oracle, dtype: Floating, cases: int) -> str:
    """The largest difference of a subject from a library; nothing, if the library has no such function."""
    name = subject.name
    difference: Difference = layer_difference
    if name in KINDS:
        name, difference = KINDS[name], loss_difference
    elif name not in oracle.functions and name not in oracle.catalogue:
        return ""
    elif subject.laws is LOSS_LAWS:
        difference = catalogue_difference
    elif subject in ENCODERS:
        difference = encoder_difference
    draws = [np.random.default_rng(seed) for seed in range(cases)]
    return f"{max(difference(oracle, name, rng, int(rng.integers(1, 7)), dtype) for rng in draws):.1e}"
