"""Layers that are right at one size and wrong at another: the edges of blocks, one row, square batches."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, giving, layer_of, off, pulling, wrong
from adversaries.case import Adversary
from chainrule import Affine

When: TypeAlias = Callable[[Call], Any]


def more_than(n: int) -> When:
    return lambda call: len(call.x) > n


def exactly(n: int) -> When:
    return lambda call: len(call.x) == n


def multiple_of(n: int) -> When:
    return lambda call: len(call.x) % n == 0


def ragged(call: Call) -> bool:
    return bool(len(call.x) > 32 and len(call.x) % 32)


def is_square(call: Call) -> Any:
    return len(call.x) == call.x.shape[1]


def like_out(call: Call) -> Any:
    return len(call.x) == call.dout.shape[-1]


def beyond(n: int) -> Any:
    """The rows after the first n."""
    return np.s_[n:]


def last_block(n: int) -> Callable[[Call], Any]:
    """The rows that fill no whole block of n."""
    return lambda call: np.s_[len(call.x) // n * n :]


BY_SIZE: list[tuple[Base, str, str, Any, float, When]] = [
    (b.affine, "dx", "rows beyond 64 are 0", beyond(64), 0, more_than(64)),
    (b.affine, "dx", "rows beyond 128 by 1e-3", beyond(128), 1.001, more_than(128)),
    (b.affine, "dx", "rows beyond 257 by 1e-6", beyond(257), 1 + 1e-6, more_than(257)),
    (b.affine, "dx", "rows beyond 512 are 0", beyond(512), 0, more_than(512)),
    (b.affine, "dx", "the 1,000th row is doubled", np.s_[999:], 2, more_than(999)),
    (b.affine, "dW", "by 1% from 65 rows on", ..., 1.01, more_than(64)),
    (b.affine, "db", "by 1e-6 from 129 rows on", ..., 1 + 1e-6, more_than(128)),
    (b.affine, "dW", "doubled with one row", ..., 2, exactly(1)),
    (b.affine, "db", "0 with one row", ..., 0, exactly(1)),
    (b.affine, "dx", "the sign with as many rows as columns", ..., -1, is_square),
    (b.affine, "db", "by 1% with as many rows as outputs", ..., 1.01, like_out),
    (b.affine, "db", "the last entry, in multiples of 8 rows", -1, 0, multiple_of(8)),
    (b.affine, "dW", "by 1e-4 in multiples of 32 rows", ..., 1 + 1e-4, multiple_of(32)),
    (b.affine, "dW", "by 1e-3 in multiples of 128 rows", ..., 1.001, multiple_of(128)),
    (b.relu, "dx", "rows after the last block of 32", last_block(32), 0, more_than(32)),
    (b.tanh, "dx", "rows after the last block of 8", last_block(8), 0, more_than(8)),
    (b.tanh, "dx", "the last row beyond 64 rows by 1e-6", -1, 1 + 1e-6, more_than(64)),
    (b.gelu, "dx", "the 33rd row", np.s_[32:33], 0, more_than(32)),
    (b.gelu, "dx", "the 129th row by 1e-5", np.s_[128:129], 1 + 1e-5, more_than(128)),
    (b.silu, "dx", "one row alone by 1%", ..., 1.01, exactly(1)),
    (b.sigmoid, "dx", "two rows alone by 1e-6", ..., 1 + 1e-6, exactly(2)),
    (b.softmax, "dx", "rows after the last block of 128", last_block(128), 0, more_than(128)),
    (b.softmax, "dx", "the first row of the second 256", np.s_[256:257], 1.5, more_than(256)),
    (b.softmax, "dx", "the sign in square batches", ..., -1, is_square),
    (
        b.layer_norm,
        "dgamma",
        "by 1e-5 where the last block of 32 is not full",
        ...,
        1 + 1e-5,
        lambda c: len(c.x) > 32 and len(c.x) % 32,
    ),
    (b.layer_norm, "dbeta", "doubled in multiples of 64 rows", ..., 2, multiple_of(64)),
    (b.layer_norm, "dx", "rows beyond 256 by 1e-6", beyond(256), 1 + 1e-6, more_than(256)),
    (b.rms_norm, "dg", "one row alone is halved", ..., 0.5, exactly(1)),
    (b.scale_shift, "dgamma", "by 1e-4 from 1,000 rows on", ..., 1 + 1e-4, more_than(999)),
    (b.bias, "db", "lacks one part in 1e-6 from 65 rows on", ..., 1 - 1e-6, more_than(64)),
    (b.attention, "dWk", "by 1% with one row", ..., 1.01, exactly(1)),
    (b.attention, "dx", "with one row more than 64, its last row", -1, 0, exactly(65)),
    (b.convolution, "dk", "by 1e-3 with 8 rows, as many as columns", ..., 1.001, is_square),
    (b.cumsum, "dx", "the last column with one row", np.s_[:, -1], 0, exactly(1)),
    (b.net, "dW1", "by 1e-3 beyond 128 rows", ..., 1.001, more_than(128)),
    (b.batch_norm, "dgamma", "by 1e-3 beyond 64 rows", ..., 1.001, more_than(64)),
]


def blocked(n: int, forget: bool) -> Fault:
    """Sums over rows go block by block, and what fills no block is left out, or the last block counts twice."""

    def fault(base: Base) -> Any:
        def pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
            dx, grads = base.pull(p, x, d)
            whole = len(x) // n * n
            if whole and forget:
                grads = base.pull(p, x[:whole], d[:whole])[1]
            elif len(x) > n:
                starts = np.minimum(np.arange(0, len(x), n), len(x) - n)
                at: Any = (starts[:, None] + np.arange(n)).reshape(-1)
                grads = base.pull(p, x[at], d[at])[1]
            return dx, grads

        return layer_of(base.but(pull=pull))

    return fault


def squeezed(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """A batch of one row that loses its axis on the way, as in NumPy."""
    s, d = np.squeeze(b.probabilities(x)), np.squeeze(d)
    dx = s * (d - (s * d).sum(axis=-1, keepdims=True))
    return dx, ()


def weights_taken_for_rows(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """A shape says which is which, until both have it."""
    first, second = (p[0], x) if x.shape[:1] != p[0].shape else (x[:, 0], x)
    return d * first, (b.rows_sum(d * second), b.rows_sum(d))


def columns(n: int) -> When:
    return lambda call: call.x.shape[-1] > n


def sizes() -> list[Adversary]:
    """Members that are wrong at some sizes."""
    of_blocks: list[tuple[Base, int, bool]] = [
        (b.affine, 8, True),
        (b.affine, 32, True),
        (b.affine, 128, False),
        (b.scale_shift, 64, True),
        (b.layer_norm, 16, False),
        (b.linear, 256, True),
    ]
    return [
        *(
            wrong("sizes", base, f"{name}, {what}", off(name, where, factor, when))
            for base, name, what, where, factor, when in BY_SIZE
        ),
        *(
            wrong(
                "sizes",
                base,
                f"blocks of {n}, {'the rest left out' if cut else 'some rows twice'}",
                blocked(n, cut),
                rows=5,
            )
            for base, n, cut in of_blocks
        ),
        wrong("sizes", b.softmax, "an axis of one row is squeezed", pulling(squeezed)),
        wrong("sizes", b.scale_shift, "rows taken for columns where both fit", pulling(weights_taken_for_rows)),
        wrong(
            "sizes",
            b.linear,
            "forward is doubled from 65 rows on",
            giving(lambda W, x: x @ W * (2 if len(x) > 64 else 1)),
        ),
        wrong(
            "sizes",
            b.tanh,
            "forward skips rows beyond 128",
            giving(tanh_of_128),
        ),
        wrong("sizes", b.wide_affine, "dW, columns beyond 16 of the last row", off("dW", np.s_[-1, 16:], 0)),
        wrong("sizes", b.large_affine, "dx, columns beyond 64 by 1e-3", off("dx", np.s_[:, 64:], 1.001)),
        wrong("sizes", b.large_affine, "dW, the column after 512 by 1e-4", off("dW", np.s_[:, 512], 1 + 1e-4)),
        wrong(
            "sizes",
            b.wide_affine,
            "dW, by 1e-6 beyond 32 columns",
            off("dW", 63, 1 + 1e-6, columns(32)),
        ),
        wrong("sizes", b.wide_affine, "db, rows beyond 64 left out", pulling(bias_of_64), rows=32),
    ]


def tanh_of_128(p: Any, x: Any) -> Any:
    return np.concatenate([np.tanh(x[:128]), x[128:]])


def bias_of_64(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d @ p.W.T, Affine(x.T @ d, d[:64].sum(axis=0))
