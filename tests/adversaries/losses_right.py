"""Right losses: every form, and odd ways to write one or to call it that break no law."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve

from adversaries import loss_forms as forms
from adversaries.case import Adversary, LossCase
from adversaries.loss_making import DRAWS, Rows, case, drawn, made
from chainrule import Loss, mean_squared_error, own, read_only, rules, softmax_cross_entropy, tree

RIGHT_LOSSES: list[Adversary] = []

Make = Callable[[], LossCase]


def listed(name: str, kind: str, make: Make) -> None:
    RIGHT_LOSSES.append(Adversary(name, kind, make))


def right(kind: str, name: str = "") -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        listed(name or make.__name__.replace("_", " "), kind, make)
        return make

    return add


def titled(rows: Rows) -> str:
    return str(getattr(rows, "__name__", "")).replace("_", " ")


def changed(rows: Rows, change: Callable[[Any, Any], tuple[Any, Any]], n: int = 7, dtype: Any = np.float64) -> LossCase:
    """The form on its data after a change."""
    return LossCase(made(rows), *change(*drawn(rows, n, dtype)))


def shaped(shape: tuple[int, ...], rows: Rows) -> LossCase:
    """The form on rows in more axes than one."""
    out, targets = drawn(rows, math.prod(shape))
    return LossCase(made(rows), folded(shape, out), tree.map(partial(folded, shape), targets))


def folded(shape: tuple[int, ...], rows: Any) -> Any:
    return rows.reshape(*shape, *rows.shape[1:])


def scaled(factor: float) -> Callable[[Any, Any], tuple[Any, Any]]:
    return lambda out, targets: (out * out.dtype.type(factor), targets)


def with_labels(dtype: str, out: Any, labels: Any) -> tuple[Any, Any]:
    return out, labels.astype(dtype)


SAFE_FAR_OUT = (
    forms.cross_entropy,
    forms.smoothed_cross_entropy,
    forms.focal,
    forms.logistic,
    forms.log_cosh,
    forms.huber,
    forms.ranking,
    forms.energy,
)
IN_FLOAT16 = (forms.cross_entropy, forms.mean_squares, forms.absolute, forms.logistic, forms.hinge, forms.cauchy)
IN_AXES = (forms.cross_entropy, forms.mean_squares, forms.weighted_cross_entropy, forms.worst_hinge, forms.cosine)
ONE_ROW = (forms.cross_entropy, forms.mean_squares, forms.huber_by_row, forms.triplet, forms.two_heads, forms.ordinal)

for each in DRAWS:
    listed(f"{titled(each)} in float64", "form", partial(case, each))
    listed(f"{titled(each)} in float32", "dtype", partial(case, each, dtype=np.float32))
for each in IN_FLOAT16:
    listed(f"{titled(each)} in float16", "dtype", partial(case, each, dtype=np.float16))
for each in ONE_ROW:
    listed(f"{titled(each)} of one row", "size", partial(case, each, n=1))
for each in IN_AXES:
    listed(f"{titled(each)} of (2, 3) rows", "size", partial(shaped, (2, 3), each))
listed("cross entropy of (2, 3, 2) rows", "size", partial(shaped, (2, 3, 2), forms.cross_entropy))
for count in (65, 129, 300):
    listed(f"cross entropy of {count} rows", "size", partial(case, forms.cross_entropy, n=count))
for each in SAFE_FAR_OUT:
    for by in (300.0, 1e4):
        far = partial(changed, each, scaled(by))
        listed(f"{titled(each)} of logits times {by:g}", "far out", far)
for each in (forms.cross_entropy, forms.mean_squares, forms.log_cosh, forms.cosine):
    listed(f"{titled(each)} of numbers of 1e-6", "small", partial(changed, each, scaled(1e-6)))
for kept in ("int8", "uint8", "int16", "uint16", "int32", "uint64"):
    small = partial(changed, forms.cross_entropy, partial(with_labels, kept))
    listed(f"cross entropy of labels in {kept}", "labels", small)


# Labels and targets at the ends.


@right("labels")
def cross_entropy_of_equal_labels() -> LossCase:
    return changed(forms.cross_entropy, lambda out, labels: (out, labels * 0 + 2))


@right("labels")
def cross_entropy_of_first_and_last_labels() -> LossCase:
    return changed(forms.cross_entropy, lambda out, labels: (out, forms.where(labels % 2, 3, 0)))


@right("labels")
def cross_entropy_of_probabilities_that_are_0_and_1() -> LossCase:
    return changed(forms.divergence, lambda out, t: (out, np.eye(4)[t.argmax(axis=1)]))


@right("labels")
def cross_entropy_of_weights_that_are_0() -> LossCase:
    return changed(forms.weighted_cross_entropy, lambda out, t: (out, (t[0], forms.where(t[0] == 1, 0.0, t[1]))))


@right("labels")
def squares_of_targets_in_float32_beside_float64() -> LossCase:
    return changed(forms.squares, lambda out, t: (out, t.astype(np.float32)))


@right("labels")
def squares_of_targets_that_are_read_only_and_strided() -> LossCase:
    return changed(forms.squares, lambda out, t: (out, read_only(np.repeat(t, 2, axis=1))[:, ::2]))


# Ties, where a subgradient is right.


@right("ties")
def absolute_where_every_target_is_met() -> LossCase:
    return changed(forms.absolute, lambda out, t: (out, out.copy()))


@right("ties")
def absolute_where_one_target_is_met() -> LossCase:
    return changed(forms.absolute, lambda out, t: (forms.where(np.arange(21).reshape(7, 3) == 4, t, out), t))


@right("ties")
def quantile_where_a_row_is_met() -> LossCase:
    return changed(forms.quantile, lambda out, t: (out, np.vstack([out[:1], t[1:]])))


@right("ties")
def hinge_at_its_margin() -> LossCase:
    return changed(forms.hinge, lambda out, t: (forms.where(np.arange(3) == 1, t, out), t))


@right("ties")
def worst_hinge_between_equal_rivals() -> LossCase:
    return changed(forms.worst_hinge, lambda out, labels: (out.round(), labels))


@right("ties")
def multiclass_hinge_of_equal_logits() -> LossCase:
    return changed(forms.multiclass_hinge, lambda out, labels: (out * 0, labels))


@right("ties")
def triplet_whose_friend_is_its_anchor() -> LossCase:
    return changed(forms.triplet, lambda out, t: (np.hstack([out[:, :2], out[:, :2], out[:, 4:]]), t))


@right("ties")
def huber_at_its_bound() -> LossCase:
    bound = np.arange(3) == 1
    return changed(forms.huber, lambda out, t: (forms.where(bound, 1.0, out), forms.where(bound, 0.0, t)))


@right("ties")
def cross_entropy_of_equal_logits() -> LossCase:
    return changed(forms.cross_entropy, lambda out, labels: (out * 0 + 3, labels))


@right("zero gradient")
def mistakes_counted_whose_derivative_is_0() -> LossCase:
    def rows(x: Any, labels: Any) -> Any:
        return (x.argmax(axis=-1) != labels).astype(x.dtype), np.zeros_like(x)

    return LossCase(made(rows), *drawn(forms.cross_entropy))


@right("scales")
def squares_of_1e8_and_1e_minus_8_side_by_side() -> LossCase:
    scales = np.array([1e8, 1.0, 1e-8])
    return changed(forms.mean_squares, lambda out, t: (out * scales, t * scales))


# Other ways to write one.


def share(slopes: Any, dloss: Any) -> Any:
    return slopes * slopes.dtype.type(dloss / len(slopes))


@right("writing")
def probabilities_with_one_taken_from_the_labels() -> LossCase:
    def forward(logits: Any, labels: Any) -> tuple[Any, Any]:
        return read_only(np.asarray(losses(logits, labels).mean())), own((forms.softmax(logits), labels))

    def losses(logits: Any, labels: Any) -> Any:
        return -forms.log_softmax(logits)[np.arange(len(labels)), labels]

    def backward(cache: Any, dloss: Any) -> Any:
        p, labels = cache[0].copy(), cache[1]
        p[np.arange(len(p)), labels] -= 1
        p *= dloss / len(p)
        return p

    return LossCase(Loss(forward, backward, losses), *drawn(forms.cross_entropy, dtype=np.float32))


@right("writing")
def the_example_of_the_contract() -> LossCase:
    def rows(out: Any, targets: Any) -> Any:
        return ((out - targets) ** 2).sum(axis=1)

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        return rows(out, targets).mean(), own(out - targets)

    def backward(cache: Any, dloss: Any) -> Any:
        return 2 * cache * dloss / len(cache)

    return LossCase(Loss(forward, backward, rows), *drawn(forms.squares))


@right("writing")
def a_gradient_computed_anew_from_what_is_owned() -> LossCase:
    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        return np.asarray(forms.brier(out, targets)[0].mean(), out.dtype), own((out, targets))

    def backward(cache: Any, dloss: Any) -> Any:
        slopes = forms.brier(*cache)[1]
        return slopes * slopes.dtype.type(dloss / len(slopes))

    return LossCase(Loss(forward, backward, lambda out, t: forms.brier(out, t)[0]), *drawn(forms.brier))


@right("writing")
def a_cache_that_is_a_function() -> LossCase:
    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = forms.huber(out, targets)
        return np.asarray(losses.mean(), out.dtype), partial(share, slopes)

    def backward(cache: Any, dloss: Any) -> Any:
        return cache(dloss)

    return LossCase(Loss(forward, backward, lambda out, t: forms.huber(out, t)[0]), *drawn(forms.huber))


def kept_as(keep: Callable[[Any], Any], take: Callable[[Any], Any], rows: Rows = forms.logistic) -> LossCase:
    """A loss whose cache is what `keep` makes of the slopes, and from which `take` has them."""

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = rows(out, targets)
        return losses.mean(), keep(slopes)

    def backward(cache: Any, dloss: Any) -> Any:
        return share(take(cache), dloss)

    return LossCase(Loss(forward, backward, lambda out, t: rows(out, t)[0]), *drawn(rows))


KEPT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "a dictionary": (lambda slopes: {"slopes": slopes}, lambda cache: cache["slopes"]),
    "a list": (lambda slopes: [slopes], lambda cache: cache[0]),
    "a tuple of something read-only": (lambda slopes: (read_only(slopes),), lambda cache: cache[0]),
    "a read-only view": (lambda slopes: read_only(np.ascontiguousarray(slopes.T)).T, lambda cache: cache),
}
for where, (keep, take) in KEPT.items():
    listed(f"a cache that is {where}", "writing", partial(kept_as, keep, take))


def finished(finish: Callable[[Any], Any], rows: Rows = forms.mean_squares, dtype: Any = np.float32) -> LossCase:
    """A right loss whose gradient is stored in another way."""
    return case(rows, lambda seen: finish(seen.dout), dtype=dtype)


FINISHED: dict[str, Callable[[Any], Any]] = {
    "in Fortran's order": np.asfortranarray,
    "that is read-only": read_only,
    "that is a view of every other column": lambda dout: np.repeat(dout, 2, axis=1)[:, ::2],
    "with its rows stored backwards": lambda dout: dout[::-1].copy()[::-1],
}
for how, finish in FINISHED.items():
    listed(f"a gradient {how}", "writing", partial(finished, finish))


@right("writing")
def a_gradient_that_is_one_number_broadcast() -> LossCase:
    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        return np.asarray(out.mean(axis=-1).mean(), out.dtype), (out.shape, out.dtype)

    def backward(cache: Any, dloss: Any) -> Any:
        shape, dtype = cache
        return np.broadcast_to(np.asarray(dloss / math.prod(shape), dtype), shape)

    return LossCase(Loss(forward, backward, lambda out, t: out.mean(axis=-1)), drawn(forms.energy)[0], ())


def in_float64(rows: Rows, dtype: Any) -> LossCase:
    """All of it in float64, and rounded at the end."""

    def wide(out: Any, targets: Any) -> Any:
        return tuple(each.astype(out.dtype) for each in rows(out.astype(np.float64), targets))

    return LossCase(made(wide), *drawn(rows, dtype=dtype))


for each in (forms.cross_entropy, forms.mean_squares, forms.gaussian, forms.poisson):
    wide = partial(in_float64, each, np.float32)
    listed(f"{titled(each)} of float32 computed in float64", "precision", wide)
listed(
    "cross entropy of float16 computed in float64",
    "precision",
    partial(in_float64, forms.cross_entropy, np.float16),
)


# Made by the library's rules, and the library's own.


def cauchy_rows(xp: rules.Namespace, out: Any, targets: Any) -> Any:
    error = out - targets
    return xp.sum_last(xp.log1p(error * error)), 2 * error / (1 + error * error)


def softmax_rows(xp: rules.Namespace, out: Any, targets: Any, *, share: float) -> Any:
    """With a divisor of the slopes, and an option."""
    shifted = xp.shifted(out)
    e = xp.exp(shifted)
    total = xp.sum_last(e)
    wanted = targets * (1 - share) + share / out.shape[-1]
    whole = xp.sum_last(wanted)
    slopes = e * whole[..., None] - wanted * total[..., None]
    return xp.log(total) * whole - xp.sum_last(wanted * shifted), slopes, total


def by_rules(loss: Loss[Any, Any], rows: Rows, dtype: str) -> LossCase:
    out, targets = drawn(rows, dtype=dtype)
    return LossCase(loss, out, targets.astype(dtype))


CAUCHY = rules.loss("cauchy", cauchy_rows)
SMOOTHED = rules.loss("smoothed", partial(softmax_rows, share=0.1), out="logits")
for kept in ("float64", "float32"):
    listed(f"cauchy by rules in {kept}", "rules", partial(by_rules, CAUCHY, forms.cauchy, kept))
    listed(f"smoothed softmax by rules in {kept}", "rules", partial(by_rules, SMOOTHED, forms.soft_cross_entropy, kept))

OWN: list[tuple[str, Loss[Any, Any], Rows]] = [
    ("softmax_cross_entropy of labels", softmax_cross_entropy, forms.cross_entropy),
    ("softmax_cross_entropy of probabilities", softmax_cross_entropy, forms.soft_cross_entropy),
    ("mean_squared_error", mean_squared_error, forms.mean_squares),
]


def library(loss: Loss[Any, Any], rows: Rows, dtype: str, n: int = 7) -> LossCase:
    out, targets = drawn(rows, n, dtype)
    return LossCase(loss, out, targets.astype(dtype) if targets.dtype.kind == "f" else targets)


for title, loss, each in OWN:
    for kept in ("float64", "float32", "float16"):
        listed(f"{title} in {kept}", "library", partial(library, loss, each, kept))
    listed(f"{title} of 1 row", "library", partial(library, loss, each, "float64", 1))
    listed(f"{title} without its rule", "library", partial(library, evolve(loss, rule=None), each, "float64"))
