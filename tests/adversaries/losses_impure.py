"""Wrong losses that write to what is not theirs, share memory, or remember."""

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from adversaries import loss_forms as forms
from adversaries.case import Adversary, LossCase
from adversaries.loss_making import Rows, drawn, made
from chainrule import Loss, own

IMPURE_LOSSES: list[Adversary] = []

Make = Callable[[], LossCase]


def impure(kind: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        IMPURE_LOSSES.append(Adversary(make.__name__.replace("_", " "), kind, make))
        return make

    return add


def around(
    before: Callable[[Any, Any], Any] | None = None,
    after: Callable[[Any, Any, Any], Any] | None = None,
    rows: Rows = forms.cross_entropy,
    dtype: Any = np.float64,
) -> LossCase:
    """A right loss: `before(out, targets)` is called first, and `after(cache, dloss, dout)` gives the gradient."""
    loss = made(rows)

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        result = loss.forward(out, targets)
        if before is not None:
            before(out, targets)
        return result

    def backward(cache: Any, dloss: Any) -> Any:
        dout = loss.backward(cache, dloss)
        return dout if after is None else after(cache, dloss, dout)

    return LossCase(Loss(forward, backward, loss.rows), *drawn(rows, dtype=dtype))


# Writes.


@impure("writes")
def logits_shifted_in_place() -> LossCase:
    def shift(out: Any, targets: Any) -> None:
        out -= out.max(axis=-1, keepdims=True)

    return around(shift)


@impure("writes")
def logits_shifted_in_place_and_put_back() -> LossCase:
    def shift(out: Any, targets: Any) -> None:
        kept = out.copy()
        out -= out.max(axis=-1, keepdims=True)
        out[...] = kept

    return around(shift)


@impure("writes")
def logits_written_only_where_they_can_be() -> LossCase:
    def write(out: Any, targets: Any) -> None:
        if out.flags.writeable:
            out[0, 0] += 1

    return around(write)


@impure("writes")
def logits_written_only_in_float32() -> LossCase:
    def write(out: Any, targets: Any) -> None:
        if out.dtype == np.float32:
            out[0, 0] += 1

    return around(write)


@impure("writes")
def labels_sorted_in_place() -> LossCase:
    return around(lambda out, labels: labels.sort())


@impure("writes")
def labels_written_and_put_back() -> LossCase:
    def write(out: Any, labels: Any) -> None:
        labels += 1
        labels -= 1

    return around(write)


@impure("writes")
def targets_smoothed_in_place() -> LossCase:
    def smooth(out: Any, targets: Any) -> None:
        targets *= 0.9

    return around(smooth, rows=forms.soft_cross_entropy)


@impure("writes")
def weights_normalised_in_place() -> LossCase:
    def normalise(out: Any, targets: Any) -> None:
        targets[1][...] /= targets[1].sum()

    return around(normalise, rows=forms.weighted_cross_entropy)


@impure("writes")
def rows_that_write_to_out() -> LossCase:
    loss = made(forms.mean_squares)

    def rows(out: Any, targets: Any) -> Any:
        result = loss.rows(out, targets)
        out *= 0.5
        return result

    return LossCase(Loss(loss.forward, loss.backward, rows), *drawn(forms.mean_squares))


@impure("writes")
def dloss_of_an_array_set_to_0() -> LossCase:
    def clear(cache: Any, dloss: Any, dout: Any) -> Any:
        if isinstance(dloss, np.ndarray):
            dloss[...] = 0
        return dout

    return around(after=clear)


# Caches.


def joined(cache: Any) -> tuple[Any, Any]:
    return (np.vstack(cache[0]) if isinstance(cache[0], tuple) else cache[0]), cache[1]


def caching(keep: Callable[[Any, Any], Any], rows: Rows) -> LossCase:
    """A loss that keeps what `keep(out, targets)` gives."""

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        return np.asarray(rows(out, targets)[0].mean(), out.dtype), keep(out, targets)

    def backward(cache: Any, dloss: Any) -> Any:
        slopes = rows(*joined(cache))[1]
        return slopes * slopes.dtype.type(dloss / len(slopes))

    return LossCase(Loss(forward, backward, lambda out, t: rows(out, t)[0]), *drawn(rows))


CACHES: dict[str, tuple[Callable[[Any, Any], Any], Rows]] = {
    "the caller's out cached": (lambda out, t: (out, own(t)), forms.mean_squares),
    "a view of the caller's out cached": (lambda out, t: (out[:], own(t)), forms.mean_squares),
    "the caller's targets cached": (lambda out, t: (own(out), t), forms.mean_squares),
    "the caller's labels cached": (lambda out, t: (own(out), t), forms.cross_entropy),
    "the caller's weights cached": (lambda out, t: (own(out), (own(t[0]), t[1])), forms.weighted_cross_entropy),
    "one row of the caller's out cached": (lambda out, t: ((out[:-1].copy(), out[-1:]), own(t)), forms.mean_squares),
}


for title, (keep, rows) in CACHES.items():
    IMPURE_LOSSES.append(Adversary(title, "cache", partial(caching, keep, rows)))


@impure("cache")
def a_cache_scaled_by_each_backward() -> LossCase:
    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = forms.mean_squares(out, targets)
        return np.asarray(losses.mean(), out.dtype), slopes / len(slopes)

    def backward(cache: Any, dloss: Any) -> Any:
        cache *= dloss
        return cache.copy()

    return LossCase(Loss(forward, backward, lambda out, t: forms.mean_squares(out, t)[0]), *drawn(forms.mean_squares))


@impure("cache")
def a_gradient_that_is_the_cache_if_dloss_is_1() -> LossCase:
    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = forms.mean_squares(out, targets)
        return np.asarray(losses.mean(), out.dtype), slopes / len(slopes)

    def backward(cache: Any, dloss: Any) -> Any:
        return cache if dloss == 1 else cache * cache.dtype.type(dloss)

    return LossCase(Loss(forward, backward, lambda out, t: forms.mean_squares(out, t)[0]), *drawn(forms.mean_squares))


@impure("cache")
def a_cache_that_is_emptied_by_backward() -> LossCase:
    loss = made(forms.logistic)

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        value, cache = loss.forward(out, targets)
        return value, [cache]

    def backward(cache: Any, dloss: Any) -> Any:
        return loss.backward(cache.pop(), dloss)

    return LossCase(Loss(forward, backward, loss.rows), *drawn(forms.logistic))


# Buffers that are used again.


@impure("buffers")
def a_gradient_in_one_buffer_for_all_calls() -> LossCase:
    buffers: dict[Any, Any] = {}

    def store(cache: Any, dloss: Any, dout: Any) -> Any:
        buffer = buffers.setdefault((dout.shape, dout.dtype), np.empty_like(dout))
        buffer[...] = dout
        return buffer

    return around(after=store)


@impure("buffers")
def slopes_in_one_buffer_for_all_forwards() -> LossCase:
    buffers: dict[Any, Any] = {}
    rows = forms.cross_entropy

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = rows(out, targets)
        buffer = buffers.setdefault((slopes.shape, slopes.dtype), np.empty_like(slopes))
        buffer[...] = slopes
        return np.asarray(losses.mean(), out.dtype), buffer

    def backward(cache: Any, dloss: Any) -> Any:
        return cache * cache.dtype.type(dloss / len(cache))

    return LossCase(Loss(forward, backward, lambda out, t: rows(out, t)[0]), *drawn(rows))


@impure("buffers")
def a_loss_in_one_buffer_for_all_calls() -> LossCase:
    loss = made(forms.cross_entropy)
    buffers: dict[Any, Any] = {}

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        value, cache = loss.forward(out, targets)
        buffer = buffers.setdefault(value.dtype, np.empty_like(value))
        buffer[...] = value
        return buffer, cache

    return LossCase(Loss(forward, loss.backward, loss.rows), *drawn(forms.cross_entropy))


@impure("buffers")
def memory_that_is_not_written_in_the_last_row() -> LossCase:
    def unwritten(cache: Any, dloss: Any, dout: Any) -> Any:
        result = np.empty_like(dout)
        result[:-1] = dout[:-1]
        return result

    return around(after=unwritten)


# State.


@impure("state")
def the_last_forward_remembered() -> LossCase:
    loss = made(forms.cross_entropy)
    last: list[Any] = []

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        value, cache = loss.forward(out, targets)
        last[:] = [cache]
        return value, out.shape

    def backward(cache: Any, dloss: Any) -> Any:
        return loss.backward(last[0], dloss)

    return LossCase(Loss(forward, backward, loss.rows), *drawn(forms.cross_entropy))


@impure("state")
def the_number_of_rows_of_the_last_forward() -> LossCase:
    rows: list[int] = []

    def divide(cache: Any, dloss: Any, dout: Any) -> Any:
        return dout * (len(dout) / rows[-1])

    return around(lambda out, t: rows.append(len(out)), divide)


@impure("state")
def the_number_of_rows_of_the_first_forward() -> LossCase:
    rows: list[int] = []

    def divide(cache: Any, dloss: Any, dout: Any) -> Any:
        return dout * (len(dout) / rows[0])

    return around(lambda out, t: rows.append(len(out)), divide)


@impure("state")
def gradients_that_add_up() -> LossCase:
    total: dict[Any, Any] = {}

    def add(cache: Any, dloss: Any, dout: Any) -> Any:
        kind = (dout.shape, dout.dtype)
        total[kind] = total.get(kind, 0) + dout
        return total[kind].copy()

    return around(after=add)


@impure("state")
def a_running_mean_of_losses() -> LossCase:
    loss = made(forms.mean_squares)
    mean: list[Any] = []

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        value, cache = loss.forward(out, targets)
        mean[:] = [0.9 * float(mean[0]) + 0.1 * float(value) if mean else float(value)]
        return np.asarray(mean[0], out.dtype), cache

    return LossCase(Loss(forward, loss.backward, loss.rows), *drawn(forms.mean_squares))


@impure("state")
def every_tenth_gradient_skipped() -> LossCase:
    calls: list[None] = []

    def skip(cache: Any, dloss: Any, dout: Any) -> Any:
        calls.append(None)
        return dout * (len(calls) % 10 != 0)

    return around(after=skip)


@impure("state")
def the_first_labels_kept_for_good() -> LossCase:
    first: dict[Any, Any] = {}

    def rows(out: Any, labels: Any) -> Any:
        return forms.cross_entropy(out, first.setdefault(labels.shape, labels.copy()))

    return LossCase(made(rows), *drawn(forms.cross_entropy))


@impure("state")
def a_result_kept_by_the_sum_of_its_logits() -> LossCase:
    """By the rounded sum of logits, which other labels and permuted rows share."""
    kept: dict[Any, Any] = {}

    def rows(out: Any, labels: Any) -> Any:
        return kept.setdefault((out.shape, out.dtype, round(float(out.sum()), 6)), forms.cross_entropy(out, labels))

    return LossCase(made(rows), *drawn(forms.cross_entropy))


# Chance, the clock, and global state.


@impure("random")
def noise_in_the_gradient() -> LossCase:
    rng: Any = np.random.default_rng(0)

    def add(cache: Any, dloss: Any, dout: Any) -> Any:
        return dout * (1 + 1e-6 * rng.standard_normal(dout.shape).astype(dout.dtype))

    return around(after=add)


@impure("random")
def labels_dropped_at_random() -> LossCase:
    rng = np.random.default_rng(0)

    def rows(out: Any, labels: Any) -> Any:
        losses, slopes = forms.cross_entropy(out, labels)
        kept = rng.random(len(losses)) < 0.9
        return losses * kept, slopes * kept[:, None]

    return LossCase(made(rows), *drawn(forms.cross_entropy))


@impure("random")
def a_factor_by_the_clock() -> LossCase:
    return around(after=lambda cache, dloss, dout: dout * (1 + 1e-5 * (time.perf_counter_ns() % 1009)))


@impure("random")
def a_factor_in_threads_other_than_the_first() -> LossCase:
    main = threading.main_thread()
    return around(
        after=lambda cache, dloss, dout: dout * (1 if threading.current_thread() is main else 2),
        rows=forms.mean_squares,
    )


@impure("global state")
def the_global_generator_seeded_anew_by_each_forward() -> LossCase:
    seeds = count()
    return around(lambda out, t: np.random.seed(next(seeds)))


@impure("global state")
def the_global_generator_used() -> LossCase:
    return around(lambda out, t: np.random.random())


@impure("global state")
def underflows_printed_from_now_on() -> LossCase:
    np.seterr(under="ignore")  # as NumPy begins, whatever was checked before
    return around(lambda out, t: np.seterr(under="print"))


@impure("global state")
def numbers_printed_with_three_digits_from_now_on() -> LossCase:
    np.set_printoptions(precision=8)
    return around(lambda out, t: np.set_printoptions(precision=3))
