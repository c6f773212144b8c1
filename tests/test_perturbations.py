"""Numerical differentiation evaluates a function at moved parameters, and runs only the layers that they reach."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalogue import summed, twice
from chainrule import (
    Affine,
    Array,
    Embedding,
    Layer,
    Loss,
    Objective,
    Unit,
    add,
    affine,
    embedding,
    encoded,
    fixed,
    numerical_gradient,
    own,
    relu,
    repeated,
    residual,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tied,
    tree,
    value_and_grad,
)
from chainrule.checking import perturbations
from chainrule.checking.perturbations import black_box, by_structure
from chainrule.parts import unmoved
from strategies import normal


def scale(params: Array, x: Array) -> tuple[Array, Unit]:
    return x * params, ()


def no_backward(cache: Unit, dout: Array) -> tuple[Array, Any]:
    raise AssertionError("probes only go forward")


def objective(n: int = 4) -> tuple[Objective[Any, Any], Any]:
    """A network with an affine layer and one of one's own, and parameters for it."""
    rng = np.random.default_rng(0)
    network = sequential(affine, Layer(scale, no_backward))
    params = Affine(normal(rng, 3, 2), normal(rng, 2)), normal(rng, 2)
    return Objective(network, softmax_cross_entropy, normal(rng, n, 3), rng.integers(0, 2, n)), params


@pytest.mark.parametrize("kind", [float, complex])
def test_a_probe_gives_the_values_at_moved_entries(kind: type[float | complex]) -> None:
    f, params = objective()
    found = by_structure(f, params), black_box(f, params)
    assert [len(each) for each in found] == [3, 3]
    for k, leaf in enumerate(tree.leaves(params)):
        entries = np.arange(leaf.size)[::-1]
        steps: NDArray[Any] = np.linspace(0.5, 1.5, leaf.size).astype(kind)
        expected: list[float] = []
        for entry, step in zip(entries, steps, strict=True):
            arrays = [each.copy() for each in tree.leaves(params)]
            arrays[k].flat[entry] += step.real
            expected.append(float(f(tree.replace(params, arrays))))
        for probe in (found[0][k], found[1][k]):
            values = probe(entries, steps)
            assert values.dtype == kind
            np.testing.assert_allclose(values, expected, rtol=1e-14)


def test_every_entry_needs_its_step() -> None:
    f, params = objective()
    for probe in (*black_box(f, params), by_structure(f, params)[2]):
        for entries, steps in ((np.arange(2), np.ones(1)), (np.arange(1), np.ones(2))):
            with pytest.raises(ValueError, match=r"zip\(\) argument 2"):
                probe(entries, steps)


def test_every_layer_needs_its_parameters() -> None:
    f, params = objective()
    for wrong in (params[:1], (*params, ())):
        with pytest.raises(ValueError, match=rf"^sequential: 2 layers need 2 params, got {len(wrong)}$"):
            by_structure(f, wrong)


def test_an_affine_layer_is_moved_and_not_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Array:
        raise AssertionError("an affine layer was called for each move")

    f, params = objective()
    monkeypatch.setattr(perturbations, "_moved_by_calls", refuse)
    weights, bias, other = by_structure(f, params)
    weights(np.arange(6), np.ones(6))
    bias(np.arange(2), np.ones(2))
    with pytest.raises(AssertionError, match="called for each move"):
        other(np.arange(2), np.ones(2))


