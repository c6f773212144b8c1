"""Wrong networks: a part by hand that is wrong, at every place of a network, or a joint that is."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries import network_making as at
from adversaries import wrong_memory as memory
from adversaries import wrong_state as state
from adversaries.bases import Base, Call, Fault, around, fed, off, pulling, seen, weighed
from adversaries.case import Adversary
from adversaries.network_making import Place, wrong_part
from adversaries.networks_wrong_joints import OfTwo, wrong_joints
from chainrule import Affine

WRONG_NETWORKS: list[Adversary] = []


def more_rows(n: int) -> Callable[[Call], bool]:
    """For calls with more rows than n."""
    return lambda call: len(call.x) > n


def longer(n: int) -> Callable[[Call], bool]:
    """For calls with more steps than n."""
    return lambda call: call.x.shape[-2] > n


def wider(n: int) -> Callable[[Call], bool]:
    return lambda call: call.x.shape[-1] > n


def single(call: Call) -> bool:
    return bool(call.x.dtype == np.float32)


# A derivative that is wrong.


def norm_without_mean(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h, r = b.normalised(x)
    g = d * p[0]
    return r * (g - h * b.mean(h * g)), (b.rows_sum(d * h), b.rows_sum(d))


def norm_without_eps(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h, _ = b.normalised(x)
    spread = np.sqrt(b.mean((x - b.mean(x)) ** 2))
    g = d * p[0]
    return (g - b.mean(g) - h * b.mean(h * g)) / spread, (b.rows_sum(d * h), b.rows_sum(d))


def gamma_by_x(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, (_, dbeta) = b.layer_norm_pull(p, x, d)
    return dx, (b.rows_sum(d * x), dbeta)


def untransposed(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d @ p.W, b.affine.pull(p, x, d)[1]


def transposed(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, grads = b.affine.pull(p, x, d)
    return dx, Affine(grads.W.T.copy(), grads.b)


def swapped(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, (dgamma, dbeta) = b.scale_shift.pull(p, x, d)
    return dx, (dbeta, dgamma)


def gamma_squared(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, (_, dbeta) = b.scale_shift.pull(p, x, d)
    return dx, (b.rows_sum(d * x * x), dbeta)


def prelu_mirrored(a: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return b.prelu.pull(a, x, d)[0], b.rows_sum(b.where(x > 0, d * x, 0))


def half_glu(x: Any, d: Any) -> tuple[Any, Any]:
    gate = b.logistic(np.split(x, 2, axis=-1)[1])
    return np.concatenate([d * gate, np.zeros_like(d)], axis=-1), ()


def without_skip(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, dW = b.residual_pull(W, x, d)
    return dx - d, dW


DERIVATIVES: list[tuple[Place, Base, str, Fault]] = [
    (at.first, b.tanh, "dx off by 1e-6", off("dx", factor=1 + 1e-6)),
    (at.first, b.square_affine, "db of its first entry alone", off("db", np.s_[1:], 0)),
    (at.first, b.layer_norm, "the mean's slope forgotten", pulling(norm_without_mean)),
    (at.first, b.linear, "dW off by 1e-5 in one entry", off("dW", (1, 2), 1 + 1e-5)),
    (at.middle, b.sigmoid, "dx without a factor", pulling(lambda p, x, d: (d * b.logistic(x), ()))),
    (at.middle, b.square_affine, "dx by W and not its transpose", pulling(untransposed)),
    (at.middle, b.gelu, "dx off by a thousandth", off("dx", factor=1.001)),
    (at.middle, b.affine, "db averaged", off("db", factor=1 / 6)),
    (at.middle, b.softmax, "its inner product forgotten", pulling(lambda p, x, d: (b.probabilities(x) * d, ()))),
    (at.last, b.square_affine, "dW with the wrong sign", off("dW", factor=-1)),
    (at.last, b.rms_norm, "dg of its last entry doubled", off("dg", -1)),
    (at.last, b.log_softmax, "dx in its first row", off("dx", 0, 1.01)),
    (at.last, b.scale_shift, "dgamma and dbeta swapped", pulling(swapped)),
    (at.nested, b.silu, "its second term forgotten", pulling(lambda p, x, d: (d * b.logistic(x), ()))),
    (at.nested, b.prelu, "da where x is positive", pulling(prelu_mirrored)),
    (at.nested, b.square_affine, "dx by the sign of W", weighed(np.sign)),
    (at.in_sum, b.tanh, "dout ignored", fed(np.ones_like)),
    (at.in_sum, b.unit, "the projection forgotten", pulling(lambda p, x, d: (d / b.length(x), ()))),
    (at.in_sum, b.affine, "dW off by a hundredth in a column", off("dW", np.s_[:, 1], 1.01)),
    (at.side_by_side, b.square, "dx halved", off("dx", factor=0.5)),
    (at.side_by_side, b.affine, "db forgotten", off("db", factor=0)),
    (at.side_by_side, b.cumsum, "dx not reversed", pulling(lambda p, x, d: (np.cumsum(d, axis=1), ()))),
    (at.in_product, b.softplus, "dx as a relu's", pulling(lambda p, x, d: (d * (x > 0), ()))),
    (at.in_product, b.glu, "its gate held fixed", pulling(lambda p, x, d: half_glu(x, d))),
    (at.in_residual, b.residual, "its own skip forgotten", pulling(without_skip)),
    (at.in_residual, b.sine, "dx with the wrong sign", off("dx", factor=-1)),
    (at.in_residual, b.scale_shift, "dgamma by x squared", pulling(gamma_squared)),
    (at.thrice, b.tanh, "dx off by a hundredth", off("dx", factor=1.01)),
    (at.thrice, b.square_affine, "dW transposed", pulling(transposed)),
    (at.shared, b.square_affine, "db doubled", off("db")),
    (at.shared, b.bias, "db of the first row", pulling(lambda p, x, d: (d.copy(), d[0].copy()))),
    (at.recomputing, b.arctan, "dx off by 1e-5", off("dx", factor=1 + 1e-5)),
    (at.recomputing, b.scale_shift, "dbeta forgotten", off("dbeta", factor=0)),
    (at.held_fixed, b.square_affine, "dx blocked", off("dx", factor=0)),
    (at.held_fixed, b.layer_norm, "dx off by a thousandth", off("dx", factor=1.001)),
    (at.behind_tokens, b.tanh, "dx in the last row forgotten", off("dx", -1, 0)),
    (at.behind_tokens, b.layer_norm, "eps forgotten in dx", pulling(norm_without_eps)),
    (at.behind_attention, b.layer_norm, "dgamma by x", pulling(gamma_by_x)),
    (at.behind_lstm, b.tanh, "dx of the last step doubled", off("dx", np.s_[:, -1:])),
    (at.behind_convolution, b.gelu, "dx in the first column of pixels", off("dx", np.s_[:, :, 0], 1.1)),
    (at.middle, b.attention, "dWk off by a hundredth", off("dWk", factor=1.01)),
    (at.middle, b.recurrent, "the state's slope forgotten", pulling(lambda p, x, d: b.recurrent_pull(p, x, d, 0.0))),
    (at.first, b.convolution, "dx of the kernel turned round", weighed(lambda k: k[::-1].copy())),
    (at.middle, b.relu, "dx where x is negative", seen(lambda x: -x)),
]
WRONG_NETWORKS.extend(wrong_part("derivative", *row) for row in DERIVATIVES)


# From a size on, or in one dtype.

SIZES: list[tuple[Place, Base, str, Fault, int, Any]] = [
    (at.middle, b.tanh, "dx doubled beyond 6 rows", off("dx", when=more_rows(6)), 6, np.float64),
    (at.in_sum, b.affine, "dW doubled beyond 64 rows", off("dW", when=more_rows(64)), 6, np.float64),
    (at.first, b.layer_norm, "dx doubled beyond 128 rows", off("dx", when=more_rows(128)), 6, np.float64),
    (at.behind_lstm, b.tanh, "dx doubled beyond 8 steps", off("dx", when=longer(8)), 6, np.float64),
    (at.in_residual, b.gelu, "dx doubled beyond 8 columns", off("dx", when=wider(8)), 6, np.float64),
    (at.last, b.sigmoid, "dx doubled in the ninth row", off("dx", np.s_[8:9]), 6, np.float64),
    (at.middle, b.sigmoid, "dx doubled in float32", off("dx", when=single), 6, np.float64),
    (at.nested, b.square_affine, "db doubled in float32", off("db", when=single), 6, np.float32),
    (
        at.thrice,
        b.scale_shift,
        "dgamma off by 1e-3 in float32",
        off("dgamma", factor=1.001, when=single),
        6,
        np.float32,
    ),
    (at.side_by_side, b.softmax, "dx off by 1e-4 in float32", off("dx", factor=1.0001, when=single), 6, np.float32),
    (at.middle, b.silu, "dx doubled for one row", off("dx", when=lambda call: len(call.x) == 1), 6, np.float64),
    (at.last, b.affine, "dW doubled beyond 200 rows", off("dW", when=more_rows(200)), 256, np.float64),
]
WRONG_NETWORKS.extend(wrong_part("size or dtype", *row) for row in SIZES)


# What results are made of.


def ending(change: OfTwo) -> Fault:
    def backward(right: Any, kept: Any, cache: Any, d: Any) -> Any:
        return change(*right.backward(cache, d))

    return around(backward=backward)


STRUCTURES: list[tuple[Place, Base, str, Fault]] = [
    (at.middle, b.tanh, "None for dx", ending(lambda dx, g: (None, g))),
    (at.first, b.tanh, "None for dx", ending(lambda dx, g: (None, g))),
    (at.in_sum, b.affine, "None for dx", ending(lambda dx, g: (None, g))),
    (at.middle, b.linear, "None for dW", ending(lambda dx, g: (dx, None))),
    (at.nested, b.scale_shift, "a gradient is missing", ending(lambda dx, g: (dx, g[:1]))),
    (at.thrice, b.bias, "db is not summed", ending(lambda dx, g: (dx, dx.copy()))),
    (at.last, b.square_affine, "gradients in a tuple", ending(lambda dx, g: (dx, (g.W, g.b)))),
    (at.in_residual, b.tanh, "dx of the first row alone", ending(lambda dx, g: (dx[:1].copy(), g))),
    (at.side_by_side, b.tanh, "dx in float32", ending(lambda dx, g: (dx.astype(np.float32), g))),
]
WRONG_NETWORKS.extend(wrong_part("structure", *row) for row in STRUCTURES)


# Memory and state.


IMPURE: list[tuple[Place, Base, str, Fault]] = [
    (at.in_sum, b.relu, "writes to x", around(memory.relu_in_x)),
    (at.last, b.relu, "masks dout in place", around(backward=memory.dout_masked)),
    (at.middle, b.tanh, "the cache's buffer is used again", around(memory.cache_buffer)),
    (at.thrice, b.tanh, "the cache's buffer is used again", around(memory.cache_buffer)),
    (at.nested, b.relu, "the mask's buffer is used again", around(memory.mask_buffer, memory.by_mask)),
    (
        at.middle,
        b.tanh,
        "its last forward in the place of the cache",
        around(state.remembering, state.by_last_if_it_fits),
    ),
    (at.thrice, b.tanh, "a stack in the place of the cache", around(state.stack_push, state.stack_pop)),
    (at.thrice, b.tanh, "a queue in the place of the cache", around(state.stack_push, state.queue_pop)),
    (at.recomputing, b.bias, "its first parameters kept", around(state.params_kept)),
    (at.side_by_side, b.identity, "running statistics", around(state.running_statistics)),
    (at.middle, b.linear, "the transpose of its first W", around(backward=state.transposed_once)),
    (at.in_product, b.square_affine, "gradients add up over calls", around(backward=state.adding_up)),
    (
        at.middle,
        b.sigmoid,
        "every third call of backward off",
        around(backward=state.on_call(lambda n: n % 3 == 0, 1.01)),
    ),
    (at.nested, b.identity, "dropout by the global generator", around(state.dropping, state.by_cached_mask)),
    (at.recomputing, b.identity, "dropout by the global generator", around(state.dropping, state.by_cached_mask)),
    (at.first, b.affine, "grads() without dout's sign", around(grads=lambda r, k, c, d: r.grads(c, np.abs(d)))),
    (at.first, b.linear, "grads() off by 1e-6", around(grads=lambda r, k, c, d: r.grads(c, d) * (1 + 1e-6))),
    (at.middle, b.tanh, "dx's last row is not written", memory.unwritten(np.s_[:-1])),
]
WRONG_NETWORKS.extend(wrong_part("memory or state", *row) for row in IMPURE)
WRONG_NETWORKS.extend(wrong_joints())
