"""Random layers and those in use, on the arrays of every library that is installed."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    Statistics,
    batch_norm,
    clip_by_global_norm,
    dropout,
    inference,
    last_of,
    schedules,
    sequential,
    split_seed,
    statistics,
    tree,
)
from libraries.installed import LIBRARIES, Library

pytestmark = pytest.mark.usefixtures("products_may_be_invalid")

OTHERS = [library for library in LIBRARIES if library.name != "numpy"]
each_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
each_other = pytest.mark.parametrize("library", OTHERS, ids=lambda each: each.name)


def mask(library: Library, seed: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return library.get(dropout(0.25, seed).forward((), library.put(np.ones(shape, dtype)))[0])


@each_other
def test_all_other_libraries_have_one_mask(library: Library) -> None:
    first = OTHERS[0]
    found = mask(library, 5, (40, 30))
    np.testing.assert_array_equal(found, mask(first, 5, (40, 30)))
    np.testing.assert_array_equal(found != 0, mask(library, 5, (40, 30), np.float64) != 0)
    assert not np.array_equal(found, mask(library, 6, (40, 30)))
    assert np.mean(found == 0) == pytest.approx(0.25, abs=0.05)  # 1,200 draws: four standard deviations
    assert set(found.ravel()) == {np.float32(0), np.float32(1 / 0.75)}


@each_library
def test_a_seed_is_a_number_or_an_array(library: Library) -> None:
    for seed in (0, 7, 2**31 - 1):
        of_array = split_seed(library.put(np.asarray(seed)), 3)
        assert [int(library.get(each)) if hasattr(each, "shape") else each for each in of_array] == list(
            split_seed(seed, 3)
        )
    np.testing.assert_array_equal(mask(library, 7, (8, 9)), mask(library, library.put(np.asarray(7)), (8, 9)))


@each_library
def test_statistics_and_inference_are_numpys(library: Library) -> None:
    rng = np.random.default_rng(0)
    network = sequential(batch_norm(), dropout(0.5, seed=1))
    batches, x = [rng.standard_normal((n, 3)) for n in (4, 6)], rng.standard_normal((5, 3))
    params = (BatchNorm(rng.standard_normal(3), rng.standard_normal(3)), ())
    theirs = library.put_all(params)
    found: Any = statistics(network, theirs, map(library.put, batches))
    ours: Any = statistics(network, params, batches)
    assert isinstance(found[0], Statistics)
    for a, b in zip(tree.leaves(found), tree.leaves(ours), strict=True):
        np.testing.assert_allclose(library.get(a), b, rtol=1e-13)
    in_use = inference(network, theirs, statistics=found)
    out = library.get(in_use.forward(theirs, library.put(x))[0])
    np.testing.assert_allclose(out, inference(network, params, batches).forward(params, x)[0], rtol=1e-12)


@each_library
def test_each_sequence_has_its_own_last_step(library: Library) -> None:
    rng = np.random.default_rng(0)
    x, dout, lengths = rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 2)), np.array([2, 3, 1, 3])
    layer: Any = last_of(library.put(lengths))
    out, cache = layer.forward((), library.put(x))
    dx, _ = layer.backward(cache, library.put(dout))
    expected = np.zeros_like(x)
    expected[np.arange(4), lengths - 1] = dout
    np.testing.assert_array_equal(library.get(out), x[np.arange(4), lengths - 1])
    np.testing.assert_array_equal(library.get(dx), expected)


@each_other
def test_a_length_out_of_range_is_nan_where_values_are_not_read(library: Library) -> None:
    layer: Any = last_of(library.put(np.array([4, 0, 2])))
    out = library.get(layer.forward((), library.put(np.ones((3, 3, 1))))[0])
    np.testing.assert_array_equal(out, [[np.nan], [np.nan], [1]])


@each_library
@pytest.mark.parametrize("most", [1e-3, 5.0, 5e3])
def test_clipping_is_numpys(library: Library, most: float) -> None:
    grads = (np.array([[3.0, 0.0]]), np.array([-4.0]), np.array([]))
    for scale in (1.0, 1e-200, 1e200):
        given = tuple(scale * leaf for leaf in grads)
        clipped = library.get_all(clip_by_global_norm(most)(library.put_all(given)))
        for a, b in zip(clipped, clip_by_global_norm(most)(given), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


@each_other
@pytest.mark.parametrize("most", [1e-3, 5e3])
def test_clipping_reads_no_number(library: Library, most: float) -> None:
    grads = (np.array([[3.0, 0.0]]), np.array([-4.0]))
    result = library.unread(lambda *given: clip_by_global_norm(most)(given), grads)
    assert [leaf.shape for leaf in result] == [(1, 2), (1,)]


@pytest.mark.parametrize("library", [each for each in LIBRARIES if each.name in {"numpy", "torch", "jax"}])
def test_rates_are_numpys(library: Library) -> None:
    schedule = schedules.join([schedules.warmup(3, schedules.cosine(1.0, 0.5, 4)), schedules.linear(0.4, 0.1, 3)], [5])
    for step in range(10):
        rate = schedule(library.put(np.asarray(step)))
        assert float(rate) == pytest.approx(schedule(step), rel=1e-6)  # torch divides integers in float32


if find_spec("jax") is not None:  # where there is a compiler that traces

    def test_new_lengths_compile_nothing() -> None:
        from libraries.compiled import traces_of_lengths  # noqa: PLC0415  # it imports JAX

        assert traces_of_lengths([[1, 2], [3, 1], [2, 2]]) == 1

    def test_a_new_seed_and_a_new_rate_compile_nothing() -> None:
        from libraries.compiled import traces_of_a_step  # noqa: PLC0415  # it imports JAX

        assert traces_of_a_step(seeds=[1, 2, 3]) == 1
