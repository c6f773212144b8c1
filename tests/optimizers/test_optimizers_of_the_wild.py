"""Mistakes in optimizers that people reported of theirs, and published ones that move an array as a whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import field, frozen

from chainrule import Affine, Array, Report, check_optimizer, tree

RNG = np.random.default_rng


@frozen
class OfMatrices:
    """A plain step along what is made of the gradient of each array."""

    direction: Callable[[Array], Array]

    def init(self, params: Any) -> tuple[()]:
        return ()

    def step(self, state: tuple[()], params: Any, grads: Any) -> tuple[Any, tuple[()]]:
        return tree.map(lambda p, g: (p - 0.1 * self.direction(g)).astype(p.dtype), params, grads), ()


def centred(g: Array) -> Array:
    """Gradient centralisation, along the first axis (Yong et al., 2020)."""
    return g - g.mean(axis=0, keepdims=True) if g.ndim > 1 else g


def orthogonal(g: Array) -> Array:
    """The nearest orthogonal matrix, of which Muon takes a step (Jordan et al., 2024)."""
    if g.ndim < 2:
        return np.sign(g)
    u, s, v = np.linalg.svd(g.reshape(len(g), -1), full_matrices=False)
    nearest: Array = (u * (s > 1e-12)) @ v
    return nearest.reshape(g.shape)


def mean(g: Array) -> Array:
    return np.full_like(g, g.mean()) if g.size else g


def turned(g: Array) -> Array:
    return np.flip(g, axis=0) if g.ndim > 1 else g


def report_of(optimizer: Any, seed: int) -> Report:
    rng = RNG(seed)
    params, grads = (Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)) for _ in range(2))
    return check_optimizer(optimizer, params, grads, rng=rng)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("direction", [centred, orthogonal])
def test_of_a_step_of_a_whole_matrix_it_cannot_be_told(direction: Callable[[Array], Array], seed: int) -> None:
    report = report_of(OfMatrices(direction), seed)
    assert not report.failures, str(report)
    (verdict,) = report.undecided
    assert (verdict.law, verdict.field) == ("follows_gradient", "params.W")
    assert "compare its steps with the formula" in str(report)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("direction", [mean, turned])
def test_a_step_of_another_numbers_gradient_is_wrong(direction: Callable[[Array], Array], seed: int) -> None:
    report = report_of(OfMatrices(direction), seed)
    assert "follows_gradient" in {verdict.law for verdict in report.failures}, str(report)


@frozen
class Adamax:
    """Adamax, whose norm may lack its absolute value, and whose count may be taken anew for each array."""

    absolute: bool = field(default=True, kw_only=True)
    per_array: bool = field(default=False, kw_only=True)

    def init(self, params: Any) -> Any:
        return 0, tree.map(np.zeros_like, params), tree.map(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        count, first, norms = state
        news: list[tuple[Array, Array, Array]] = []
        for p, g, before, norm in zip(*map(tree.leaves, (params, grads, first, norms)), strict=True):
            count += self.per_array or not news
            m = 0.9 * before + 0.1 * g
            u = np.maximum(0.999 * norm, np.abs(g) if self.absolute else g)
            rate = 0.01 / (1 - 0.9**count)
            news.append(((p - rate * m / (u + 1e-8)).astype(p.dtype), m.astype(p.dtype), u.astype(p.dtype)))
        params, first, norms = (tree.replace(params, [new[i] for new in news]) for i in range(3))
        return params, (count, first, norms)


@pytest.mark.parametrize("seed", range(3))
def test_adamax_is_right(seed: int) -> None:
    report = report_of(Adamax(), seed)
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_of_a_count_that_each_array_takes_further_it_cannot_be_told(seed: int) -> None:
    report = report_of(Adamax(per_array=True), seed)
    assert not report.failures
    (verdict,) = report.undecided
    assert (verdict.law, verdict.note) == (
        "elementwise",
        "arrays of the same numbers take different steps: does each of them count as a step?",
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_norm_without_its_absolute_value_is_found(seed: int) -> None:
    found = {verdict.note for verdict in report_of(Adamax(absolute=False), seed).failures}
    assert any(note.startswith("a gradient moves a number 10000 times as far as the same one turned") for note in found)


@frozen
class Accumulating:
    """A step of every second gradient; in between the parameters are given back as they are, or copied."""

    give: Callable[[Any], Any]

    def init(self, params: Any) -> Any:
        return 0, tree.map(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        count, total = state
        total = tree.map(np.add, total, grads)
        if count == 0:
            return self.give(params), (1, total)
        new = tree.map(lambda p, g: (p - 0.05 * g).astype(p.dtype), params, total)
        return new, (0, tree.map(np.zeros_like, params))


def itself(value: Any) -> Any:
    return value


def copied(value: Any) -> Any:
    return tree.map(np.copy, value)


def test_parameters_that_are_given_back_are_said_to_be_those_of_the_caller() -> None:
    rng = RNG(0)
    params, grads = rng.standard_normal((2, 4, 3))
    (verdict,) = check_optimizer(Accumulating(itself), params, grads, rng=rng).failures
    assert (verdict.law, verdict.note) == (
        "step_purity",
        "a result is an array of the arguments: return a copy of it",
    )
    assert check_optimizer(Accumulating(copied), params, grads, rng=rng).ok
