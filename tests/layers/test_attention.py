"""Attention: its definition, what may be attended to, extreme scores, bad input, torch's modules, and types."""

import re
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from catalogue import attention_in_torch
from chainrule import Affine, Array, Attention, attention, check_layer, rotary, tree
from chainrule.arrays.tuned import QUERIES
from chainrule.initializers import he_normal
from reference import mpmath
from strategies import Floating, few, generators, layouts, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from chainrule import (
    Affine, Array, Attention, Layer, LayerNorm, attention, layer_norm, residual, sequential,
)
from chainrule.layers.attention import AttentionCache

def accepted(params: Attention, x: Array, dout: Array, mask: NDArray[np.bool_], rng: np.random.Generator) -> None:
    assert_type(attention(8), Layer[Attention, AttentionCache])
    layer = attention(heads=2, causal=True, mask=mask, rotary=True)
    _, cache = layer.forward(params, x)
    assert_type(cache.p, tuple[Array, ...])
    assert_type(layer.backward(cache, dout), tuple[Array, Attention])
    assert_type(layer.grads(cache, dout).qkv, Affine)
    assert_type(Attention.init(rng, 64, std=0.02, dtype=np.float64).out.W, Array)
    block = residual(sequential(layer_norm(), attention(8)))
    assert_type(block.backward(block.forward((LayerNorm.init(64), params), x)[1], dout)[1], tuple[LayerNorm, Attention])

def refused(params: Attention, other: Affine, x: Array) -> None:
    attention()  # rejected: the number of heads is missing
    attention(2.0)  # rejected: it is whole
    attention(2, mask=x)  # rejected: a mask holds truth values
    attention(2).forward(other, x)  # rejected: the parameters of affine
    Attention(other)  # rejected: the second map is missing
    Attention(x, x)  # rejected: arrays are no affine maps
