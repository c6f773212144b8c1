"""Layers that are wrong in one dtype, compute in a coarser one, or return another."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, altered, fed, giving, layer_of, off, pulling, seen, weighed, wrong
from adversaries.case import Adversary
from chainrule import tree

Floating = type[np.floating[Any]]
HALF, SINGLE, DOUBLE = np.float16, np.float32, np.float64


def only(dtype: Floating) -> Callable[[Call], Any]:
    return lambda call: call.dout.dtype == dtype


def through(dtype: Floating) -> Callable[[Any], Any]:
    """To a coarser dtype and back."""
    return lambda a: a.astype(dtype).astype(a.dtype)


def result_through(name: str, dtype: Floating) -> Fault:
    """One result is rounded to a coarser dtype."""

    def fault(base: Base) -> Any:
        place = base.place(name)

        def change(call: Call) -> None:
            call.results[place] = through(dtype)(call.results[place])

        return altered(change)(base)

    return fault


def returns(name: str, dtype: Floating) -> Fault:
    """One result has another dtype. (Not in a record that holds one dtype alone.)"""

    def fault(base: Base) -> Any:
        place = base.place(name)

        def change(call: Call) -> None:
            call.results[place] = call.results[place].astype(dtype)

        return altered(change)(base)

    return fault


def out_in(dtype: Floating) -> Fault:
    """The output has a dtype of its own, and backward takes it."""

    def fault(base: Base) -> Any:
        return layer_of(
            base.but(
                out=lambda p, x: base.out(p, x).astype(dtype),
                pull=lambda p, x, d: base.pull(p, x, d.astype(x.dtype)),
            )
        )

    return fault


def running(dtype: Floating, name: str, small: Floating | None = None) -> Fault:
    """Gradients are sums over rows, taken one by one in a coarse dtype; only for arguments of `small` if given."""

    def fault(base: Base) -> Any:
        place = base.place(name) - 1

        def pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
            dx, grads = base.pull(p, x, d)
            if small is not None and d.dtype != small:
                return dx, grads
            leaves = tree.leaves(grads)
            run: Any = np.zeros_like(leaves[place]).astype(dtype)
            for i in range(len(x)):
                of_row = tree.leaves(base.pull(p, x[i : i + 1], d[i : i + 1])[1])[place]
                run = (run + of_row).astype(dtype)
            leaves[place] = run.astype(leaves[place].dtype)
            return dx, tree.replace(grads, leaves)

        return layer_of(base.but(pull=pull))

    return fault


def flushed(a: Any) -> Any:
    """Numbers that float16 can't hold as normal ones are 0."""
    return b.where(np.abs(a) < 6.1e-5, 0, a).astype(a.dtype)


def saturated(a: Any) -> Any:
    return np.clip(a, -65504, 65504)


