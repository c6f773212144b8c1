"""Layers that are right as functions, and wrong in what they do to memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, Step, altered, around, giving, pulling, wrong
from adversaries.case import Adversary
from chainrule import Layer, own, tree

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

# Arguments that are written to.


def relu_in_x(right: Any, kept: Any, p: Any, x: Any) -> Any:
    x[x < 0] = 0
    return right.forward(p, x)


def x_clipped(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out_cache = right.forward(p, x)
    np.clip(x, -3, 3, out=x)
    return out_cache


def x_centred_and_put_back(right: Any, kept: Any, p: Any, x: Any) -> Any:
    saved = x.copy()
    x -= x.mean()
    x[...] = saved
    return right.forward(p, x)


def last_row_padded(right: Any, kept: Any, p: Any, x: Any) -> Any:
    saved = x[-1].copy()
    x[-1] = 0
    x[-1] = saved
    return right.forward(p, x)


def written_if_it_can_be(right: Any, kept: Any, p: Any, x: Any) -> Any:
    results = right.forward(p, x)
    if x.flags.writeable:
        x[0] = 0
    return results


def written_if_large(right: Any, kept: Any, p: Any, x: Any) -> Any:
    results = right.forward(p, x)
    if len(x) > 64 and x.flags.writeable:
        x *= 2
    return results


def signs_of_zeros(right: Any, kept: Any, p: Any, x: Any) -> Any:
    x += 0.0
    return right.forward(p, x)


def params_clipped(right: Any, kept: Any, p: Any, x: Any) -> Any:
    for leaf in tree.leaves(p):
        np.clip(leaf, -1, 1, out=leaf)
    return right.forward(p, x)


def params_shifted_and_put_back(right: Any, kept: Any, p: Any, x: Any) -> Any:
    for leaf in tree.leaves(p):
        np.multiply(leaf, 2, out=leaf)
        np.divide(leaf, 2, out=leaf)
    return right.forward(p, x)


def spectral(right: Any, kept: Any, W: Any, x: Any) -> Any:
    results = right.forward(W, x)
    if W.flags.writeable:
        np.divide(W, FREE.linalg.norm(W), out=W)
    return results


def caching_writable(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return right.forward(p, x)[0], [tree.map(np.copy, p), x.copy()]


def dout_zeroed(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.backward(cache, d)
    if d.flags.writeable:
        d[...] = 0
    return results


def dout_scaled_and_put_back(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    d *= 2
    results = right.backward(cache, d / 2)
    d /= 2
    return results


def dout_masked(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    d[cache[1] <= 0] = 0
    return d.copy(), ()


def dout_of_one_row(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.backward(cache, d)
    if len(d) == 1 and d.flags.writeable:
        d += 1
    return results


def cache_zeroed(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.backward(cache, d)
    cache[1][...] = 0
    return results


def cache_scaled(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.backward(cache, d)
    cache[1] *= 1 + 1e-6
    return results


def cache_emptied(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    params, x = cache.pop(0), cache.pop(0)
    return right.backward((params, x), d)


def cache_squared_and_put_back(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    saved = cache[1].copy()
    cache[1][...] = cache[1] ** 2
    cache[1][...] = saved
    return right.backward(cache, d)


def cache_replaced(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.backward(cache, d)
    cache[1] = np.tanh(cache[1])
    return results


def grads_zero_dout(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    results = right.grads(cache, d)
    if d.flags.writeable:
        d[...] = 0
    return results


# Results that share memory.


def out_is_x(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return x, own((p, x))


def out_is_a_view(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return x[:, ::-1], own((p, x))


def out_is_x_where_positive(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return (x if (x >= 0).all() else np.maximum(x, 0)), own((p, x))


def out_is_cached(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out = np.tanh(x)
    return out, (p, out)


def by_tanh(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return d * (1 - cache[1] ** 2), ()


def exp_cached(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out = np.exp(x)
    return out, out


def by_exp(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return d * cache, ()


def dx_is_dout(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return d, right.grads(cache, d)


def dx_is_a_view_of_dout(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return d[:, ::-1], ()


def dx_is_dout_if_all_pass(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    passes = cache[1] > 0
    return (d if passes.all() else b.where(passes, d, 0)), ()


def dx_written_to_the_cache(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    cache.append(dx)
    return dx, grads


def two_biases(same: bool) -> Layer[Any, Any]:
    def forward(p: Any, x: Any) -> tuple[Any, Any]:
        return x + p[0] + p[1], ()

    def backward(cache: Any, d: Any) -> tuple[Any, Any]:
        db = d.sum(axis=0)
        return d.copy(), (db, db if same else db[:])

    return Layer(forward, backward)


def db_is_a_row_of_dx(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    n = len(d)
    whole = np.empty((n + 1, d.shape[1]), d.dtype)
    whole[:n], whole[n] = d, d.sum(axis=0)
    return whole[:n], whole[n if n > 1 else 0]


def grads_are_params(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    target = kept[-1]
    target[...] = grads
    return dx, target


def keeping_params(right: Any, kept: Any, W: Any, x: Any) -> Any:
    kept.append(np.zeros_like(W))
    return right.forward(W, x)


# Buffers that are used again.


def like(kept: list[Any], value: Any, place: int = 0) -> Any:
    """A buffer of the shape and dtype of a value, made once for each place, with the value in it."""
    for at, buffer in kept:
        if at == place and buffer.shape == value.shape and buffer.dtype == value.dtype:
            buffer[...] = value
            return buffer
    kept.append((place, value.copy()))
    return kept[-1][1]


def out_buffer(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out, cache = right.forward(p, x)
    return like(kept, out), cache


def cache_buffer(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return right.forward(p, x)[0], (p, like(kept, x))


def mask_buffer(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return np.maximum(x, 0), like(kept, x > 0)


def by_mask(right: Any, kept: Any, mask: Any, d: Any) -> Any:
    return b.where(mask, d, 0), ()


def dx_buffer(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    return like(kept, dx), grads


def grads_buffer(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    if hasattr(grads, "dtype"):
        return dx, like(kept, grads)
    return dx, tuple(like(kept, each, place) for place, each in enumerate(grads))


def one_growing_buffer(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """A buffer for the largest batch so far, of which smaller ones get a view."""
    dx, grads = right.backward(cache, d)
    if not kept or len(kept[0]) < len(dx) or kept[0].dtype != dx.dtype or kept[0].shape[1:] != dx.shape[1:]:
        kept[:] = [np.empty_like(dx)]
    view = kept[0][: len(dx)]
    view[...] = dx
    return view, grads


# Caches that hold what is the caller's.


def holding(hold: Callable[[Any, Any], Any]) -> Step:
    def forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
        return right.forward(p, x)[0], hold(p, x)

    return forward


def half_held(p: Any, x: Any) -> Any:
    return p, x[: len(x) // 2], x[len(x) // 2 :].copy()


def joined(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward((cache[0], np.concatenate(cache[1:])), d)


def transposed(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward((cache[0], cache[1].T), d)


def reshaped(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward((cache[0], cache[1].reshape(len(d), -1)), d)


def borrowed(p: Any, x: Any) -> Any:
    view = x.view()
    view.flags.writeable = False
    return p, view


def called(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward(cache(), d)


def contiguous_held(p: Any, x: Any) -> Any:
    return p, np.ascontiguousarray(x)


# Memory that is not written.


def unwritten(rows: Any, name: str = "dx") -> Fault:
    def fault(base: Base) -> Any:
        place = base.place(name)

        def change(call: Call) -> None:
            result = call.results[place]
            made = np.empty_like(result)
            at = rows(call) if callable(rows) else rows
            made[at] = result[at]
            call.results[place] = made

        return altered(change)(base)

    return fault


def whole_eights(call: Call) -> Any:
    return np.s_[: len(call.x) // 8 * 8]


def masked_product(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return np.multiply(d, 1, out=np.empty_like(d, order="C"), where=x > 0), ()


def added_to_nothing(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dW = np.empty_like(W)
    dW += x.T @ d
    return d @ W.T, dW


def unwritten_out(p: Any, x: Any) -> Any:
    out = np.empty_like(x)
    np.tanh(x[: len(x) // 8 * 8], out=out[: len(x) // 8 * 8])
    return out


def resized(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """Padding to a whole block: the pad is left as it was found, and summed."""
    padded = np.empty((-(-len(d) // 8) * 8, d.shape[1]), d.dtype)
    padded[: len(d)] = d
    return d.copy(), padded.sum(axis=0)


def lies(a: Any) -> Any:
    return a.ravel(order="K").reshape(a.shape)


def forward_as_it_lies(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return np.tanh(x), (p, lies(x).copy())


def weights_as_they_lie(right: Any, kept: Any, W: Any, x: Any) -> Any:
    return right.forward(lies(W), x)


def fortran_out(right: Any, kept: Any, p: Any, x: Any) -> Any:
    """An output in the order of x's memory, and a mask in the order of rows."""
    return np.maximum(x, 0), (x > 0).ravel(order="K").copy()


