"""Right kernels: in float32 inside, in blocks, fused, in another order, or in another odd form."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from adversaries import against_making as k
from adversaries import bases as b
from adversaries.against_making import in_blocks, inside, kernel, kernel_case, wide
from adversaries.bases import Base, Fault, around, layer_of, pulling
from adversaries.case import Adversary, AgainstCase
from chainrule import Layer, own, read_only

RIGHT_KERNELS: list[Adversary] = []

HALF, SINGLE = np.float16, np.float32


def in_single(base: Base) -> Any:
    """Computed in float32."""
    return layer_of(wide(base))


def plainly(base: Base) -> Any:
    """The formula itself."""
    return layer_of(base)


# Float32 inside, and the formula itself.

ROW_WISE = [
    b.softmax,
    b.log_softmax,
    b.layer_norm,
    b.rms_norm,
    b.gelu,
    b.silu,
    b.glu,
    b.affine,
    b.linear,
    b.scale_shift,
]
RIGHT_KERNELS.extend(kernel("float32 inside", base, "in float32, of float16", in_single, 16, HALF) for base in ROW_WISE)
RIGHT_KERNELS.extend(
    kernel("float32 inside", base, "in float32, of float16", in_single, 6, HALF)
    for base in (b.attention, b.recurrent, b.convolution, b.bilinear, b.log_sum_exp, b.tanh, b.sigmoid, b.softplus)
)
RIGHT_KERNELS.extend(
    kernel("the formula", base, "the formula itself", plainly, 12, dtype)
    for base, dtype in (
        (b.softmax, HALF),
        (b.net, HALF),
        (b.attention, SINGLE),
        (b.relu, SINGLE),
        (b.prelu, SINGLE),
        (b.maximum, SINGLE),
        (b.ordered, SINGLE),
        (b.exp, SINGLE),
        (b.cumsum, HALF),
        (b.temperature, SINGLE),
        (b.batch_norm, SINGLE),
        (b.floor, SINGLE),
        (b.pooling, HALF),
        (b.division, SINGLE),
        (b.log, SINGLE),
    )
)


# Blocks of rows, with what remains.

BLOCKS: list[tuple[Base, str, Fault, Any]] = [
    (b.softmax, "in blocks of 8 rows", in_blocks(8), HALF),
    (b.layer_norm, "in blocks of 32 rows", in_blocks(32), HALF),
    (b.rms_norm, "in blocks of 128 rows", in_blocks(128), SINGLE),
    (b.affine, "in blocks of 64 rows", in_blocks(64), HALF),
    (b.linear, "in blocks of 1 row", in_blocks(1), SINGLE),
    (b.scale_shift, "in blocks of 32 rows, last to first", in_blocks(32, grads=k.backwards), SINGLE),
    (b.gelu, "in blocks that overlap", in_blocks(32, out=k.overlapping, dx=k.overlapping), SINGLE),
    (b.bias, "in blocks of 16 rows, unwritten before", in_blocks(16, empty=np.empty), SINGLE),
    (b.attention, "in blocks of 4 sequences", in_blocks(4), SINGLE),
]
RIGHT_KERNELS.extend(kernel("blocks of rows", base, what, fault, 16, dtype) for base, what, fault, dtype in BLOCKS)


# Other ways to the same numbers.


def online_softmax(n: int) -> Fault:
    """In one pass over blocks of columns: sums are scaled to a larger maximum."""

    def out(p: Any, x: Any) -> Any:
        top, total = np.full((*x.shape[:-1], 1), -np.inf, x.dtype), 0 * x[..., :1]
        for start in range(0, x.shape[-1], n):
            block = x[..., start : start + n]
            higher = np.maximum(top, block.max(axis=-1, keepdims=True))
            total = total * np.exp(top - higher) + np.exp(block - higher).sum(axis=-1, keepdims=True)
            top = higher
        return np.exp(x - top) / total

    return inside(out)


def welford(x: Any) -> tuple[Any, Any]:
    """The mean and the variance by one pass over columns."""
    mean, spread = 0 * x[..., 0], 0 * x[..., 0]
    for i in range(x.shape[-1]):
        apart = x[..., i] - mean
        mean = mean + apart / (i + 1)
        spread = spread + apart * (x[..., i] - mean)
    return mean[..., None], spread[..., None] / x.shape[-1]


def welford_norm(p: Any, x: Any) -> Any:
    mean, spread = welford(x)
    return (x - mean) / np.sqrt(spread + x.dtype.type(1e-5)) * p[0] + p[1]


def by_output(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Fault:
    """Backward by what forward gave: `slope(out)`."""

    def fault(base: Base) -> Any:
        def forward(p: Any, x: Any) -> tuple[Any, Any]:
            out = f(x)
            return read_only(out), own(out)

        def backward(out: Any, d: Any) -> tuple[Any, Any]:
            return (d * slope(out)).astype(d.dtype), ()

        return Layer(forward, backward)

    return fault


def split_product(n: int) -> Fault:
    """A product in blocks of its inner axis."""

    def out(W: Any, x: Any) -> Any:
        parts = [x[..., i : i + n] @ W[i : i + n] for i in range(0, len(W), n)]
        return sum(parts[1:], parts[0])

    return inside(out)


def compensated(a: Any) -> Any:
    """Kahan's sum over rows."""
    total, lost = np.zeros_like(a[0]), np.zeros_like(a[0])
    for row in a:
        more = row - lost
        new = total + more
        lost = (new - total) - more
        total = new
    return total