"""


def drawn(rng: np.random.Generator, d: int, e: int, m: int, dtype: Floating = np.float64) -> Attention:
    def some(*shape: int) -> Array:
        return normal(rng, *shape, dtype=dtype)

    return Attention(Affine(some(d, 3 * e), some(3 * e)), Affine(some(e, m), some(m)))


def plain(c: int) -> Attention:
    """Parameters of one head with which x (..., t, 3c) is q, k and v side by side, and out is y."""
    return Attention(Affine(np.eye(3 * c), np.zeros(3 * c)), Affine(np.eye(c), np.zeros(c)))


def by_hand(x: Array, params: Attention, heads: int, may: Any, turn: bool = False) -> Array:
    """One sequence (t, d), by loops and in 50 digits."""
    t, e = len(x), params.out.W.shape[0]
    c = e // heads
    columns: Array = x @ params.qkv.W + params.qkv.b
    y: Array = np.zeros((t, e))
    for head in range(heads):
        q, k, v = (columns[:, third * e + head * c :][:, :c] for third in range(3))
        if turn:
            q, k = (rotary().forward((), each)[0] for each in (q, k))
        for i in range(t):
            keys = [j for j in range(t) if may[i, j]]
            with mpmath.workdps(50):
                scores = [mpmath.fdot(map(mpmath.mpf, q[i].tolist()), k[j].tolist()) / mpmath.sqrt(c) for j in keys]
                total = mpmath.fsum(map(mpmath.exp, scores))
                for score, j in zip(scores, keys, strict=True):
                    y[i, head * c : (head + 1) * c] += float(mpmath.exp(score) / total) * v[j]
    out: Array = y @ params.out.W + params.out.b
    return out


@pytest.mark.parametrize(("heads", "causal", "turn", "masked"), [*product((1, 2), *[(False, True)] * 3)])
def test_the_output_is_that_of_the_definition(heads: int, causal: bool, turn: bool, masked: bool) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(rng, 3, 4, 5), normal(rng, 2, 6, 3)
    mask = rng.random((2, 6, 6)) < 0.5
    layer = attention(heads, causal=causal, mask=mask if masked else None, rotary=turn)
    out, _ = layer.forward(params, x)
    for i in range(2):
        may = (mask[i] | (not masked)) & (np.tri(6, dtype=bool) | (not causal))
        # Some units of scores up to 10 and of sums of 6 and 4 numbers of that size.
        np.testing.assert_allclose(out[i], by_hand(x[i], params, heads, may, turn), rtol=1e-13, atol=1e-13)


def test_by_hand() -> None:
    # Two positions whose scores differ by log 3: the first attends 1 : 3, the second evenly.
    q, k, v = np.array([[np.log(3.0)], [0.0]]), np.array([[0.0], [1.0]]), np.array([[4.0], [8.0]])
    layer = attention(1)
    out, cache = layer.forward(plain(1), np.concatenate([q, k, v], axis=1))
    np.testing.assert_allclose(out, [[7], [6]], rtol=1e-15)
    np.testing.assert_allclose(cache.p[0], [[[0.25, 0.75], [0.5, 0.5]]], rtol=1e-15)
    dx, _ = layer.backward(cache, np.array([[1.0], [0.0]]))
    # dP = (4, 8), dS = P * (dP - 7) = (-3/4, 3/4), dq = dS k, dk = dS q, dv = P.
    expected = [[0.75, -0.75 * np.log(3), 0.25], [0, 0.75 * np.log(3), 0.75]]
    np.testing.assert_allclose(dx, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("case", range(4))
@few
@given(rng=generators, n=st.integers(0, 3), t=st.integers(1, 7), heads=st.integers(1, 3))
def test_values_and_gradients_are_torchs(case: int, rng: np.random.Generator, n: int, t: int, heads: int) -> None:
    torch: Any = pytest.importorskip("torch")
    causal, masked = divmod(case, 2)
    turn = bool(rng.integers(2))
    c = 2 * int(rng.integers(1, 3))
    params, x = drawn(rng, int(rng.integers(1, 5)), heads * c, int(rng.integers(1, 5))), normal(rng, n, t, 1)
    x = np.repeat(x, params.qkv.W.shape[0], axis=-1) + normal(rng, params.qkv.W.shape[0])
    mask = (rng.random((n, t, t)) < 0.7) & (np.tri(t, dtype=bool) | (not causal))
    layer = attention(heads, bool(causal), mask if masked else None, turn)
    out, cache = layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = layer.backward(cache, dout)
    leaves = [torch.tensor(leaf, requires_grad=True) for leaf in (x, *tree.leaves(params))]
    theirs = attention_in_torch(
        torch,
        *leaves,
        heads=heads,
        mask=mask[:, None] if masked else None,
        causal=bool(causal and not masked),
        rotary=turn,
    )
    gradients = torch.autograd.grad(theirs, leaves, torch.tensor(dout))
    np.testing.assert_allclose(out, theirs.detach(), rtol=1e-10, atol=1e-10)
    for ours, gradient in zip((dx, *tree.leaves(grads)), gradients, strict=True):
        np.testing.assert_allclose(ours, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_torchs_module_with_weights_as_the_page_says(causal: bool) -> None:
    torch: Any = pytest.importorskip("torch")
    module = torch.nn.MultiheadAttention(8, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.tensor(normal(np.random.default_rng(0), *each.shape)))
    rows = [module.in_proj_weight.T, module.in_proj_bias, module.out_proj.weight.T, module.out_proj.bias]
    W, b, U, u = (each.detach().numpy() for each in rows)
    x = normal(np.random.default_rng(1), 2, 5, 8)
    banned = torch.tensor(~np.tri(5, dtype=bool)) if causal else None  # True is what may not be attended to there
    theirs, weights = module(*[torch.tensor(x)] * 3, attn_mask=banned, average_attn_weights=False)
    out, cache = attention(4, causal).forward(Attention(Affine(W, b), Affine(U, u)), x)
    np.testing.assert_allclose(out, theirs.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(cache.p[0], weights.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("turn", [False, True])
def test_the_past_does_not_know_the_future(turn: bool) -> None:
    rng = np.random.default_rng(0)
    params, x, dout = drawn(rng, 3, 4, 3), normal(rng, 2, 7, 3), normal(rng, 2, 7, 3)
    layer = attention(2, causal=True, rotary=turn)
    out, cache = layer.forward(params, x)
    for place in range(1, 7):
        other = x.copy()
        other[:, place:] = normal(rng, 2, 7 - place, 3)
        np.testing.assert_array_equal(layer.forward(params, other)[0][:, :place], out[:, :place])
        np.testing.assert_allclose(layer.forward(params, x[:, :place])[0], out[:, :place], rtol=1e-12, atol=1e-13)
        early = dout.copy()
        early[:, place:] = 0
        assert not layer.backward(cache, early)[0][:, place:].any()


@pytest.mark.parametrize("t", [QUERIES // 2, QUERIES // 2 + 1, QUERIES, QUERIES + 1, 2 * QUERIES + 3])
@pytest.mark.parametrize(("masked", "axes"), [(False, (2,)), (True, (2,)), (True, ())])
def test_long_sequences_in_blocks_of_rows_are_those_of_a_triangle_as_a_mask(
    t: int, masked: bool, axes: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    params, x, dout = drawn(rng, 3, 4, 2), normal(rng, *axes, t, 3), normal(rng, *axes, t, 2)
    mask = rng.random((t, t)) < 0.9 if masked else np.ones((t, t), bool)
    mask[5] = mask[t - 1] = False
    whole, blocks = attention(2, mask=mask & np.tri(t, dtype=bool)), attention(2, True, mask)
    (expected, whole_cache), (out, cache) = (layer.forward(params, x) for layer in (whole, blocks))
    results = out, blocks.backward(cache, dout)
    assert len(cache.p) == {QUERIES // 2: 1, 2 * QUERIES + 3: 3}.get(t, 2)
    for a, b in zip(tree.leaves(results), tree.leaves((expected, whole.backward(whole_cache, dout))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)  # sums of a thousand numbers up to ten in other orders


@given(rng=generators, heads=st.integers(1, 3))
def test_positions_in_another_order_give_outputs_in_that_order(rng: np.random.Generator, heads: int) -> None:
    params, x, order = drawn(rng, 3, 2 * heads, 3), normal(rng, 2, 5, 3), rng.permutation(5)
    layer, dout = attention(heads), normal(rng, 2, 5, 3)
    (out, cache), (other, other_cache) = layer.forward(params, x), layer.forward(params, x[:, order])
    np.testing.assert_allclose(other, out[:, order], rtol=1e-10, atol=1e-11)
    dx, other_dx = layer.backward(cache, dout)[0], layer.backward(other_cache, dout[:, order])[0]
    np.testing.assert_allclose(other_dx, dx[:, order], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [1.0, 1e3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_row_with_nothing_to_attend_to_is_zero_and_gets_no_gradient(dtype: Floating, size: float) -> None:
    rng = np.random.default_rng(0)
    mask = np.array([[True, False, True], [False, False, False], [False, True, False]])
    x = (size * normal(rng, 3, 6)).astype(dtype)
    params = tree.map(lambda leaf: leaf.astype(dtype), plain(2))
    layer = attention(1, mask=mask)
    with np.errstate(all="raise"):
        out, cache = layer.forward(params, x)
        dx, _ = layer.backward(cache, np.ones_like(out))
    np.testing.assert_array_equal(out[1], 0)
    np.testing.assert_array_equal(cache.p[0][0, 1], 0)
    np.testing.assert_array_equal(out[2], x[1, 4:])  # one key alone has all the weight
    np.testing.assert_array_equal(dx[1, :2], 0)
    assert np.isfinite(dx).all()
    assert dx[0].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 39.0, 41.0, 1e4, 1e15])
@pytest.mark.parametrize("causal", [False, True])
def test_scores_of_any_size_give_weights_that_sum_to_one(size: float, causal: bool, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    x = normal(rng, 5, 3)
    x[:, 0] = size * np.array([1, -1, 0.5, -0.5, 1])
    x[:, 1] = np.array([1, -1, 0.25, -1, 1])
    params = tree.map(lambda leaf: leaf.astype(dtype), plain(1))
    with np.errstate(all="raise"):
        out, cache = attention(1, causal=causal).forward(params, x.astype(dtype))
    few_units = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(cache.p[0].sum(axis=-1), 1, rtol=few_units)
    may = np.tri(5, dtype=bool) if causal else np.ones((5, 5), bool)
    exact = by_hand(x.astype(dtype).astype(np.float64), plain(1), 1, may)
    # A score is exact here, or rounded once: its unit is that of its size, and beyond 1e4 the winner has all.
    np.testing.assert_allclose(out, exact, rtol=0, atol=few_units * max(1.0, min(size, 100.0)) * 2)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_infinity_and_nan_stay_in_their_sequence_and_are_silent(bad: float) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(rng, 3, 4, 3), normal(rng, 3, 4, 3)
    expected, _ = attention(2, causal=True).forward(params, x)
    x[1, 2, 0] = bad
    with np.errstate(all="raise"):
        out, cache = attention(2, causal=True).forward(params, x)
        dx, _ = attention(2, causal=True).backward(cache, np.ones_like(out))
    np.testing.assert_array_equal(out[[0, 2]], expected[[0, 2]])
    assert np.isnan(out[1, 2:]).all()  # and before it: 0 times nan is nan
    assert np.isfinite(dx[[0, 2]]).all()


@pytest.mark.parametrize("shape", [(1, 3), (5, 3), (1, 1, 3), (2, 3, 5, 3), (0, 4, 3), (2, 0, 3), (0, 0, 3)])
@pytest.mark.parametrize("causal", [False, True])
def test_any_axes_of_sequences(shape: tuple[int, ...], causal: bool) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(rng, 3, 4, 5), normal(rng, *shape)
    layer = attention(2, causal=causal, rotary=True)
    out, cache = layer.forward(params, x)
    dx, grads = layer.backward(cache, np.ones_like(out))
    assert out.shape == (*shape[:-1], 5)
    assert dx.shape == shape
    for at in np.ndindex(*shape[:-2]):
        np.testing.assert_allclose(out[at], layer.forward(params, x[at])[0], rtol=1e-12, atol=1e-13)
    for like, leaf in zip(tree.leaves(params), tree.leaves(grads), strict=True):
        assert like.shape == leaf.shape
        assert leaf.any() == bool(x.size)


def test_a_mask_for_each_sequence_is_that_of_its_place() -> None:
    rng = np.random.default_rng(0)
    params, x, mask = drawn(rng, 3, 4, 5), normal(rng, 2, 3, 4, 3), rng.random((2, 3, 4, 4)) < 0.6
    layer = attention(2, mask=mask)
    out, _ = layer.forward(params, x)
    assert layer.couples_rows
    for at in np.ndindex(2, 3):
        alone = attention(2, mask=mask[at])
        assert not alone.couples_rows
        np.testing.assert_allclose(out[at], alone.forward(params, x[at])[0], rtol=1e-12, atol=1e-13)


def test_a_mask_may_be_written_to_afterwards() -> None:
    params, x, mask = plain(1), normal(np.random.default_rng(0), 4, 3), np.tri(4, dtype=bool)
    layer = attention(1, mask=mask)
    mask[:] = True
    np.testing.assert_array_equal(layer.forward(params, x)[0], attention(1, causal=True).forward(params, x)[0])
    assert repr(layer) == "Layer(attention(heads=1, causal=False, mask=bool[4, 4], rotary=False))"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtypes_stay_and_layouts_do_not_matter(dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(rng, 3, 4, 2, dtype), normal(rng, 2, 5, 3, dtype=dtype)
    layer = attention(2, causal=True, rotary=True)
    out, cache = layer.forward(params, x)
    results = out, layer.backward(cache, out)
    assert {leaf.dtype for leaf in tree.leaves((results, cache))} == {np.dtype(dtype)}
    for each in layouts(x).values():
        other, other_cache = layer.forward(params, each)
        few_units = 64 * float(np.finfo(dtype).eps)
        for a, b in zip(tree.leaves((other, layer.backward(other_cache, out))), tree.leaves(results), strict=True):
            np.testing.assert_allclose(a, b, rtol=few_units, atol=few_units)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"heads": 3}, (2, 5, 6), "attention: 4 features do not divide into 3 heads"),
        ({"heads": 2}, (2, 5, 7), "attention: x has 7 features (2, 5, 7) but qkv.W takes 6 (6, 12)"),
        ({"heads": 2}, (6,), "attention: x must have an axis of positions and one of features, got shape (6,)"),
        (
            {"heads": 4, "rotary": True},
            (2, 5, 6),
            "attention: 4 features do not divide into 4 heads of pairs, which turn",
        ),
        (
            {"heads": 2, "mask": np.ones((4, 4), bool)},
            (2, 5, 6),
            "attention: x is (2, 5, 6), so mask must be (5, 5) or (2, 5, 5), got (4, 4)",
        ),
        (
            {"heads": 2, "mask": np.ones((3, 5, 5), bool)},
            (2, 5, 6),
            "attention: x is (2, 5, 6), so mask must be (5, 5) or (2, 5, 5), got (3, 5, 5)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options: Any, shape: tuple[int, ...], message: str) -> None:
    params = drawn(np.random.default_rng(0), 6, 4, 6)
    with pytest.raises(ValueError, match="attention") as raised:
        attention(**options).forward(params, np.ones(shape))
    assert str(raised.value) == message


@pytest.mark.parametrize("yes", [np.True_, np.array(True)])
def test_options_may_be_truth_values_of_numpy(yes: Any) -> None:
    assert repr(attention(2, causal=yes, rotary=yes)) == repr(attention(2, causal=True, rotary=True))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"heads": 0}, ValueError, "attention: heads must be >= 1, got 0"),
        ({"heads": 2.0}, TypeError, "attention: heads must be an integer, got float"),
        ({"heads": 1, "causal": 1}, TypeError, "attention: causal must be True or False, got int"),
        ({"heads": 1, "causal": np.array([True])}, TypeError, "attention: causal must be True or False, got bool[1]"),
        ({"heads": 1, "rotary": 500.0}, TypeError, "attention: rotary must be True or False, got float"),
        (
            {"heads": 1, "mask": np.ma.masked_array([[True]])},
            TypeError,
            "attention: mask must be a plain array, got MaskedArray: convert it first",
        ),
        (
            {"heads": 1, "mask": [[True]]},
            TypeError,
            "attention: mask must be an array of truth values, got list: convert it with np.asarray",
        ),
        (
            {"heads": 1, "mask": np.zeros((2, 2))},
            TypeError,
            "attention: mask must be an array of truth values, got f64[2, 2]",
        ),
        (
            {"heads": 1, "mask": np.ones((2, 3), bool)},
            ValueError,
            "attention: mask must be (t, t) or (..., t, t), got shape (2, 3)",
        ),
        (
            {"heads": 1, "mask": np.ones(3, bool)},
            ValueError,
            "attention: mask must be (t, t) or (..., t, t), got shape (3,)",
        ),
    ],
)
def test_bad_options_are_refused_where_the_layer_is_made(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        attention(**options)


def test_parameters_are_checked_and_drawn() -> None:
    two, four = Affine(np.ones((2, 6)), np.ones(6)), Affine(np.ones((4, 2)), np.ones(2))
    with pytest.raises(ValueError, match=r"^Attention: out\.W is \(4, 2\), so qkv\.W must be \(d, 12\), got \(2, 6\)$"):
        Attention(two, four)
    with pytest.raises(TypeError, match=r"^Attention: qkv must be Affine, got f64\[2, 6\]$"):
        Attention(untyped(two.W), four)
    with pytest.raises(TypeError, match=r"^Attention: out must be Affine, got a tuple of 2$"):
        Attention(two, untyped((two.W, two.b)))
    with pytest.raises(TypeError, match=r"^Attention: qkv\.W is f64\[2, 6\] but out\.W is f32\[2, 2\]: they must have"):
        Attention(two, Affine(np.ones((2, 2), np.float32), np.ones(2, np.float32)))
    with pytest.raises(ValueError, match=r"^Attention\.init: n_features must be >= 0, got -1$"):
        Attention.init(np.random.default_rng(0), -1)
    with pytest.raises(TypeError, match=r"^Affine\.init: give std or weights, not both$"):
        Attention.init(np.random.default_rng(0), 1, std=1.0, weights=he_normal)
    params = Attention.init(np.random.default_rng(0), 200, dtype=np.float64)
    assert not params.qkv.b.any()
    assert not params.out.b.any()
    for W in (params.qkv.W, params.out.W):
        assert float(W.std()) == pytest.approx(200**-0.5, rel=0.02)
    fans: list[tuple[int, int]] = []

    def weights(rng: Any, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
        fans.append((fan_in, fan_out))
        made: Array = np.ones(shape, dtype)
        return made

    assert Attention.init(np.random.default_rng(0), 4, weights=weights).qkv.W.dtype == np.float32
    assert fans == [(4, 12), (4, 4)]


@pytest.mark.parametrize(("masked", "sequences"), [("no", ()), ("one", ()), ("one", (3,)), ("each", (3,))])
def test_the_checker_calls_it_right_whatever_is_masked(masked: str, sequences: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(rng, 3, 4, 2), normal(rng, *sequences, 4, 3)
    mask = {"no": None, "one": rng.random((4, 4)) < 0.5, "each": rng.random((*sequences, 4, 4)) < 0.5}[masked]
    report = check_layer(attention(2, True, mask, True), params, x, rng=rng)
    assert report.ok, str(report)
    assert not report.undecided


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "array_api_strict"])
def test_masks_of_other_libraries(library: str) -> None:
    pytest.importorskip(library.partition(".")[0])
    xp: Any = import_module(library)
    put = xp.tensor if library == "torch" else xp.asarray
    rng = np.random.default_rng(0)
    mask = rng.random((2, 3, 3)) < 0.5
    mask[1, 1] = False
    x, params = normal(rng, 2, 3, 3, dtype=np.float32), drawn(rng, 3, 4, 2, np.float32)
    out, cache = attention(2, True, mask).forward(params, x)
    dx, grads = attention(2, True, mask).backward(cache, out)
    there = tree.map(lambda leaf: put(np.array(leaf)), params)
    layer = attention(2, True, put(mask))
    theirs, their_cache = layer.forward(there, put(x))
    results = theirs, layer.backward(their_cache, theirs)
    for a, b in zip(tree.leaves(results), tree.leaves((out, (dx, grads))), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-5, atol=1e-5)
    with pytest.raises(TypeError, match=r"^attention: x is an array of numpy but mask is of \w+: convert one of them$"):
        layer.forward(params, x)
