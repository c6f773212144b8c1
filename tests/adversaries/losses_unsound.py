"""Wrong losses whose forward is at fault: it overflows, is papered over, is no mean of rows, or has another form."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from adversaries import loss_forms as forms
from adversaries.case import Adversary, LossCase
from adversaries.loss_making import Rows, drawn, made
from chainrule import Loss, own

UNSOUND_LOSSES: list[Adversary] = []


def listed(name: str, kind: str, make: Callable[[], LossCase]) -> None:
    UNSOUND_LOSSES.append(Adversary(name, kind, make))


def on_data_of(of: Rows, rows: Rows) -> LossCase:
    return LossCase(made(rows), *drawn(of))


def plain_softmax(x: Any) -> Any:
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def picked(x: Any, t: Any) -> Any:
    return (forms.one_hot(x, t) * x).sum(axis=-1)


def error_of(p: Any, x: Any, t: Any) -> Any:
    return p - forms.one_hot(x, t)


def log_of_more(eps: float, x: Any, t: Any) -> Any:
    return -np.log(picked(forms.softmax(x), t) + eps), error_of(forms.softmax(x), x, t)


def clipped_logs(x: Any) -> Any:
    return np.log(np.maximum(forms.sigmoid(x), 1e-6))


# Epsilons in forward that the gradient knows nothing of, and the other way round.

PAPERED: dict[str, tuple[Rows, Rows]] = {
    **{
        f"log(p + {eps:g})": (
            partial(log_of_more, eps),
            forms.cross_entropy,
        )
        for eps in (1e-3, 1e-5, 1e-7, 1e-12)
    },
    "p clipped at 1e-7": (
        lambda x, t: (-np.log(np.maximum(picked(forms.softmax(x), t), 1e-7)), error_of(forms.softmax(x), x, t)),
        forms.cross_entropy,
    ),
    "p / (p + 1e-6) in the gradient alone": (
        lambda x, t: (
            forms.cross_entropy(x, t)[0],
            forms.cross_entropy(x, t)[1] * (1 / (1 + 1e-6 / np.exp(-forms.cross_entropy(x, t)[0])))[..., None],
        ),
        forms.cross_entropy,
    ),
    "sigmoid clipped at 1e-6 under both logarithms": (
        lambda x, t: (-clipped_logs(forms.where(t == 1, x, -x)).sum(axis=-1), forms.sigmoid(x) - t),
        forms.logistic,
    ),
    "cosine whose lengths have 1e-4 added in forward": (
        lambda x, t: (
            1 - (x * t).sum(axis=-1) / (np.linalg.norm(x, axis=-1) * np.linalg.norm(t, axis=-1) + 1e-4),
            forms.cosine(x, t)[1],
        ),
        forms.cosine,
    ),
    "dice smoothed by 1e-3 in forward": (
        lambda x, t: (
            1 - (2 * (forms.sigmoid(x) * t).sum(axis=-1) + 1e-3) / ((forms.sigmoid(x) + t).sum(axis=-1) + 1e-3),
            forms.dice(x, t)[1],
        ),
        forms.dice,
    ),
    "a variance of at least 0.5 in forward": (
        lambda x, t: (
            forms.gaussian(np.hstack([x[:, :2], np.maximum(x[:, 2:], np.log(0.5))]), t)[0],
            forms.gaussian(x, t)[1],
        ),
        forms.gaussian,
    ),
    "logits clipped to 10 in forward": (
        lambda x, t: (forms.cross_entropy(np.clip(x, -10, 10), t)[0], forms.cross_entropy(x, t)[1]),
        forms.cross_entropy,
    ),
}
for title, (rows, of) in PAPERED.items():
    listed(title, "papered over", partial(on_data_of, of, rows))


# Overflow, or the logarithm of 0, where the exact value is finite.

OVERFLOWING: dict[str, tuple[Rows, Rows]] = {
    "softmax without its shift": (
        lambda x, t: (-np.log(picked(plain_softmax(x), t)), error_of(plain_softmax(x), x, t)),
        forms.cross_entropy,
    ),
    "logarithm of a softmax that is 0": (
        lambda x, t: (-np.log(picked(forms.softmax(x), t)), error_of(forms.softmax(x), x, t)),
        forms.cross_entropy,
    ),
    "softmax shifted by the mean": (
        lambda x, t: (
            np.log(np.exp(x - x.mean(axis=-1, keepdims=True)).sum(axis=-1)) + x.mean(axis=-1) - picked(x, t),
            error_of(plain_softmax(x - x.mean(axis=-1, keepdims=True)), x, t),
        ),
        forms.cross_entropy,
    ),
    "log(1 + exp(x)) of a logistic": (
        lambda x, t: ((np.log(1 + np.exp(x)) - t * x).sum(axis=-1), forms.sigmoid(x) - t),
        forms.logistic,
    ),
    "logistic slopes exp(x) / (1 + exp(x))": (
        lambda x, t: (forms.logistic(x, t)[0], np.exp(x) / (1 + np.exp(x)) - t),
        forms.logistic,
    ),
    "log(cosh(x))": (
        lambda x, t: (np.log(np.cosh(x - t)).mean(axis=-1), np.tanh(x - t) / 3),
        forms.log_cosh,
    ),
    "tanh by exponentials in log cosh": (
        lambda x, t: (
            forms.log_cosh(x, t)[0],
            (np.exp(x - t) - np.exp(t - x)) / (np.exp(x - t) + np.exp(t - x)) / 3,
        ),
        forms.log_cosh,
    ),
    "energy without its shift": (
        lambda x, t: (np.log(np.exp(x).sum(axis=-1)), plain_softmax(x)),
        forms.energy,
    ),
    "a NaN in the gradient made 0": (
        lambda x, t: (forms.cross_entropy(x, t)[0], np.nan_to_num(error_of(plain_softmax(x), x, t))),
        forms.cross_entropy,
    ),
}
for title, (rows, of) in OVERFLOWING.items():
    listed(title, "large logits", partial(on_data_of, of, rows))
listed(
    "softmax without its shift given logits of hundreds",
    "large logits",
    lambda: LossCase(
        made(OVERFLOWING["softmax without its shift"][0]),
        drawn(forms.cross_entropy)[0] * 800,
        drawn(forms.cross_entropy)[1],
    ),
)


# Rows that do not make the loss.


def reduced(reduce: Callable[[Any], Any], factor: Callable[[int], float], rows: Rows = forms.mean_squares) -> LossCase:
    """A loss that is another function of its rows than the mean, with the gradient of that where it is linear."""

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        losses, slopes = rows(out, targets)
        return np.asarray(reduce(losses), out.dtype), own(slopes * factor(len(losses)))

    def backward(cache: Any, dloss: Any) -> Any:
        return cache * cache.dtype.type(dloss)

    return LossCase(Loss(forward, backward, lambda out, t: rows(out, t)[0]), *drawn(rows))


REDUCED: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "a sum of rows, with its own gradient": (lambda losses: losses.sum(), lambda n: 1.0),
    "half of the mean, with its own gradient": (lambda losses: losses.mean() / 2, lambda n: 0.5 / n),
    "a mean that is divided by n - 1": (
        lambda losses: losses.sum() / max(len(losses) - 1, 1),
        lambda n: 1.0 / max(n - 1, 1),
    ),
    "a mean of 7 rows whatever their number": (lambda losses: losses.sum() / 7, lambda n: 1 / 7),
    "a mean with 0.01 added": (lambda losses: losses.mean() + 0.01, lambda n: 1 / n),
    "a mean off by a millionth": (lambda losses: losses.mean() * (1 + 1e-6), lambda n: (1 + 1e-6) / n),
    "a mean of rows without the last": (lambda losses: losses[: max(len(losses) - 1, 1)].mean(), lambda n: 1 / n),
    "a mean of the first 64 rows": (lambda losses: losses[:64].mean(), lambda n: 1 / n),
    "a median of rows": (np.median, lambda n: 1 / n),
    "a root of the mean": (lambda losses: np.sqrt(losses.mean()), lambda n: 1 / n),
}
for title, (reduce, factor) in REDUCED.items():
    listed(title, "rows", partial(reduced, reduce, factor))


def said(of_rows: Callable[[Any, Any], Any], rows: Rows = forms.squares, dtype: Any = np.float64) -> LossCase:
    """A right pair, beside other rows."""
    loss = made(rows)
    return LossCase(Loss(loss.forward, loss.backward, of_rows), *drawn(rows, dtype=dtype))


SAID: dict[str, Callable[[Any, Any], Any]] = {
    "rows that are halved": lambda out, t: forms.squares(out, t)[0] / 2,
    "rows in reverse": lambda out, t: forms.squares(out, t)[0][::-1],
    "rows that are all the mean": lambda out, t: np.full(len(out), forms.squares(out, t)[0].mean()),
    "rows as a column": lambda out, t: forms.squares(out, t)[0][:, None],
    "rows for each number": lambda out, t: (out - t) ** 2 * 3,
    "rows of the first half twice": lambda out, t: np.resize(forms.squares(out, t)[0][: -(-len(out) // 2)], len(out)),
}
for title, of_rows in SAID.items():
    listed(title, "rows", partial(said, of_rows))


# Rows that depend on each other.


def by_weights(x: Any, targets: Any) -> Any:
    weights = targets[1] / targets[1].mean()
    losses, slopes = forms.cross_entropy(x, targets[0])
    return losses * weights, slopes * weights[:, None]


def by_frequency(x: Any, labels: Any) -> Any:
    weights = 1 / np.bincount(labels, minlength=4)[labels]
    losses, slopes = forms.cross_entropy(x, labels)
    return losses * weights, slopes * weights[:, None]


def hardest(x: Any, labels: Any) -> Any:
    """The harder half of rows alone."""
    losses, slopes = forms.cross_entropy(x, labels)
    kept = losses >= np.median(losses)
    return losses * kept, slopes * kept[:, None]


def centred(x: Any, t: Any) -> Any:
    e = x - t - (x - t).mean(axis=0)
    return (e**2).sum(axis=-1), 2 * (e - e.mean(axis=0))


def contrastive(x: Any, t: Any) -> Any:
    """Of each row against the targets of all."""
    p = forms.softmax(x @ t.T)
    return -np.log(np.diag(p)), (p - np.eye(len(x))) @ t


def smooth_in_time(x: Any, t: Any) -> Any:
    step = x - np.vstack([x[:1], x[:-1]])
    back = np.vstack([step[1:], 0 * step[:1]])
    return ((x - t) ** 2).sum(axis=-1) + 0.1 * (step**2).sum(axis=-1), 2 * (x - t) + 0.2 * (step - back)


def over_rows(x: Any, labels: Any) -> Any:
    """Softmax over the wrong axis, with the gradient of that."""
    p = forms.softmax(x.T).T
    t = forms.one_hot(x, labels)
    return -np.log(picked(p, labels)), p * t.sum(axis=0) - t


COUPLED: dict[str, tuple[Rows, Rows]] = {
    "weights divided by their mean": (by_weights, forms.weighted_cross_entropy),
    "weights by how often a label occurs": (by_frequency, forms.cross_entropy),
    "the harder half of rows": (hardest, forms.cross_entropy),
    "errors centred over the batch": (centred, forms.squares),
    "rows that contrast with all targets": (contrastive, forms.squares),
    "rows that are near the one before": (smooth_in_time, forms.squares),
    "softmax over the rows": (over_rows, forms.cross_entropy),
}
for title, (rows, of) in COUPLED.items():
    listed(title, "rows coupled", partial(on_data_of, of, rows))


# Results of another form or dtype.


def finished(
    value: Callable[[Any], Any], dout: Callable[[Any], Any], dtype: Any, rows: Rows = forms.cross_entropy
) -> LossCase:
    """A right loss whose results are made into something else."""
    loss = made(rows)

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        result, cache = loss.forward(out, targets)
        return value(result), cache

    def backward(cache: Any, dloss: Any) -> Any:
        return dout(loss.backward(cache, dloss))

    return LossCase(Loss(forward, backward, loss.rows), *drawn(rows, 7, dtype))


def same(result: Any) -> Any:
    return result


FINISHED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Any]] = {
    "a loss in float64 of float32": (lambda value: value.astype(np.float64), same, np.float32),
    "a loss in float32 of float64": (lambda value: value.astype(np.float32), same, np.float64),
    "a loss in float32 of float16": (lambda value: value.astype(np.float32), same, np.float16),
    "a loss that is Python's float": (float, same, np.float64),
    "a loss of shape (1,)": (lambda value: value.reshape(1), same, np.float64),
    "a gradient in float64 of float32": (same, lambda dout: dout.astype(np.float64), np.float32),
    "a constant of float64 that promotes": (same, lambda dout: dout * np.float64(1), np.float32),
    "a gradient in float32 of float64": (same, lambda dout: dout.astype(np.float32), np.float64),
    "a gradient in float32 of float16": (same, lambda dout: dout.astype(np.float32), np.float16),
    "a gradient through float32": (same, lambda dout: dout.astype(np.float32).astype(dout.dtype), np.float64),
    "a gradient through float16": (same, lambda dout: dout.astype(np.float16).astype(dout.dtype), np.float32),
    "a flat gradient": (same, np.ravel, np.float64),
    "a transposed gradient": (same, np.transpose, np.float64),
    "a gradient of one row for all": (same, lambda dout: dout.mean(axis=0), np.float64),
    "a gradient in a list": (same, lambda dout: dout.tolist(), np.float64),
}
for title, (value, dout, dtype) in FINISHED.items():
    listed(title, "form", partial(finished, value, dout, dtype))


# The right gradient of another loss than forward's.


def crossed(front: Rows, behind: Rows, x: Any, t: Any) -> Any:
    return front(x, t)[0], behind(x, t)[1]


OTHER: dict[str, tuple[Rows, Rows, Rows]] = {
    "huber's gradient of squares": (forms.squares, forms.huber, forms.squares),
    "squared hinge with the gradient of hinge": (forms.squared_hinge, forms.hinge, forms.squared_hinge),
    "charbonnier with the gradient of absolute": (
        forms.charbonnier,
        lambda x, t: (0, np.sign(x - t)),
        forms.charbonnier,
    ),
    "ranking with the gradient of cross entropy": (forms.ranking, forms.cross_entropy, forms.ranking),
    "log cosh with the gradient of squares": (
        forms.log_cosh,
        lambda x, t: (0, (x - t) / 3),
        forms.log_cosh,
    ),
}
for title, (front, behind, of) in OTHER.items():
    listed(title, "missing term", partial(on_data_of, of, partial(crossed, front, behind)))
