"""`init(..., weights=)` of records of parameters."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Embedding, tree, two_layer
from chainrule.initializers import he_normal, lecun_normal, normal, orthogonal, zeros
from untyped import untyped

INITS: dict[str, Callable[..., Any]] = {
    "Affine.init": partial(Affine.init, n_in=4, n_out=3),
    "Embedding.init": partial(Embedding.init, n_tokens=4, n_features=3),
    "two_layer.init": partial(two_layer.init, n_in=4, n_hidden=3, n_out=2),
}

each = pytest.mark.parametrize("name", INITS)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def first(params: Any) -> Any:
    return tree.leaves(params)[0]


@each
def test_weights_are_those_of_the_initializer(name: str) -> None:
    seen: list[Any] = []

    def draw(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any) -> Array:
        seen.append((shape, fan_in, fan_out, dtype))
        return np.full(shape, len(seen), dtype)

    params = INITS[name](rng(), weights=draw, dtype=np.float64)
    np.testing.assert_array_equal(first(params), np.ones((4, 3)))
    fan_in = 1 if name == "Embedding.init" else 4  # one row of E is taken, and not the sum of all
    assert seen[0] == ((4, 3), fan_in, 3, np.float64)
    assert seen[1:] == ([((3, 2), 3, 2, np.float64)] if name == "two_layer.init" else [])


@each
def test_biases_are_zero_with_any_weights(name: str) -> None:
    params = INITS[name](rng(), weights=orthogonal)
    assert [leaf.any() for path, leaf in tree.named_leaves(params) if path.endswith(".b")] == [False] * (
        {"Affine.init": 1, "Embedding.init": 0, "two_layer.init": 2}[name]
    )


def test_defaults_are_lecuns_and_the_standard_normal() -> None:
    assert tree.equal(Affine.init(rng(), 4, 3), Affine.init(rng(), 4, 3, weights=lecun_normal))
    assert tree.equal(Embedding.init(rng(), 4, 3), Embedding.init(rng(), 4, 3, weights=normal))
    assert tree.equal(two_layer.init(rng(), 4, 3, 2), two_layer.init(rng(), 4, 3, 2, weights=partial(normal, std=0.01)))


@each
def test_std_is_short_for_normal(name: str) -> None:
    init = INITS[name]
    assert tree.equal(init(rng(), std=0.5), init(rng(), weights=partial(normal, std=0.5)))
    assert not first(init(rng(), std=0.0)).any()


def test_what_somebodys_initializer_keeps_is_not_ours() -> None:
    kept = np.ones((4, 3), np.float32)

    def draw(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any) -> Array:
        return kept

    params = Affine.init(rng(), 4, 3, weights=draw)
    kept[:] = 2
    assert (params.W == 1).all()


@each
def test_std_and_weights_exclude_each_other(name: str) -> None:
    said = "Affine.init" if name == "two_layer.init" else name
    for std in (0.1, 0.0):
        with pytest.raises(TypeError) as caught:
            INITS[name](rng(), std=std, weights=zeros)
        assert str(caught.value) == f"{said}: give std or weights, not both"


def other(made: object) -> Callable[..., object]:
    def draw(*arguments: object) -> object:
        return made

    return draw


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (0.1, TypeError, "Affine.init: weights must be an initializer such as he_normal, got float"),
        ("he_normal", TypeError, "Affine.init: weights must be an initializer such as he_normal, got str"),
        (dict, TypeError, "Affine.init: weights must be an initializer such as he_normal, got the class dict"),
        (
            other(np.ones((3, 4), np.float32)),
            ValueError,
            "Affine.init: the result of weights has shape (3, 4), expected (4, 3) (the shape of what it was asked for)",
        ),
        (
            other(np.ones((4, 3))),
            TypeError,
            "Affine.init: the result of weights is float64, expected float32 (the dtype of what it was asked for)",
        ),
        (other(None), TypeError, "Affine.init: the result of weights must be an array, got NoneType"),
    ],
)
def test_what_is_no_initializer_is_refused(weights: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Affine.init(rng(), 4, 3, weights=untyped(weights))
    assert str(caught.value) == message


def test_bad_sizes_are_named_before_anything_is_drawn() -> None:
    with pytest.raises(ValueError, match=re.escape("Affine.init: n_in must be >= 0, got -4")):
        Affine.init(rng(), -4, 3, weights=he_normal)