def saturating(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return saturated(b.tanh.pull(p, x, d)[0]), ()


def fixed_point(a: Any) -> Any:
    return b.to_whole(a * 2**16) / 2**16


IN_ONE: list[tuple[Base, str, float, Floating, Floating]] = [
    # base, result, factor, the dtype in which it is wrong, the dtype of its author's arguments
    (b.affine, "dx", 1.01, SINGLE, DOUBLE),
    (b.affine, "dW", 1.001, SINGLE, SINGLE),
    (b.affine, "db", 1 + 1e-4, SINGLE, SINGLE),
    (b.affine, "db", 0, HALF, DOUBLE),
    (b.affine, "dW", 1.2, HALF, HALF),
    (b.affine, "dx", 1.1, HALF, SINGLE),
    (b.gelu, "dx", 1 + 1e-4, SINGLE, SINGLE),
    (b.tanh, "dx", 1.1, HALF, HALF),
    (b.sigmoid, "dx", 1 + 1e-6, DOUBLE, SINGLE),
    (b.softmax, "dx", -1, SINGLE, DOUBLE),
    (b.softmax, "dx", 2, HALF, HALF),
    (b.layer_norm, "dgamma", 1.001, SINGLE, SINGLE),
    (b.layer_norm, "dx", 1 + 1e-6, DOUBLE, SINGLE),
    (b.rms_norm, "dg", 0, HALF, SINGLE),
    (b.linear, "dW", 0.5, SINGLE, DOUBLE),
    (b.attention, "dWv", 1.001, SINGLE, SINGLE),
    (b.convolution, "dk", 1.01, SINGLE, SINGLE),
]


ROWS: list[tuple[Base, str, Fault, Floating]] = [
    (b.affine, "dW is rounded to float32", result_through("dW", SINGLE), DOUBLE),
    (b.affine, "db is rounded to float16", result_through("db", HALF), DOUBLE),
    (b.affine, "dx is rounded to float32", result_through("dx", SINGLE), DOUBLE),
    (b.affine, "backward works in float32", fed(through(SINGLE)), DOUBLE),
    (b.tanh, "x is kept in float32", seen(through(SINGLE)), DOUBLE),
    (b.gelu, "x is kept in float16", seen(through(HALF)), DOUBLE),
    (b.gelu, "x is kept in float16, of float32", seen(through(HALF)), SINGLE),
    (b.linear, "W is kept in float16, of float32", weighed(through(HALF)), SINGLE),
    (b.square, "x is kept in 16 bits of fixed point", seen(fixed_point), DOUBLE),
    (b.affine, "dout is kept in float16, of float32", fed(through(HALF)), SINGLE),
    (b.scale_shift, "dgamma is summed in float32", running(SINGLE, "dgamma"), DOUBLE),
    (b.scale_shift, "dbeta is summed in float16, of float32", running(HALF, "dbeta"), SINGLE),
    (b.bias, "db is summed in float16, of float32 alone", running(HALF, "db", SINGLE), SINGLE),
    (b.layer_norm, "dgamma is summed in float16, of float32", running(HALF, "dgamma"), SINGLE),
    (b.rms_norm, "dg is summed in float32", running(SINGLE, "dg"), DOUBLE),
    (b.linear, "dW is summed in float16, of float32", running(HALF, "dW"), SINGLE),
    (b.affine, "small gradients are flushed to 0", fed(flushed), SINGLE),
    (
        b.tanh,
        "dx saturates at float16's largest",
        pulling(saturating),
        SINGLE,
    ),
    (b.identity, "dx in 16 bits of fixed point", fed(fixed_point), DOUBLE),
    (b.scale_shift, "dgamma is float64 for float32", returns("dgamma", DOUBLE), SINGLE),
    (b.scale_shift, "dbeta is float32 for float64", returns("dbeta", SINGLE), DOUBLE),
    (b.linear, "dW is float32 for float16", returns("dW", SINGLE), HALF),
    (b.linear, "dx is float64 for float32", returns("dx", DOUBLE), SINGLE),
    (b.tanh, "dx is float64 for float32", returns("dx", DOUBLE), SINGLE),
    (b.relu, "dx is always float32", returns("dx", SINGLE), DOUBLE),
    (b.prelu, "da is float64 for float16", returns("da", DOUBLE), HALF),
    (b.temperature, "dt is float64 for float32", returns("dt", DOUBLE), SINGLE),
    (b.sigmoid, "out is float64 for float32", out_in(DOUBLE), SINGLE),
    (b.linear, "out is float32 for float16", out_in(SINGLE), HALF),
    (b.softmax, "out is float32 for float64", out_in(SINGLE), DOUBLE),
    (b.relu, "out is float64 for float16", out_in(DOUBLE), HALF),
    (b.softmax, "overflows beyond 88, in float32", giving(lambda p, x: naive(x)), SINGLE),
    (b.silu, "dx is float64 in every dtype", pulling(lambda p, x, d: (d * b.silu_slope(x.astype(DOUBLE)), ())), SINGLE),
]


def naive(x: Any) -> Any:
    e = np.exp(x)
    return e / b.total(e)


COARSE: list[tuple[Base, str, Any, float, Floating, int]] = [
    # base, result, where, factor, dtype of its author's arguments, and how many rows they have
    (b.affine, "dW", ..., 1.01, SINGLE, 16),
    (b.affine, "dW", np.s_[-1], 0, SINGLE, 32),
    (b.affine, "db", np.s_[:1], 1.001, SINGLE, 8),
    (b.affine, "dx", np.s_[::2], 1.1, HALF, 8),
    (b.wide_affine, "dW", np.s_[60:], 1.01, SINGLE, 64),
    (b.softmax, "dx", np.s_[:, 0], 1.001, SINGLE, 12),
    (b.softmax, "dx", np.s_[-1], 0, HALF, 16),
    (b.layer_norm, "dgamma", np.s_[2], 1.01, SINGLE, 24),
    (b.layer_norm, "dx", ..., 1.2, HALF, 8),
    (b.attention, "dWq", ..., -1, SINGLE, 4),
    (b.convolution, "dk", np.s_[:1], 2, HALF, 8),
    (b.net, "dW1", np.s_[0, 0], 1.01, SINGLE, 10),
    (b.recurrent, "dW", ..., 1.001, SINGLE, 4),
]


def of_rows(name: str, factor: float, dtype: Floating, count: int) -> str:
    return f"{name} times {factor:.7g} in places, of {count} rows of {dtype.__name__}"


def in_one(name: str, factor: float, dtype: Floating) -> str:
    return f"{name} times {factor:.7g} in {dtype.__name__} alone"


def dtypes() -> list[Adversary]:
    """Members that are wrong in some dtype."""
    return [
        *(
            wrong(
                "dtypes",
                base,
                f"{name} times {factor:.7g} in {of.__name__} alone",
                off(name, ..., factor, only(of)),
                dtype=own,
            )
            for base, name, factor, of, own in IN_ONE
        ),
        *(wrong("dtypes", base, what, fault, dtype=own) for base, what, fault, own in ROWS),
        *(
            wrong("dtypes", base, of_rows(name, factor, own, n), off(name, where, factor), dtype=own, rows=n)
            for base, name, where, factor, own, n in COARSE
        ),
    ]
