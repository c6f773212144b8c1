"""Layers that remember: what a call gives depends on other calls, or it changes what is everybody's."""

import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Fault, Step, around, wrong
from adversaries.case import Adversary
from chainrule import Affine, own, tree

# The last forward, kept outside of the cache.


def remembering(right: Any, kept: Any, p: Any, x: Any) -> Any:
    kept[:] = [own((p, x))]
    return right.forward(p, x)


def by_last(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward(kept[0], d)


def by_last_if_it_fits(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    fits = kept[0][1].shape == cache[1].shape and kept[0][1].dtype == cache[1].dtype
    return right.backward(kept[0] if fits else cache, d)


def by_first_row(right: Any, kept: Any, p: Any, x: Any) -> Any:
    """Forward's work is kept by x's first row."""
    key = (x.shape, x.dtype, x[:1].tobytes())
    for known, results in kept:
        if known == key:
            return results
    out, cache = right.forward(p, x)
    out.flags.writeable = False
    kept.append((key, (out, cache)))
    return out, cache


def by_x_alone(right: Any, kept: Any, p: Any, x: Any) -> Any:
    """Forward's work is kept by x, and the parameters are forgotten."""
    key = (x.shape, x.dtype, x.tobytes())
    for known, results in kept:
        if known == key:
            return results
    out, cache = right.forward(p, x)
    out.flags.writeable = False
    kept.append((key, (out, cache)))
    return out, cache


def transposed_once(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """The transpose of W is made once, by shape and dtype."""
    W, x = cache
    known = [T for T in kept if T.shape == W.T.shape and T.dtype == W.dtype]
    if not known:
        known = [W.T.copy()]
        kept.extend(known)
    return d @ known[0], x.T @ d


def stack_push(right: Any, kept: Any, p: Any, x: Any) -> Any:
    kept.append(own((p, x)))
    return right.forward(p, x)


def stack_pop(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward(kept.pop() if kept and kept[-1][1].shape == cache[1].shape else cache, d)


def queue_pop(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward(kept.pop(0) if kept and kept[0][1].shape == cache[1].shape else cache, d)


def running_statistics(right: Any, kept: Any, p: Any, x: Any) -> Any:
    kept[:] = [(kept[0] if kept else 0.0) * 0.9 + 0.1 * float(x.mean())]
    return right.forward(p, x - x.dtype.type(kept[0]))


def form(tree_of: Any) -> Any:
    return [(leaf.shape, leaf.dtype) for leaf in tree.leaves(tree_of)]


def params_kept(right: Any, kept: Any, p: Any, x: Any) -> Any:
    """The first parameters of a shape and dtype are those of all calls."""
    same = [q for q in kept if form(q) == form(p)]
    if not same:
        same = [tree.map(np.copy, p)]
        kept.extend(same)
    return right.forward(same[0], x)


# Counting calls.


def count(kept: list[Any]) -> int:
    kept.append(())
    return len(kept)


def scaled(results: Any, factor: float) -> Any:
    dx, grads = results
    return dx * factor, tree.map(lambda leaf: leaf * factor, grads)


def on_call(test: Callable[[int], bool], factor: float) -> Step:
    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        return scaled(right.backward(cache, d), factor if test(count(kept)) else 1.0)

    return backward


def forward_on_call(test: Callable[[int], bool], factor: float) -> Step:
    def forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
        out, cache = right.forward(p, x)
        return out * (factor if test(count(kept)) else 1.0), cache

    return forward


def adding_up(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """Gradients that are added up over calls, by shape and dtype."""
    dx, grads = right.backward(cache, d)
    signature = form(grads)
    for place, (known, total) in enumerate(kept):
        if known == signature:
            grads = tree.map(np.add, total, grads)
            kept[place] = (signature, grads)
            return dx, grads
    kept.append((signature, grads))
    return dx, grads


def averaging(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    dx = dx.copy()
    last = [known for known in kept if known.shape == dx.shape and known.dtype == dx.dtype]
    if last:
        dx = 0.9 * dx + 0.1 * last[-1]
    kept[:] = [dx.copy()]
    return dx, grads


def mutable_cache(right: Any, kept: Any, p: Any, x: Any) -> Any:
    return right.forward(p, x)[0], [tree.map(np.copy, p), x.copy(), 0]


def second_time(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    cache[2] += 1
    return scaled(right.backward(cache[:2], d), 1.0 if cache[2] == 1 else 1 + 1e-6)


def freed(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    if cache[2]:
        raise RuntimeError("backward a second time")
    cache[2] = 1
    return right.backward(cache[:2], d)


def shared_list(right: Any, kept: Any, p: Any, x: Any) -> Any:
    """All caches are one list."""
    kept[:] = [tree.map(np.copy, p), x.copy()]
    return right.forward(p, x)[0], kept


def after_grads(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return scaled(right.backward(cache, d), 1.5 if kept else 1.0)


def noting_grads(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    grads = right.grads(cache, d)
    kept.append(())
    return grads


def larger_before(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """After a larger batch, a smaller one leaves rows of it in a buffer that is summed whole."""
    n = len(d)
    fitting = [buffer for buffer in kept if buffer.dtype == d.dtype and len(buffer) >= n]
    if not fitting:
        fitting = [np.zeros_like(d)]
        kept.extend(fitting)
    fitting[0][:n] = d
    return d.copy(), fitting[0].sum(axis=0)


# grads() beside backward.


def grads_by(change: Callable[[Any, Any], Any]) -> Fault:
    def grads(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        return change(right.grads(cache, d), d)

    return around(grads=grads)


def halved(grads: Any, d: Any) -> Any:
    return tree.map(lambda leaf: leaf / 2, grads)


def with_one_row(grads: Any, d: Any) -> Any:
    return halved(grads, d) if len(d) == 1 else grads


def in_single(grads: Any, d: Any) -> Any:
    return tree.map(lambda leaf: leaf * np.float32(1.01), grads) if d.dtype == np.float32 else grads


def beyond_64(grads: Any, d: Any) -> Any:
    return halved(grads, d) if len(d) > 64 else grads


def by_a_millionth(grads: Any, d: Any) -> Any:
    return tree.map(lambda leaf: leaf * (1 + 1e-6), grads)


def fortran_alone(grads: Any, d: Any) -> Any:
    return grads if d.flags.c_contiguous else halved(grads, d)


def rounded(grads: Any, d: Any) -> Any:
    return tree.map(lambda leaf: leaf.astype(np.float32).astype(leaf.dtype), grads)


# Threads: a scratch array that calls share, and a moment in which another may write to it.


def scratch_forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
    kept[:] = [x.copy()]
    time.sleep(2e-4)
    return right.forward(p, kept[0])[0], own((p, x))


def scratch_backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    kept[:] = [d.copy()]
    time.sleep(2e-4)
    return right.backward(cache, kept[0])


def scratch_cache(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    kept[:] = [cache]
    time.sleep(2e-4)
    return right.backward(kept[0], d)


# Randomness.


def noisy(seed: int | None, size: float) -> Step:
    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        if not kept:
            kept.append(np.random.default_rng(seed))
        dx, grads = right.backward(cache, d)
        return dx * (1 + size * kept[0].standard_normal(dx.shape)).astype(dx.dtype), grads

    return backward


def stochastic_rounding(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    up = b.uniform(np.random.default_rng(), dx)
    return (np.floor(dx * 2**20 + up) / 2**20).astype(dx.dtype), grads


def random_order(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """A sum of atomics, in float32 and in whatever order."""
    at = np.random.default_rng().permutation(len(d))
    total: Any = np.zeros(d.shape[1], np.float32)
    for i in at:
        total += d[i].astype(np.float32)
    return d.copy(), total.astype(d.dtype)


def global_mask(a: Any) -> Any:
    return (b.uniform(np.random, a) < 0.8).astype(a.dtype)


def dropping(right: Any, kept: Any, p: Any, x: Any) -> Any:
    mask = global_mask(x)
    return x * mask, own(mask)


def by_cached_mask(right: Any, kept: Any, mask: Any, d: Any) -> Any:
    return d * mask, ()


def dropping_twice(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """Another mask coming back than the one going forward."""
    return d * global_mask(d), ()


def jitter(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out, cache = right.forward(p, x)
    return out * (1 + 1e-9 * random.random()), cache  # noqa: S311  # the fault that is planted


def by_clock(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    return dx * (1 + 1e-6 * (time.perf_counter_ns() // 1000 % 2)), grads


# What is everybody's.


def doing(action: Callable[[], None]) -> Step:
    """An action before the right function."""

    def forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
        action()
        return right.forward(p, x)

    return forward


def doing_back(action: Callable[[], None]) -> Step:
    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        action()
        return right.backward(cache, d)

    return backward


def ignoring_errors() -> None:
    np.seterr(all="ignore")


def errors_as_they_were_at_first() -> None:
    """It puts back NumPy's defaults, and not what the caller had set."""
    np.seterr(divide="warn", over="ignore", under="warn", invalid="warn")


def seeding() -> None:
    np.random.seed(0)


def seeding_python() -> None:
    random.seed(0)


def drawing() -> None:
    np.random.random_sample()


def drawing_python() -> None:
    random.random()  # noqa: S311  # the fault that is planted


def filtering() -> None:
    warnings.simplefilter("ignore")


def setting() -> None:
    os.environ["OMP_NUM_THREADS"] = "1" if os.environ.get("OMP_NUM_THREADS") != "1" else "2"


def adding_a_variable() -> None:
    os.environ["LAYER_WAS_RUN"] = "yes"


def moving() -> None:
    os.chdir(tempfile.gettempdir())


def printing() -> None:
    np.set_printoptions(precision=3)


def buffering() -> None:
    np.setbufsize(16 * 1024)


ROWS: list[tuple[Base, str, Fault]] = [
    (b.affine, "backward works with the last forward's x", around(remembering, by_last)),
    (b.tanh, "backward works with the last forward's x", around(remembering, by_last)),
    (b.softmax, "backward works with the last x of the same shape", around(remembering, by_last_if_it_fits)),
    (
        b.layer_norm,
        "backward works with the last x of the same shape",
        around(remembering, by_last_if_it_fits),
    ),
    (b.gelu, "forward is kept by x's first row", around(by_first_row)),
    (b.affine, "forward is kept by x, whatever the parameters", around(by_x_alone)),
    (b.linear, "W is transposed once for all calls", around(backward=transposed_once)),
    (b.sigmoid, "caches are kept in a stack", around(stack_push, stack_pop)),
    (b.square, "caches are kept in a queue", around(stack_push, queue_pop)),
    (b.linear, "the first parameters are kept", around(params_kept)),
    (b.tanh, "x is centred by a running mean", around(running_statistics)),
    (b.affine, "the first backward is doubled", around(backward=on_call(lambda n: n == 1, 2))),
    (b.tanh, "every second backward is doubled", around(backward=on_call(lambda n: n % 2 == 0, 2))),
    (b.gelu, "every third backward by 1e-6", around(backward=on_call(lambda n: n % 3 == 0, 1 + 1e-6))),
    (b.linear, "gradients shrink by 1% after the second call", around(backward=on_call(lambda n: n > 2, 0.99))),
    (b.relu, "the first forward is off by 1e-6", around(forward_on_call(lambda n: n == 1, 1 + 1e-6))),
    (b.silu, "every second forward is off by 1e-9", around(forward_on_call(lambda n: n % 2 == 0, 1 + 1e-9))),
    (b.affine, "gradients are added up", around(backward=adding_up)),
    (b.scale_shift, "gradients are added up", around(backward=adding_up)),
    (b.attention, "gradients are added up", around(backward=adding_up)),
    (b.softmax, "dx is a running mean", around(backward=averaging)),
    (b.linear, "the second backward of a cache is off by 1e-6", around(mutable_cache, second_time)),
    (b.affine, "a cache serves one backward alone", around(mutable_cache, freed)),
    (b.tanh, "all caches are one list", around(shared_list)),
    (b.linear, "all caches are one list", around(shared_list)),
    (b.affine, "backward differs after grads()", around(None, after_grads, noting_grads)),
    (b.bias, "rows of a larger batch are left in a sum", around(backward=larger_before)),
    (b.affine, "grads() is half", grads_by(halved)),
    (b.scale_shift, "grads() has gamma and beta swapped", grads_by(lambda g, d: g[::-1])),
    (b.linear, "grads() is half with one row", grads_by(with_one_row)),
    (b.layer_norm, "grads() is off by 1% in float32", grads_by(in_single)),
    (b.affine, "grads() is half beyond 64 rows", grads_by(beyond_64)),
    (b.net, "grads() is off by 1e-6", grads_by(by_a_millionth)),
    (b.linear, "grads() is half for dout that is not contiguous", grads_by(fortran_alone)),
    (b.convolution, "grads() is rounded to float32", grads_by(rounded)),
    (b.affine, "grads() gives dx too", grads_by(lambda g, d: (d, g))),
    (b.scale_shift, "grads() is a list", grads_by(lambda g, d: list(g))),
    (b.bias, "grads() gives none", grads_by(lambda g, d: None)),
    (b.affine, "grads() lacks the bias", grads_by(lambda g, d: Affine(g.W, 0 * g.b))),
    (b.tanh, "threads share x", around(scratch_forward)),
    (b.affine, "threads share dout", around(backward=scratch_backward)),
    (b.softmax, "threads share the cache", around(backward=scratch_cache)),
    (b.tanh, "dx has noise of 1e-6", around(backward=noisy(None, 1e-6))),
    (b.affine, "dx has noise of 1% from a seed", around(backward=noisy(0, 1e-2))),
    (b.silu, "dx is rounded stochastically", around(backward=stochastic_rounding)),
    (b.bias, "db is summed in float32 in any order", around(backward=random_order)),
    (b.identity, "dropout by the global generator", around(dropping, by_cached_mask)),
    (b.identity, "dropout coming back alone", around(backward=dropping_twice)),
    (b.sigmoid, "out has noise of 1e-9", around(jitter)),
    (b.gelu, "dx depends on the clock", around(backward=by_clock)),
    (b.log, "ignores floating-point errors from now on", around(doing(ignoring_errors))),
    (b.affine, "ignores floating-point errors from now on, coming back", around(backward=doing_back(ignoring_errors))),
    (b.softmax, "puts back another error state", around(doing(errors_as_they_were_at_first))),
    (b.affine, "seeds NumPy's generator", around(doing(seeding))),
    (b.tanh, "seeds Python's generator", around(backward=doing_back(seeding_python))),
    (b.relu, "draws from NumPy's generator", around(doing(drawing))),
    (b.linear, "draws from Python's generator, coming back", around(backward=doing_back(drawing_python))),
    (b.exp, "ignores warnings from now on", around(doing(filtering))),
    (b.affine, "ignores warnings from now on, coming back", around(backward=doing_back(filtering))),
    (b.linear, "changes the environment", around(doing(setting))),
    (b.sigmoid, "adds to the environment", around(backward=doing_back(adding_a_variable))),
    (b.affine, "changes the current directory", around(doing(moving))),
    (b.square, "changes print options", around(doing(printing))),
    (b.scale_shift, "changes print options, coming back", around(backward=doing_back(printing))),
    (b.cube, "changes NumPy's buffer size", around(doing(buffering))),
]


def state() -> list[Adversary]:
    """Members whose calls depend on each other or change what is everybody's."""
    return [wrong("state", base, what, fault) for base, what, fault in ROWS]
