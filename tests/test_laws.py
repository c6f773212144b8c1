"""The laws that every layer keeps, over drawn shapes, dtypes and seeds."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import chainrule
from catalogue import SUBJECTS, Subject
from chainrule import Array, Layer, numerical_gradient, tree
from strategies import Floating, dtypes, generators, normal, sides, sides_or_none

each_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)


def inner_product_with(layer: Layer[Any, Any], dout: Array) -> Callable[[tuple[Any, Array]], Any]:
    """The scalar whose gradient by (params, x) backward(dout) is."""

    def f(at: tuple[Any, Array]) -> Any:
        return (layer.forward(*at)[0] * dout).sum()

    return f


def test_the_catalogue_holds_every_public_layer() -> None:
    public = {name for name in chainrule.__all__ if isinstance(getattr(chainrule, name), Layer)}
    assert public <= {subject.name for subject in SUBJECTS}


@each_subject
@given(rng=generators, n=sides)
def test_backward_is_the_transposed_derivative_by_complex_step(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    expected = numerical_gradient(inner_product_with(subject.layer, dout), (params, x), method="complex")
    for (path, g), e in zip(tree.named_leaves((grads, dx)), tree.leaves(expected), strict=True):
        scale = max(1.0, float(np.abs(e).max()))
        # The complex step itself was seen to err by 1.3e-16 of the largest entry; 1e-13 is a thousand times that.
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-13 * scale, err_msg=path)


@each_subject
@given(rng=generators, n=sides)
def test_backward_is_the_transposed_derivative_by_central_differences(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    expected = numerical_gradient(inner_product_with(subject.layer, dout), (params, x))
    for (path, g), e in zip(tree.named_leaves((grads, dx)), tree.leaves(expected), strict=True):
        smooth = ~np.isnan(e)
        scale = max(1.0, float(np.abs(g).max()))
        # h is 6e-6: h^2 and eps / h are both some 1e-11, times third derivatives and sums of up to 30 terms.
        np.testing.assert_allclose(g[smooth], e[smooth], rtol=0, atol=1e-8 * scale, err_msg=path)


@each_subject
@given(rng=generators, n=sides)
def test_backward_is_linear_in_dout(subject: Subject, rng: np.random.Generator, n: int) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    u, v, a, c = normal(rng, *out.shape), normal(rng, *out.shape), 1.5, -2.25
    of_sum = subject.layer.backward(cache, a * u + c * v)
    of_u, of_v = subject.layer.backward(cache, u), subject.layer.backward(cache, v)
    of_zero = subject.layer.backward(cache, np.zeros_like(out))
    for got, gu, gv, g0 in zip(*(tree.leaves(side) for side in (of_sum, of_u, of_v, of_zero)), strict=True):
        # A few roundings of numbers of this size: two layers of up to 6 products each.
        scale = 1 + float(np.abs(gu).max() + np.abs(gv).max())
        np.testing.assert_allclose(got, a * gu + c * gv, rtol=0, atol=1e-14 * 36 * scale)
        assert not g0.any()


@each_subject
@given(rng=generators, n=sides_or_none, dtype=dtypes)
def test_shapes_structure_and_dtype_are_kept(
    subject: Subject, rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    params, x = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, x)
    dx, grads = subject.layer.backward(cache, np.ones_like(out))

    def check(like: Array, gradient: Array) -> Array:
        assert gradient.shape == like.shape
        assert gradient.dtype == like.dtype == dtype
        return gradient

    tree.map(check, (params, x), (grads, dx))
    assert out.dtype == dtype
    assert all(leaf.dtype == dtype for leaf in tree.leaves(cache))


@each_subject
@given(rng=generators, n=sides, dtype=dtypes)
def test_functions_are_pure(subject: Subject, rng: np.random.Generator, n: int, dtype: Floating) -> None:
    params, x = subject.make(rng, n, dtype)
    x_before, params_before = x.copy(), pickle.loads(pickle.dumps(params))
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape, dtype=dtype)
    dout_before = dout.copy()
    first = subject.layer.backward(cache, dout)
    assert tree.equal((x, params, dout), (x_before, params_before, dout_before)), "an argument was written to"
    subject.layer.forward(params, x + 1)
    assert tree.equal(first, subject.layer.backward(cache, dout)), "backward depends on more than its arguments"
    assert tree.equal((out, cache), subject.layer.forward(params, x)), "forward depends on more than its arguments"
    frozen = chainrule.freeze(x.copy()), chainrule.freeze(dout.copy())
    out_of_frozen, cache_of_frozen = subject.layer.forward(params, frozen[0])
    assert tree.equal(out, out_of_frozen)
    assert tree.equal(first, subject.layer.backward(cache_of_frozen, frozen[1]))


@each_subject
@given(rng=generators, n=sides)
def test_what_a_caller_does_to_arrays_afterwards_changes_no_gradient(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    before = subject.layer.backward(cache, dout)
    x[:] = np.nan
    if out.flags.writeable:
        out[:] = np.nan
    assert tree.equal(before, subject.layer.backward(cache, dout))


@each_subject
@given(rng=generators, n=sides)
def test_nothing_returned_can_corrupt_anything_else(subject: Subject, rng: np.random.Generator, n: int) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    if subject.name == "sequential()":  # documented: the identity returns its input itself
        assert out is x
        assert dx is dout
        return
    assert all(not leaf.flags.writeable for leaf in tree.leaves((cache, grads)))
    held = [*tree.leaves((params, cache, grads)), x, dout]
    for returned, others in ((out, [dx, *held]), (dx, [out, *held])):
        assert not returned.flags.writeable or not any(np.shares_memory(returned, other) for other in others)


@each_subject
@given(rng=generators, n=sides, cut=sides_or_none)
def test_rows_are_independent_and_gradients_add(subject: Subject, rng: np.random.Generator, n: int, cut: int) -> None:
    params, x = subject.make(rng, n, np.float64)
    cut = min(cut, n)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    outs: list[Array] = []
    dxs: list[Array] = []
    parts: list[Any] = []
    for rows in (slice(None, cut), slice(cut, None)):
        part_out, part_cache = subject.layer.forward(params, x[rows])
        part_dx, part_grads = subject.layer.backward(part_cache, dout[rows])
        outs.append(part_out)
        dxs.append(part_dx)
        parts.append(part_grads)
    # BLAS may add up in another order: some roundings of sums of up to 6 products, in two layers.
    np.testing.assert_allclose(np.concatenate(outs), out, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(np.concatenate(dxs), dx, rtol=1e-12, atol=1e-12)
    for whole, *halves in zip(tree.leaves(grads), *(tree.leaves(part) for part in parts), strict=True):
        np.testing.assert_allclose(sum(halves), whole, rtol=1e-12, atol=1e-12)


@each_subject
@given(rng=generators, n=sides_or_none, dtype=dtypes)
def test_grads_is_backward_without_dx(subject: Subject, rng: np.random.Generator, n: int, dtype: Floating) -> None:
    params, x = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape, dtype=dtype)
    assert tree.equal(subject.layer.grads(cache, dout), subject.layer.backward(cache, dout)[1])


@each_subject
def test_layers_params_and_caches_pickle(subject: Subject) -> None:
    rng = np.random.default_rng(0)
    params, x = subject.make(rng, 3, np.float32)
    out, cache = subject.layer.forward(params, x)
    layer, params, cache = pickle.loads(pickle.dumps((subject.layer, params, cache)))
    assert tree.equal((out, cache), layer.forward(params, x))
    dout = np.ones_like(out)
    assert tree.equal(layer.backward(cache, dout), subject.layer.backward(cache, dout))
    assert all(not leaf.flags.writeable for leaf in tree.leaves((params, cache)))


@each_subject
def test_eight_threads_share_everything(subject: Subject) -> None:
    rng = np.random.default_rng(0)
    params, x = subject.make(rng, 32, np.float32)

    def run(_: int) -> Any:
        out, cache = subject.layer.forward(params, x)
        return out, subject.layer.backward(cache, np.ones_like(out))

    alone = run(0)
    with ThreadPoolExecutor(8) as pool:
        assert all(tree.equal(alone, together) for together in pool.map(run, range(64)))


@each_subject
@given(rng=generators, n=sides)
def test_callers_floating_point_settings_are_respected_and_kept(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    with np.errstate(all="raise"):
        before = np.geterr()
        out, cache = subject.layer.forward(params, x * 100)  # far into sigmoid's underflow
        subject.layer.backward(cache, np.ones_like(out))
        assert np.geterr() == before
