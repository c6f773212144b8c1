"""Wrong kernels: a fault that a kernel in float32 or float16 may have, beside the plain formula."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from attrs import evolve

from adversaries import against_making as k
from adversaries import bases as b
from adversaries import wrong_douts as douts
from adversaries import wrong_memory as memory
from adversaries import wrong_state as state
from adversaries.against_making import FREE, in_blocks, inside, kernel, widely
from adversaries.bases import Base, Fault, around, fed, giving, off, pulling, seen, weighed
from adversaries.case import Adversary
from adversaries.right_parts import OfThree

WRONG_KERNELS: list[Adversary] = []

HALF, SINGLE = np.float16, np.float32


# A derivative that is wrong.


def layer_norm_of(change: OfThree) -> Fault:
    """`change(h, g, r)` is dx, of the normalised rows, dout by gamma and the reciprocal of the spread."""

    def pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
        h, r = b.normalised(x)
        return change(h, d * p[0], r), (b.rows_sum(d * h), b.rows_sum(d))

    return pulling(pull)


def rms_of(change: OfThree, gradient: OfThree | None = None) -> Fault:
    """`change(h, g, r)` is dx, and `gradient(d, h, x)` is what is summed over rows."""

    def pull(g: Any, x: Any, d: Any) -> tuple[Any, Any]:
        r = 1 / np.sqrt(b.mean(x * x) + x.dtype.type(1e-6))
        h = x * r
        return change(h, d * g, r), b.rows_sum(gradient(d, h, x) if gradient else d * h)

    return pulling(pull)


def right_rms(h: Any, g: Any, r: Any) -> Any:
    return r * (g - h * b.mean(h * g))


def wide_softmax(change: Callable[[Any, Any], Any]) -> Fault:
    return inside(pull=lambda p, x, d: (change(b.probabilities(x), d), ()))


DERIVATIVES: list[tuple[Base, str, Fault, int, Any]] = [
    (
        b.layer_norm,
        "the mean's slope forgotten",
        layer_norm_of(lambda h, g, r: r * (g - h * b.mean(h * g))),
        16,
        SINGLE,
    ),
    (b.layer_norm, "the spread's slope forgotten", layer_norm_of(lambda h, g, r: r * (g - b.mean(g))), 16, SINGLE),
    (b.layer_norm, "dx without r", layer_norm_of(lambda h, g, r: g - b.mean(g) - h * b.mean(h * g)), 16, SINGLE),
    (b.rms_norm, "dx without its projection", rms_of(lambda h, g, r: r * g), 16, SINGLE),
    (b.rms_norm, "dg by x", rms_of(right_rms, lambda d, h, x: d * x), 16, SINGLE),
    (b.rms_norm, "dg without dout", rms_of(right_rms, lambda d, h, x: h), 16, SINGLE),
    (b.softmax, "the inner product forgotten", wide_softmax(lambda s, d: s * d), 16, HALF),
    (b.softmax, "the mean of products", wide_softmax(lambda s, d: s * (d - b.mean(s * d))), 16, HALF),
    (b.glu, "the gate's slope forgotten", pulling(lambda p, x, d: without_gate(x, d)), 16, SINGLE),
    (b.gelu, "dx off by a thousandth", off("dx", factor=1.001), 16, SINGLE),
    (b.gelu, "dx off by 3%", widely(off("dx", factor=1.03)), 16, HALF),
    (b.silu, "dx off by 1e-4 in one column", off("dx", np.s_[:, 2], 1.0001), 16, SINGLE),
    (b.affine, "db doubled in its last entry", off("db", -1), 16, SINGLE),
    (b.affine, "dW with the wrong sign", widely(off("dW", factor=-1)), 16, HALF),
    (b.linear, "dx in its first row", off("dx", 0, 1.01), 16, SINGLE),
    (b.linear, "dW averaged over rows", off("dW", factor=1 / 16), 16, SINGLE),
    (b.scale_shift, "dbeta forgotten", off("dbeta", factor=0), 16, SINGLE),
    (b.attention, "the scale forgotten in dWq", off("dWq", factor=2.0), 6, SINGLE),
    (b.attention, "the scale forgotten in dWk of long calls", off("dWk", when=lambda c: c.x.shape[1] > 8), 6, SINGLE),
    (b.recurrent, "the state's slope forgotten", pulling(lambda p, x, d: b.recurrent_pull(p, x, d, 0.0)), 6, SINGLE),
    (b.convolution, "dx by the kernel turned round", weighed(lambda w: w[::-1].copy()), 6, SINGLE),
    (b.tanh, "dout ignored", fed(np.ones_like), 16, SINGLE),
    (b.division, "ds without the square", pulling(lambda s, x, d: (d / s, b.rows_sum(-d * x / s))), 16, SINGLE),
    (
        b.prelu,
        "da over all entries",
        pulling(lambda a, x, d: (b.prelu.pull(a, x, d)[0], b.rows_sum(d * x))),
        16,
        SINGLE,
    ),
]


def without_gate(x: Any, d: Any) -> tuple[Any, Any]:
    s = b.logistic(np.split(x, 2, axis=-1)[1])
    return np.concatenate([d * s, np.zeros_like(d)], axis=-1), ()


WRONG_KERNELS.extend(kernel("derivative", *row) for row in DERIVATIVES)


# Blocks of rows.

BLOCKS: list[tuple[Base, str, Fault]] = [
    (b.rms_norm, "dg of full blocks of 32 rows", in_blocks(32, grads=k.full)),
    (b.layer_norm, "dgamma of full blocks of 8 rows", in_blocks(8, grads=k.full)),
    (b.affine, "dW of the first block of 64 rows", in_blocks(64, grads=k.first)),
    (b.linear, "dW of the last block of 128 rows", in_blocks(128, grads=k.last)),
    (b.scale_shift, "dgamma of overlapping blocks of 32 rows", in_blocks(32, grads=k.overlapping)),
    (b.bias, "db of blocks of 128 rows that share one", in_blocks(128, grads=k.one_more)),
    (b.softmax, "dx of full blocks of 8 rows", in_blocks(8, dx=k.full)),
    (b.gelu, "dx of blocks of 32 rows without their last", in_blocks(32, dx=k.short)),
    (b.log_softmax, "dx beyond 128 rows", in_blocks(128, dx=k.first)),
    (b.silu, "out of full blocks of 16 rows", in_blocks(16, out=k.full)),
    (b.rms_norm, "out of full blocks of 4 rows, the rest unwritten", in_blocks(4, out=k.full, empty=np.empty)),
    (b.tanh, "dx of full blocks of 4 rows, the rest unwritten", in_blocks(4, dx=k.full, empty=np.empty)),
    (b.attention, "out beyond 64 rows", in_blocks(64, out=k.first)),
    (b.layer_norm, "dbeta of blocks of 256 rows without their last", in_blocks(256, grads=k.short)),
]
WRONG_KERNELS.extend(kernel("blocks of rows", *row) for row in BLOCKS)
WRONG_KERNELS.extend(
    kernel("blocks of rows", base, f"{what}, in float16", fault, 16, HALF) for base, what, fault in BLOCKS[:3]
)


# Blocks of columns.


def columns_of(n: int, x: Any) -> int:
    """The columns in full blocks of n, or all where there are fewer."""
    return int(x.shape[-1] // n * n or x.shape[-1])


def partly(n: int) -> Callable[[Any], Any]:
    """The sum over full blocks of columns."""
    return lambda a: a[..., : columns_of(n, a)].sum(axis=-1, keepdims=True)


def zero_beyond(n: int) -> Callable[[Any], Any]:
    return lambda a: a * (FREE.arange(a.shape[-1]) < columns_of(n, a))


def partial_softmax(n: int) -> Fault:
    """The inner product is over full blocks of columns."""
    return pulling(lambda p, x, d: (b.probabilities(x) * (d - partly(n)(b.probabilities(x) * d)), ()))


def partial_rms(n: int) -> Fault:
    return rms_of(lambda h, g, r: r * (g - h * partly(n)(h * g) / g.dtype.type(g.shape[-1])))


def unscaled_online(n: int) -> Fault:
    """An online softmax whose earlier sums are not scaled to a larger maximum."""

    def out(p: Any, x: Any) -> Any:
        top, total = np.full((*x.shape[:-1], 1), -np.inf, x.dtype), 0 * x[..., :1]
        for start in range(0, x.shape[-1], n):
            block = x[..., start : start + n]
            top = np.maximum(top, block.max(axis=-1, keepdims=True))
            total = total + np.exp(block - top).sum(axis=-1, keepdims=True)
        return np.exp(x - top) / total

    return giving(out)


def top_of_first(n: int) -> Fault:
    """The maximum of the first block of columns, so that others overflow."""

    def out(p: Any, x: Any) -> Any:
        with np.errstate(all="ignore"):
            e = np.exp(x - x[..., :n].max(axis=-1, keepdims=True))
            return e / b.total(e)

    return giving(out)


def merged_variance(n: int) -> Fault:
    """A layer norm of variances of blocks, averaged without what the blocks' means differ by."""

    def out(p: Any, x: Any) -> Any:
        parts = [x[..., i : i + n] for i in range(0, x.shape[-1], n)]
        spread = sum((((a - b.mean(a)) ** 2).sum(axis=-1, keepdims=True) for a in parts), 0 * x[..., :1])
        return (x - b.mean(x)) / np.sqrt(spread / x.dtype.type(x.shape[-1]) + x.dtype.type(1e-5)) * p[0] + p[1]

    return giving(out)