def by_flat_mask(right: Any, kept: Any, mask: Any, d: Any) -> Any:
    return b.where(mask.reshape(d.shape), d, 0), ()


def only_contiguous(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out, cache = right.forward(p, x)
    return (out if x.flags.c_contiguous else out * (1 + 1e-6)), cache


ROWS: list[tuple[Base, str, Fault]] = [
    (b.relu, "writes to x", around(relu_in_x)),
    (b.affine, "clips x after use", around(x_clipped)),
    (b.layer_norm, "centres x in place and puts it back", around(x_centred_and_put_back)),
    (b.affine, "clears x's last row and puts it back", around(last_row_padded)),
    (b.gelu, "writes to x if it can", around(written_if_it_can_be)),
    (b.tanh, "writes to x beyond 64 rows", around(written_if_large)),
    (b.tanh, "adds 0 to x in place", around(signs_of_zeros)),
    (b.scale_shift, "clips its parameters", around(params_clipped)),
    (b.linear, "doubles and halves W", around(params_shifted_and_put_back)),
    (b.scale_shift, "doubles and halves gamma", around(params_shifted_and_put_back)),
    (b.square_affine, "reads x's memory as it lies", around(holding(lambda p, x: (p, own(lies(x)))))),
    (b.linear, "normalises W after use", around(spectral)),
    (b.affine, "clears dout", around(backward=dout_zeroed)),
    (b.softmax, "clears dout", around(backward=dout_zeroed)),
    (b.affine, "doubles and halves dout", around(backward=dout_scaled_and_put_back)),
    (b.relu, "masks dout in place", around(backward=dout_masked)),
    (b.tanh, "writes to dout of one row", around(backward=dout_of_one_row)),
    (b.linear, "grads() clears dout", around(grads=grads_zero_dout)),
    (b.affine, "clears its cache", around(caching_writable, cache_zeroed)),
    (b.gelu, "scales its cache by 1e-6", around(caching_writable, cache_scaled)),
    (b.softmax, "empties its cache", around(caching_writable, cache_emptied)),
    (b.linear, "squares its cache and puts it back", around(caching_writable, cache_squared_and_put_back)),
    (b.silu, "replaces x in its cache", around(caching_writable, cache_replaced)),
    (b.scale_shift, "puts dx into its cache", around(caching_writable, dx_written_to_the_cache)),
    (b.identity, "out is x", around(out_is_x)),
    (b.reverse, "out is a view of x", around(out_is_a_view)),
    (b.relu, "out is x where all is positive", around(out_is_x_where_positive)),
    (b.tanh, "out is the cache", around(out_is_cached, by_tanh)),
    (b.exp, "out is the cache", around(exp_cached, by_exp)),
    (b.identity, "dx is dout", around(backward=dx_is_dout)),
    (b.bias, "dx is dout", around(backward=dx_is_dout)),
    (b.reverse, "dx is a view of dout", around(backward=dx_is_a_view_of_dout)),
    (b.relu, "dx is dout where all is positive", around(backward=dx_is_dout_if_all_pass)),
    (b.bias, "db is in dx's memory for one row", around(backward=db_is_a_row_of_dx)),
    (b.linear, "dW is one array for all calls", around(keeping_params, grads_are_params)),
    (b.affine, "out's buffer is used again", around(out_buffer)),
    (b.softmax, "out's buffer is used again", around(out_buffer)),
    (b.tanh, "the cache's buffer is used again", around(cache_buffer)),
    (b.linear, "the cache's buffer is used again", around(cache_buffer)),
    (b.relu, "the mask's buffer is used again", around(mask_buffer, by_mask)),
    (b.affine, "dx's buffer is used again", around(backward=dx_buffer)),
    (b.layer_norm, "gradients' buffers are used again", around(backward=grads_buffer)),
    (b.linear, "dW's buffer is used again", around(backward=grads_buffer)),
    (b.attention, "dx is a view of a buffer that grows", around(backward=one_growing_buffer)),
    (b.linear, "x is cached without a copy", around(holding(lambda p, x: (own(p), x)))),
    (b.tanh, "a read-only view of x is cached", around(holding(borrowed))),
    (b.softmax, "x's transpose is cached", around(holding(lambda p, x: (p, x.T)), transposed)),
    (b.gelu, "x is cached flat, without a copy", around(holding(lambda p, x: (p, x.reshape(-1))), reshaped)),
    (b.square, "half of x is cached without a copy", around(holding(half_held), joined)),
    (b.silu, "x is cached in a function", around(holding(lambda p, x: lambda: (p, x)), called)),
    (b.linear, "W is cached without a copy", around(holding(lambda p, x: (p, own(x))))),
    (b.scale_shift, "gamma is cached without a copy", around(holding(lambda p, x: (p, own(x))))),
    (b.layer_norm, "x is cached without a copy where it is contiguous", around(holding(contiguous_held))),
    (b.tanh, "dx's last row is not written", unwritten(np.s_[:-1])),
    (b.affine, "dx's rows beyond blocks of 8 are not written", unwritten(whole_eights)),
    (b.scale_shift, "dbeta's last entry is not written", unwritten(np.s_[:-1], "dbeta")),
    (b.affine, "dx's rows beyond 128 are not written", unwritten(np.s_[:128])),
    (b.relu, "dx is not written where x is negative", pulling(masked_product)),
    (b.linear, "dW is added to unwritten memory", pulling(added_to_nothing)),
    (b.tanh, "out's rows beyond blocks of 8 are not written", giving(unwritten_out)),
    (b.bias, "db sums an unwritten pad", pulling(resized)),
    (b.tanh, "the cache lies as x did", around(forward_as_it_lies)),
    (b.linear, "W is read as it lies", around(weights_as_they_lie)),
    (b.relu, "the mask lies as x did", around(fortran_out, by_flat_mask)),
    (b.softmax, "out is off by 1e-6 where x is not contiguous", around(only_contiguous)),
]


def memory() -> list[Adversary]:
    """Members that write to what is not theirs, or share what they give."""
    return [
        *(wrong("memory", base, what, fault) for base, what, fault in ROWS),
        wrong("memory", TWO_BIASES, "both gradients are one array", lambda base: two_biases(same=True)),
        wrong("memory", TWO_BIASES, "one gradient is a view of the other", lambda base: two_biases(same=False)),
    ]


TWO_BIASES = Base(
    "two biases",
    "b c",
    b.with_params(lambda rng: tuple(rng.standard_normal((2, 4))), 4),
    lambda p, x: x + p[0] + p[1],
    lambda p, x, d: (d.copy(), (d.sum(axis=0), d.sum(axis=0))),
)
