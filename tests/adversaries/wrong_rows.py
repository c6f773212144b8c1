"""Layers whose rows depend on each other or on their place, without saying so; and wrong ones that say so."""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import evolve

from adversaries import bases as b
from adversaries.bases import Base, Fault, altered, giving, layer_of, normal, off, pulling, wrong
from adversaries.case import Adversary


def undeclared(base: Base) -> Any:
    return layer_of(evolve(base, couples_rows=False))


def backward_at_once(f: Callable[[Any], Any]) -> Fault:
    """dx is a function of the right dx."""

    def fault(base: Base) -> Any:
        def pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
            dx, grads = base.pull(p, x, d)
            return f(dx), grads

        return layer_of(base.but(pull=pull))

    return fault


def places(x: Any) -> Any:
    """1, 2, … for the rows."""
    return np.arange(1, len(x) + 1, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def over_rows(p: Any, x: Any) -> Any:
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def over_rows_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    s = over_rows(p, x)
    return s * (d - (s * d).sum(axis=0)), ()


def drop_by_place(x: Any) -> Any:
    return (b.uniform(np.random.default_rng(3), x) < 0.7).astype(x.dtype)


def shifted(p: Any, x: Any) -> Any:
    out = x.copy()
    out[1:] += x[:-1]
    return out


def shifted_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = d.copy()
    dx[:-1] += d[1:]
    return dx, ()


def by_size(p: Any, x: Any) -> Any:
    return x / np.sqrt((x * x).sum())


def by_size_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    n = np.sqrt((x * x).sum())
    h = x / n
    return (d - h * (h * d).sum()) / n, ()


def large_alone(p: Any, x: Any) -> Any:
    return x - x.mean(axis=0) if len(x) > 8 else x.copy()


def large_alone_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return (d - d.mean(axis=0) if len(x) > 8 else d.copy()), ()


def attending(p: Any, x: Any) -> Any:
    return b.probabilities(x @ x.T) @ x


def attending_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    a = b.probabilities(x @ x.T)
    ds = b.softmax_from(a, d @ x.T)
    return (ds + ds.T) @ x + a.T @ d, ()


def cumulated(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return np.cumsum(d[::-1], axis=0)[::-1].copy(), ()


def plain(name: str, out: Callable[[Any, Any], Any], pull: b.Pull) -> Base:
    return Base(name, "", normal(4), out, pull)


COUPLED = [
    b.centred,
    b.batch_norm,
    plain("softmax over rows", over_rows, over_rows_pull),
    plain(
        "cumulative sum over rows",
        lambda p, x: np.cumsum(x, axis=0),
        cumulated,
    ),
    plain("reversed rows", lambda p, x: x[::-1].copy(), lambda p, x, d: (d[::-1].copy(), ())),
    plain("rows rolled by one", lambda p, x: np.roll(x, 1, axis=0), lambda p, x, d: (np.roll(d, -1, axis=0), ())),
    plain("each row with the one before", shifted, shifted_pull),
    plain("rows times their place", lambda p, x: x * places(x), lambda p, x, d: (d * places(x), ())),
    plain("places added", lambda p, x: x + places(x), lambda p, x, d: (d.copy(), ())),
    plain("divided by the number of rows", lambda p, x: x / len(x), lambda p, x, d: (d / len(x), ())),
    plain("divided by the whole batch's length", by_size, by_size_pull),
    plain("the first row taken off", lambda p, x: x - x[:1], lambda p, x, d: (first_off(d), ())),
    plain("dropout by place", lambda p, x: x * drop_by_place(x), lambda p, x, d: (d * drop_by_place(x), ())),
    plain("centred beyond 8 rows", large_alone, large_alone_pull),
    plain("attention over the batch", attending, attending_pull),
    plain("sorted columns", lambda p, x: np.sort(x, axis=0), lambda p, x, d: (unsorted(x, d), ())),
    plain(
        "1e-6 of the batch's mean",
        lambda p, x: x + 1e-6 * x.mean(axis=0),
        lambda p, x, d: (d + 1e-6 * d.mean(axis=0), ()),
    ),
    plain("even rows doubled", lambda p, x: x * (2 - places(x) % 2), lambda p, x, d: (d * (2 - places(x) % 2), ())),
]


def first_off(d: Any) -> Any:
    dx = d.copy()
    dx[0] -= d.sum(axis=0)
    return dx


def unsorted(x: Any, d: Any) -> Any:
    dx = np.empty_like(x)
    np.put_along_axis(dx, x.argsort(axis=0, kind="stable"), d, axis=0)
    return dx


def unique_rows(x: Any) -> Any:
    """True if a row is the first of its equals."""
    _, first = np.unique(x, axis=0, return_index=True)
    return np.isin(np.arange(len(x)), first)


def once_for_equals(call: Any) -> None:
    call.results[0] = call.results[0] * unique_rows(call.x)[:, None]


def duplicates_in_db(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    at = unique_rows(x)
    return d @ W.T, x[at].T @ d[at]


def for_all_equals(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """Equal rows are computed once: all get the first one's dx, with its dout."""
    _, first, which = np.unique(x, axis=0, return_index=True, return_inverse=True)
    return b.tanh.pull(p, x, d)[0][first][which.reshape(-1)], ()


def swapped(dx: Any) -> Any:
    return dx.swapaxes(0, 1).copy() if dx.shape[0] == dx.shape[1] else dx


def clipped(dx: Any) -> Any:
    size = np.abs(dx).mean()
    return np.clip(dx, -size, size)


def n_less_one(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d - d.sum(axis=0) / max(len(d) - 1, 1), ()


ROWS: list[tuple[Base, str, Fault]] = [
    (b.tanh, "dx, rows reversed", backward_at_once(lambda dx: dx[::-1].copy())),
    (b.affine, "dx, rows rolled by one", backward_at_once(lambda dx: np.roll(dx, 1, axis=0))),
    (b.softmax, "dx, rows centred", backward_at_once(lambda dx: dx - dx.mean(axis=0))),
    (b.gelu, "dx, averaged over rows", backward_at_once(lambda dx: dx.mean(axis=0) + 0 * dx)),
    (b.affine, "dx, divided by the rows", backward_at_once(lambda dx: dx / len(dx))),
    (b.relu, "dx, the last of several rows is 0", backward_at_once(lambda dx: dx * (places(dx) < max(len(dx), 2)))),
    (b.layer_norm, "dx, 1e-6 of the other rows", backward_at_once(lambda dx: dx + 1e-6 * dx.sum(axis=0))),
    (
        b.tanh,
        "dx, clipped to the batch's mean size",
        backward_at_once(clipped),
    ),
    (b.affine, "dx, once for equal rows", altered(once_for_equals)),
    (b.linear, "dW, once for equal rows", pulling(duplicates_in_db)),
    (b.tanh, "dx, equal rows get the first one's", pulling(for_all_equals)),
    (b.affine, "forward, equal rows are merged", giving(lambda p, x: np.unique(x, axis=0) @ p.W + p.b)),
    (
        b.centred,
        "dx, divided by the rows less one",
        pulling(n_less_one),
    ),
    (b.batch_norm, "dx, a thousandfold for two rows", off("dx", ..., 1e3, lambda c: len(c.x) == 2)),
    (b.batch_norm, "dgamma, by 1% for odd batches", off("dgamma", ..., 1.01, lambda c: len(c.x) % 2)),
]


def rows() -> list[Adversary]:
    """Members that couple rows."""
    return [
        *(wrong("rows", base, "rows coupled and nobody is told", undeclared) for base in COUPLED),
        *(wrong("rows", base, what, fault) for base, what, fault in ROWS),
        wrong("rows", b.in_time, "dx, times and rows swapped where both fit", backward_at_once(swapped), rows=5),
    ]