def in_pairs(a: Any) -> Any:
    """The sum over rows, by halves."""
    while len(a) > 1:
        half = len(a) // 2
        a = np.concatenate([a[:half] + a[half : 2 * half], a[2 * half :]])
    return a[0]


def summing(total: Callable[[Any], Any]) -> Fault:
    """Gradients of scale and shift by another sum over rows."""
    return inside(pull=lambda p, x, d: (d * p[0], (total(d * x), total(d))))


def einsum_linear(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return np.einsum("nm,km->nk", d, W), np.einsum("nk,nm->km", x, d)


def turned_linear(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """dW as the transpose of its transpose: in Fortran's order."""
    return (W @ d.T).T, (d.T @ x).T


def flash_attention(p: Any, x: Any) -> Any:
    """Keys one at a time, with sums that are scaled to a larger maximum."""
    q, key, value = x @ p.Wq, x @ p.Wk, x @ p.Wv
    top, total, out = np.full((*q.shape[:-1], 1), -np.inf, q.dtype), 0 * q[..., :1], 0 * q
    for j in range(x.shape[1]):
        score = (q * key[:, j : j + 1]).sum(axis=-1, keepdims=True) / q.dtype.type(q.shape[-1] ** 0.5)
        higher = np.maximum(top, score)
        now, before = np.exp(score - higher), np.exp(top - higher)
        total, out = total * before + now, out * before + now * value[:, j : j + 1]
        top = higher
    return out / total


def fused_softmax(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    s = b.probabilities(x)
    sd = s * d
    return sd - s * b.total(sd), ()


def fused_rms(g: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """With the projection written out by x."""
    r = 1 / np.sqrt(b.mean(x * x) + x.dtype.type(1e-6))
    e = d * g * r
    return e - x * (r * r * b.mean(e * x)), b.rows_sum(d * (x * r))


def fortran_results(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    return np.asfortranarray(dx), np.asfortranarray(grads)


def locked_out(right: Any, kept: Any, p: Any, x: Any) -> Any:
    out, cache = right.forward(p, x)
    return read_only(out), cache


def recomputing(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """Forward is run again for a cache."""
    return right.backward(right.forward(*cache)[1], d)


def in_random_order(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    """Gradients are added up in another order each time."""
    (gamma, _), x = cache
    order = np.random.default_rng().permutation(len(x))
    d, x = d.copy(), x.copy()
    return d * gamma, (compensated((d * x)[order]), compensated(d[order]))


WAYS: list[tuple[Base, str, Fault, int, Any]] = [
    (b.softmax, "online, in blocks of 2 columns", online_softmax(2), 16, HALF),
    (b.softmax, "online, in blocks of 32 columns", online_softmax(32), 16, SINGLE),
    (b.softmax, "the products once", inside(pull=fused_softmax), 16, SINGLE),
    (b.layer_norm, "by Welford's sums", inside(welford_norm), 16, HALF),
    (b.layer_norm, "by Welford's sums", inside(welford_norm), 16, SINGLE),
    (b.rms_norm, "the projection by x", inside(pull=fused_rms), 16, SINGLE),
    (b.tanh, "by its output", by_output(np.tanh, lambda out: 1 - out * out), 16, SINGLE),
    (b.exp, "by its output", by_output(np.exp, lambda out: out), 16, SINGLE),
    (b.sigmoid, "by its output", by_output(b.logistic, lambda out: out * (1 - out)), 16, SINGLE),
    (b.linear, "in blocks of 2 of its inner axis", split_product(2), 16, HALF),
    (b.scale_shift, "sums by Kahan", summing(compensated), 16, SINGLE),
    (b.scale_shift, "sums by halves", summing(in_pairs), 16, SINGLE),
    (b.scale_shift, "sums in float64", summing(lambda a: a.sum(axis=0, dtype=np.float64).astype(a.dtype)), 16, SINGLE),
    (b.scale_shift, "sums last to first", summing(lambda a: a[::-1].sum(axis=0)), 16, SINGLE),
    (b.linear, "by einsum", pulling(einsum_linear), 16, SINGLE),
    (b.linear, "gradients in Fortran's order", pulling(turned_linear), 16, SINGLE),
    (b.linear, "results in Fortran's order", around(backward=fortran_results), 16, SINGLE),
    (b.attention, "keys one at a time", inside(flash_attention), 6, HALF),
    (b.attention, "keys one at a time", inside(flash_attention), 6, SINGLE),
    (b.gelu, "out is read-only", around(locked_out), 16, SINGLE),
    (b.rms_norm, "forward run again", around(backward=recomputing), 16, SINGLE),
]
RIGHT_KERNELS.extend(
    kernel("another way", base, f"{what}, {np.dtype(dtype).name}", fault, rows, dtype)
    for base, what, fault, rows, dtype in WAYS
)


# What is not asked.


def refusing(test: Callable[[Any], Any], error: type[Exception]) -> Fault:
    """Some calls are refused."""

    def forward(right: Any, kept: Any, p: Any, x: Any) -> Any:
        if test(x):
            raise error("of such a size it is not made")
        return right.forward(p, x)

    return around(forward)


def no_gradient(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    return right.backward(cache, d)[0], None


def zero_gradient(right: Any, kept: Any, cache: Any, d: Any) -> Any:
    dx, grads = right.backward(cache, d)
    return dx, np.zeros_like(grads)


def of_rows(base: Base, rows: int) -> AgainstCase:
    """A kernel and a formula that take one number of rows."""
    case = kernel_case(base, refusing(lambda x: len(x) != rows, ValueError), rows)
    return AgainstCase(case.f, refusing(lambda x: len(x) != rows, ValueError)(base), case.args)


UNASKED = [
    kernel("refusal", b.gelu, "blocks of 8 rows alone", refusing(lambda x: len(x) % 8, NotImplementedError)),
    kernel("refusal", b.softmax, "at most 64 columns", refusing(lambda x: x.shape[-1] > 64, NotImplementedError)),
    kernel(
        "refusal", b.rms_norm, "blocks of 4 rows alone, by an assertion", refusing(lambda x: len(x) % 4, AssertionError)
    ),
    kernel("refusal", b.linear, "at most 128 rows", refusing(lambda x: len(x) > 128, NotImplementedError)),
    Adversary("linear: 12 rows alone, as the formula", "refusal", partial(of_rows, b.linear, 12)),
    kernel("frozen", b.linear, "None for a frozen W", around(backward=no_gradient), frozen=(1,)),
    kernel("frozen", b.linear, "0 for a frozen W", around(backward=zero_gradient), frozen=(1,)),
    kernel("frozen", b.rms_norm, "a frozen weight with a gradient", plainly, frozen=(1,)),
    kernel("any order", b.scale_shift, "sums in a random order", around(backward=in_random_order), deterministic=False),
    *(
        kernel("a formula", base, "against a formula alone", in_single, rows, dtype, plain=True)
        for base, rows, dtype in (
            (b.softmax, 8, SINGLE),
            (b.layer_norm, 6, HALF),
            (b.gelu, 6, SINGLE),
            (b.linear, 6, SINGLE),
            (b.relu, 6, SINGLE),
            (b.glu, 6, HALF),
        )
    ),
]
RIGHT_KERNELS.extend(UNASKED)

if find_spec("torch") is not None:
    from adversaries.against_torch import right_in_torch

    RIGHT_KERNELS.extend(right_in_torch())