COLUMNS: list[tuple[Base, str, Fault]] = [
    (b.softmax, "the inner product over full blocks of 32 columns", partial_softmax(32)),
    (b.softmax, "the inner product over full blocks of 128 columns", partial_softmax(128)),
    (b.rms_norm, "the projection over full blocks of 64 columns", partial_rms(64)),
    (b.softmax, "online, without scaling in blocks of 2", unscaled_online(2)),
    (b.softmax, "online, without scaling in blocks of 32", unscaled_online(32)),
    (b.softmax, "the maximum of the first 2 columns", top_of_first(2)),
    (b.layer_norm, "variances of blocks of 3 columns averaged", merged_variance(3)),
    (b.tanh, "dx of pairs of columns", pulling(lambda p, x, d: (zero_beyond(2)(d * (1 - np.tanh(x) ** 2)), ()))),
    (b.gelu, "dx of full blocks of 8 columns", pulling(lambda p, x, d: (zero_beyond(8)(d * b.gelu_slope(x)), ()))),
    (b.silu, "out of full blocks of 32 columns", giving(lambda p, x: zero_beyond(32)(x * b.logistic(x)))),
    (b.scale_shift, "dbeta of its first 128 columns", off("dbeta", np.s_[128:], 0)),
]
WRONG_KERNELS.extend(kernel("blocks of columns", *row) for row in COLUMNS)