@pytest.mark.parametrize(
    ("chunk", "chunks", "together", "at_once"),
    [
        *((chunk, 0, 64, at_once) for chunk, at_once in ((8, 1), (64, 1), (120, 1), (128, 2), (320, 5), (8000, 6))),
        *((8, chunks, 3, at_once) for chunks, at_once in ((120, 1), (128, 2), (192, 3), (8000, 3))),
        (256, 8000, 3, 4),
    ],
)
def test_no_stack_is_larger_than_a_chunk(
    chunk: int, chunks: int, together: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watch(params: Unit, x: Array) -> tuple[Array, Any]:
        seen.append(len(x))
        return relu.forward(params, x)

    rng = np.random.default_rng(0)
    params = Affine(normal(rng, 3, 2), normal(rng, 2)), ()
    f = Objective(
        sequential(affine, Layer(watch, relu.backward)), softmax_cross_entropy, normal(rng, 4, 3), np.arange(4) % 2
    )
    weights, _ = by_structure(f, params)
    for name, value in (("CHUNK", chunk), ("CHUNKS", chunks), ("TOGETHER", together)):
        monkeypatch.setattr(perturbations, name, value)  # an output has 4 x 2 numbers of 8 bytes
    seen.clear()
    values = weights(np.arange(6), np.ones(6))
    assert max(seen) == 4 * at_once
    assert sum(seen) == 4 * 6
    np.testing.assert_allclose(values, black_box(f, params)[0](np.arange(6), np.ones(6)), rtol=1e-14)


@pytest.mark.parametrize("kind", [float, complex])
def test_a_layer_between_two_affine_layers_may_mix_columns(kind: type[float | complex]) -> None:
    def spread(params: Unit, x: Array) -> tuple[Array, Unit]:
        out: Array = x - x[:, ::-1] / 2
        return out, ()

    rng = np.random.default_rng(0)
    network = sequential(affine, Layer(spread, no_backward), affine)
    params = Affine(normal(rng, 3, 4), normal(rng, 4)), (), Affine(normal(rng, 4, 2), normal(rng, 2))
    f = Objective(network, softmax_cross_entropy, normal(rng, 5, 3), np.arange(5) % 2)
    for fast, slow, leaf in zip(by_structure(f, params), black_box(f, params), tree.leaves(params), strict=True):
        entries, steps = np.arange(leaf.size), np.linspace(0.5, 1.5, leaf.size).astype(kind)
        np.testing.assert_allclose(fast(entries, steps), slow(entries, steps), rtol=1e-14)


@pytest.mark.parametrize("shape", [(4, 2), (1, 2), (2,), ()])
def test_targets_need_not_have_an_entry_for_each_row(shape: tuple[int, ...]) -> None:
    def rows(out: Array, targets: Array) -> Array:
        losses: Array = ((out - targets) ** 2).sum(axis=1)
        return losses

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(rows(out, targets).mean()), own(out - targets)

    def backward(cache: Array, dloss: Array | float) -> Array:
        return 2 * cache * dloss / len(cache)

    rng = np.random.default_rng(0)
    params, x, targets = Affine(normal(rng, 3, 2), normal(rng, 2)), normal(rng, 4, 3), np.asarray(normal(rng, *shape))
    loss = Loss(forward, backward, rows)
    numerical = numerical_gradient(Objective(affine, loss, x, targets), params)
    grads = value_and_grad(affine, loss)(params, x, targets)[1]
    np.testing.assert_allclose(numerical.W, grads.W, atol=1e-8)  # 1e-10 of the loss was seen


def coupled_forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x - x.mean(axis=0), own(x)


def coupled_backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    return dout - dout.mean(axis=0), ()


centred: Layer[Unit, Array] = Layer(coupled_forward, coupled_backward, couples_rows=True)


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize(
    "name", ["residual", "add", "fixed", "tied", "repeated", "centred", "centred in a branch", "embedding", "all"]
)
def test_networks_of_any_parts_have_the_gradient_of_a_black_box(name: str, method: Any) -> None:
    """Whatever a network is made of, an `Objective` gives what a function that cannot be looked into gives."""
    rng = np.random.default_rng(0)

    def square() -> Affine:
        return Affine(normal(rng, 3, 3), normal(rng, 3))

    chains: dict[str, tuple[Any, Any]] = {
        "residual": (residual(sequential(affine, sigmoid)), (square(), ())),
        "add": (add(affine, sequential(affine, sigmoid), sequential()), (square(), (square(), ()), ())),
        "fixed": (fixed(affine), square()),
        "tied": (tied(sequential(affine, affine), twice, summed), square()),
        "repeated": (repeated(residual(affine), 2), (square(), square())),
        "centred": (centred, ()),
        "centred in a branch": (add(affine, centred), (square(), ())),
    }
    tokens = Embedding(normal(rng, 4, 3))
    labels = rng.integers(0, 3, 5)
    if name in {"embedding", "all"}:
        parts = list(chains.values()) if name == "all" else []
        network: Any = encoded(embedding, sequential(*(layer for layer, _ in parts), affine))
        params: Any = (tokens, (*(own for _, own in parts), square()))
        x: Any = rng.integers(0, 4, 5)
    else:
        layer, own_params = chains[name]
        network, params, x = sequential(affine, layer, affine), (square(), own_params, square()), normal(rng, 5, 3)
    f = Objective(network, softmax_cross_entropy, x, labels)
    numerical = numerical_gradient(f, params, method=method)
    slowly = numerical_gradient(lambda at: f(at), params, method=method)  # noqa: PLW0108  # it hides the objective
    slack = 1e-8 if method == "central" else 1e-13
    for fast, slow in zip(tree.leaves(numerical), tree.leaves(slowly), strict=True):
        np.testing.assert_allclose(fast, slow, rtol=0, atol=slack)
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    expected = unmoved(network, tree.map(np.zeros_like, params), numerical)
    for right, found in zip(tree.leaves(expected), tree.leaves(grads), strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=slack)