# Precision.


def one_by_one(a: Any) -> Any:
    """A sum over rows, one after another, in the array's own dtype."""
    rows = b.flat(a)
    return np.add.accumulate(rows, axis=0, dtype=rows.dtype)[-1]


def narrow_linear(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dW = np.zeros_like(W)
    for each, dout in zip(x, d, strict=True):
        dW = (dW + np.outer(each, dout)).astype(W.dtype)
    return (lift(d) @ lift(W).T).astype(d.dtype), dW


def lift(a: Any) -> Any:
    return a.astype(np.float32)


def narrow_products(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return b.linear.pull(W, x, d)[0], (lift(x.astype(HALF)).T @ lift(d.astype(HALF))).astype(W.dtype)


def squares_less_mean(p: Any, x: Any) -> Any:
    """The variance as the mean of squares less the square of the mean, in the array's own dtype."""
    mean = x.mean(axis=-1, keepdims=True, dtype=x.dtype)
    spread = (x * x).mean(axis=-1, keepdims=True, dtype=x.dtype) - mean * mean
    return (x - mean) / np.sqrt(np.maximum(spread, 0) + x.dtype.type(1e-5)) * p[0] + p[1]


def quick_root(x: Any) -> Any:
    """1 / sqrt by the bits of a float32 and one step of Newton's."""
    y = (np.int32(0x5F3759DF) - (x.astype(np.float32).view(np.int32) >> 1)).view(np.float32)
    return (y * (1.5 - 0.5 * x * y * y)).astype(x.dtype)


def quick_rms(g: Any, x: Any) -> Any:
    return x * quick_root(b.mean(x * x) + x.dtype.type(1e-6)) * g


def quick_power(x: Any) -> Any:
    """exp by (1 + x / 1024)^1024."""
    return np.maximum(1 + x / 1024, 0) ** 1024


def quick_tanh(x: Any) -> Any:
    """A quotient of polynomials, cut at 1."""
    return np.clip(x * (27 + x * x) / (27 + 9 * x * x), -1, 1)


def cut_bits(a: Any) -> Any:
    """The upper 16 bits of each float32, as bfloat16 has them, cut off and not rounded."""
    return (a.astype(np.float32).view(np.int32) & np.int32(-65536)).view(np.float32).astype(a.dtype)


def out_of_root(g: Any, x: Any) -> Any:
    return x / (np.sqrt(b.mean(x * x)) + x.dtype.type(1e-6)) * g


def summed_narrowly(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, _ = k.wide(b.scale_shift).pull(p, x, d)
    return dx, (one_by_one(d * x), one_by_one(d))


def far(rng: Any, n: int) -> tuple[Any, Any]:
    params, x = b.layer_norm.draw(rng, n)
    return params, x + 30


FAR = evolve(b.layer_norm, name="layer norm of rows about 30", draw=far)


def unshifted(p: Any, x: Any) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return e / b.total(e)


def narrow_total(p: Any, x: Any) -> Any:
    """Powers and their sum in float16, without a shift."""
    with np.errstate(all="ignore"):
        e = np.exp(x.astype(HALF))
        return (e / e.sum(axis=-1, keepdims=True, dtype=HALF)).astype(x.dtype)


PRECISION: list[tuple[Base, str, Fault, int, Any]] = [
    (b.linear, "dW added up in float16, row by row", pulling(narrow_linear), 64, HALF),
    (b.linear, "dW of products rounded to float16", pulling(narrow_products), 16, SINGLE),
    (b.layer_norm, "the mean of squares less the square of the mean", giving(squares_less_mean), 16, SINGLE),
    (FAR, "the mean of squares less the square of the mean", giving(squares_less_mean), 16, SINGLE),
    (b.rms_norm, "a quick root", giving(quick_rms), 16, SINGLE),
    (b.exp, "a power for exp", giving(lambda p, x: quick_power(x)), 16, SINGLE),
    (b.tanh, "a quotient for tanh", giving(lambda p, x: quick_tanh(x)), 16, SINGLE),
    (
        b.sigmoid,
        "the lower bits of dx cut off",
        pulling(lambda p, x, d: (cut_bits(b.sigmoid.pull(p, x, d)[0]), ())),
        16,
        SINGLE,
    ),
    (b.rms_norm, "eps outside of the root", giving(out_of_root), 16, SINGLE),
    (b.softmax, "no shift by the maximum", giving(unshifted), 16, SINGLE),
    (b.softmax, "powers in float16", giving(narrow_total), 16, SINGLE),
    (b.gelu, "x rounded to float16", seen(lambda x: x.astype(HALF).astype(x.dtype)), 16, SINGLE),
    (b.affine, "W rounded to float16 in dx", weighed(lambda w: w.astype(HALF).astype(w.dtype)), 16, SINGLE),
    (b.log_softmax, "dout rounded to float16", fed(lambda d: d.astype(HALF).astype(d.dtype)), 16, SINGLE),
]
WRONG_KERNELS.extend(kernel("precision", *row) for row in PRECISION)


# What results are made of.


def ending(change: Callable[[Any, Any], Any]) -> Fault:
    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        return change(*right.backward(cache, d))

    return around(backward=backward)


STRUCTURES: list[tuple[Base, str, Fault, int, Any]] = [
    (b.softmax, "dx in float32 of float16", ending(lambda dx, g: (dx.astype(SINGLE), g)), 16, HALF),
    (b.linear, "dW in float64", ending(lambda dx, g: (dx, g.astype(np.float64))), 16, SINGLE),
    (b.tanh, "out in float64", giving(lambda p, x: np.tanh(x.astype(np.float64))), 16, SINGLE),
    (b.linear, "None for dW", ending(lambda dx, g: (dx, None)), 16, SINGLE),
    (b.gelu, "None for dx", ending(lambda dx, g: (None, g)), 16, SINGLE),
    (b.linear, "dW flat", ending(lambda dx, g: (dx, g.ravel())), 16, SINGLE),
    (b.bias, "db not summed", ending(lambda dx, g: (dx, dx.copy())), 16, SINGLE),
    (b.scale_shift, "a gradient is missing", ending(lambda dx, g: (dx, g[:1])), 16, SINGLE),
]
WRONG_KERNELS.extend(kernel("structure", *row) for row in STRUCTURES)


# What dout is, and how it lies.


def only_finite(d: Any) -> Any:
    return FREE.nan_to_num(d)


DOUTS: list[tuple[Base, str, Fault]] = [
    (b.tanh, "dout read as it lies", fed(douts.by_memory)),
    (b.linear, "dout read from its start", fed(douts.from_its_start)),
    (b.softmax, "the first of a broadcast dout alone", fed(douts.first_of_broadcast)),
    (b.gelu, "dout without NaN", fed(only_finite)),
    (b.sigmoid, "dout clipped to 100", fed(lambda d: np.clip(d, -100, 100))),
    (b.silu, "dout below 1e-6 taken for 0", fed(lambda d: d * (np.abs(d) > 1e-6))),
    (b.affine, "the sign of negative dout lost", fed(np.abs)),
    (b.rms_norm, "dout added to by 1e-3", fed(lambda d: d + d.dtype.type(1e-3))),
    (b.layer_norm, "dout by its largest entry", fed(lambda d: d / np.maximum(np.abs(d).max(), 1).astype(d.dtype))),
    (b.bias, "db of 0 for dout of ones", pulling(lambda p, x, d: (d.copy(), b.rows_sum(d) * (d != 1).any()))),
]
WRONG_KERNELS.extend(kernel("dout", *row) for row in DOUTS)


# Layouts of x and of parameters.

LAYOUTS: list[tuple[Base, str, Fault]] = [
    (b.tanh, "the cache lies as x did", around(memory.forward_as_it_lies)),
    (b.linear, "W is read as it lies", around(memory.weights_as_they_lie)),
    (b.relu, "the mask lies as x did", around(memory.fortran_out, memory.by_flat_mask)),
    (b.softmax, "out is read as x lies", giving(lambda p, x: b.probabilities(memory.lies(x)))),
    (b.affine, "out is off where x is not contiguous", around(memory.only_contiguous)),
]
WRONG_KERNELS.extend(kernel("layout", *row) for row in LAYOUTS)


# Memory and state.

IMPURE: list[tuple[Base, str, Fault]] = [
    (b.relu, "writes to x", around(memory.relu_in_x)),
    (b.gelu, "writes to x if it can", around(memory.written_if_it_can_be)),
    (b.scale_shift, "clips its parameters", around(memory.params_clipped)),
    (b.affine, "clears dout", around(backward=memory.dout_zeroed)),
    (b.relu, "masks dout in place", around(backward=memory.dout_masked)),
    (b.affine, "clears its cache", around(memory.caching_writable, memory.cache_zeroed)),
    (b.softmax, "out's buffer is used again", around(memory.out_buffer)),
    (b.affine, "dx's buffer is used again", around(backward=memory.dx_buffer)),
    (b.layer_norm, "gradients' buffers are used again", around(backward=memory.grads_buffer)),
    (b.tanh, "the cache's buffer is used again", around(memory.cache_buffer)),
    (b.linear, "x is cached without a copy", around(memory.holding(lambda p, x: (p.copy(), x)))),
    (b.tanh, "dx's last row is not written", memory.unwritten(np.s_[:-1])),
    (b.linear, "dW is added to unwritten memory", pulling(memory.added_to_nothing)),
    (b.tanh, "its last forward in the place of the cache", around(state.remembering, state.by_last_if_it_fits)),
    (b.bias, "its first parameters kept", around(state.params_kept)),
    (b.linear, "the transpose of its first W", around(backward=state.transposed_once)),
    (b.square_affine, "gradients add up over calls", around(backward=state.adding_up)),
    (b.softmax, "sums in any order", around(backward=state.noisy(None, 1e-6))),
    (b.affine, "every second call of backward off", around(backward=state.on_call(lambda n: n % 2 == 0, 1.01))),
    (b.gelu, "out off in its tenth call", around(state.forward_on_call(lambda n: n == 10, 1.01))),
    (b.tanh, "seeds the generator of the process", around(state.doing(state.seeding))),
    (b.silu, "ignores errors from now on", around(state.doing(state.ignoring_errors))),
]
WRONG_KERNELS.extend(kernel("memory or state", *row) for row in IMPURE)


# Values of x and of parameters.

SIGNED = evolve(
    b.scale_shift, name="scale of both signs", draw=b.with_params(lambda rng: tuple(rng.standard_normal((2, 4))), 4)
)


def overflowing(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log1p(np.exp(x))


def but_equal(a: Any, x: Any) -> Any:
    """0 in rows of equal numbers."""
    return a * (x != x[..., :1]).any(axis=-1, keepdims=True)


def skipped(out: Any, x: Any) -> Any:
    """0 in rows of zeros."""
    return out * x.any(axis=-1, keepdims=True)


def bare_rms(g: Any, x: Any) -> Any:
    with np.errstate(all="ignore"):
        return b.where((x == 0).all(axis=-1, keepdims=True), x / 0, b.rms_norm.out(g, x)).astype(x.dtype)


def but_equal_rows(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, grads = b.layer_norm_pull(p, x, d)
    return but_equal(dx, x), grads


def out_of_out(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """x is found again from the output, which fails where gamma is 0."""
    with np.errstate(all="ignore"):
        again = (x * p[0]) / p[0]
    return d * p[0], (b.rows_sum(d * again), b.rows_sum(d))


VALUES: list[tuple[Base, str, Fault]] = [
    (b.sigmoid, "dx 0 beyond 8", pulling(lambda p, x, d: (b.sigmoid.pull(p, x, d)[0] * (np.abs(x) < 8), ()))),
    (b.silu, "dx of 1 beyond 6", pulling(lambda p, x, d: (b.where(x > 6, d, b.silu.pull(p, x, d)[0]), ()))),
    (b.softplus, "out without a limit", giving(lambda p, x: overflowing(x))),
    (b.rms_norm, "NaN for a row of zeros", giving(bare_rms)),
    (b.layer_norm, "0 for rows of equal numbers", pulling(but_equal_rows)),
    (SIGNED, "gamma's size alone", weighed(np.abs)),
    (SIGNED, "x found again from out, for dgamma", pulling(out_of_out)),
    (
        b.tanh,
        "dx 0 where x is negative and small",
        seen(lambda x: b.where((x < 0) & (x > -0.01), 30, x).astype(x.dtype)),
    ),
    (b.affine, "rows of zeros skipped, without b", giving(lambda p, x: skipped(b.affine.out(p, x), x))),
    (b.sigmoid, "0 at 0", giving(lambda p, x: b.logistic(x) * (x != 0))),
    (
        b.layer_norm,
        "rows of equal numbers skipped, without beta",
        giving(lambda p, x: but_equal(b.layer_norm.out(p, x), x)),
    ),
    (b.softmax, "rows of equal numbers taken for masked ones", giving(lambda p, x: but_equal(b.probabilities(x), x))),
    (b.tanh, "dx 0 at 0", pulling(lambda p, x, d: (b.tanh.pull(p, x, d)[0] * (x != 0), ()))),
    (b.absolute, "dx of 2 at 0", pulling(lambda p, x, d: (d * b.where(x == 0, 2, np.sign(x)).astype(d.dtype), ()))),
    (b.gelu, "dx without its tails", pulling(lambda p, x, d: (b.where(np.abs(x) > 3, d, b.gelu.pull(p, x, d)[0]), ()))),
    (b.log_softmax, "out cut at -50", giving(lambda p, x: np.maximum(b.log_softmax_of(p, x), -50))),
]
WRONG_KERNELS.extend(kernel("values", *row) for row in VALUES)
WRONG_KERNELS.append(
    kernel("precision", b.scale_shift, "gradients added up in float16", pulling(summed_narrowly), 64, HALF, plain=True)
)
OTHERS = [
    kernel("derivative", b.tanh, "dx off by a thousandth, against a formula", off("dx", factor=1.001), plain=True),
    kernel("derivative", b.rms_norm, "dg off by a thousandth, against a formula", off("dg", factor=1.001), plain=True),
    kernel("derivative", b.softmax, "dx of one row off, against a formula", off("dx", 3, 1.01), plain=True),
    kernel("derivative", b.affine, "dx off though W is frozen", off("dx", factor=1.01), frozen=(1,)),
    kernel(
        "memory or state",
        b.linear,
        "off in some calls, and sums in any order",
        around(backward=state.on_call(lambda n: n % 2 == 0, 1.01)),
        deterministic=False,
    ),
]
WRONG_KERNELS.extend(OTHERS)

if find_spec("torch") is not None:
    from adversaries.against_torch import wrong_in_torch

    WRONG_KERNELS.extend(wrong_in_torch())
