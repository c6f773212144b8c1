"""Self-attention: every position asks all positions, and takes a mean of what they hold, by how well they answer.

    (Q, K, V) = x W + b        x (..., t, d)    W (d, 3e)    b (3e,)
    S = Q K^T / sqrt(c)        Q (t, c)    K (t, c)    S (t, t)    in each of the heads
    P = softmax(S)        P (t, t)
    Y = P V        V (t, c)    Y (t, c)
    out = Y U + u        U (e, m)    u (m,)    out (..., t, m)

A third of the columns of x W + b belongs to each of Q, K and V. In a third the heads stand side by side, with c of its
e columns each. A row of S holds the scores of one position, which asks with its row of Q, and the softmax makes weights
of them, whose sum is 1. For the last map the Y of all heads, (t, c) each, stand side by side again, (t, e) (Vaswani and
others, Attention is all you need, 2017). Sequences do not know of each other.

What a position may not attend to has weight 0, and the others share the 1: with `causal` what comes after it, with a
mask what is False in its row. A row in which nothing may be attended to has no weights: its Y is 0, and out is u. With
`rotary` the rows of Q and K are turned by their places before they meet, as on the page of `rotary`.

**Derivation.** From the end to the beginning. The last map is that of `affine`. With dY the derivative with respect to
Y, first of all heads, (t, e), and then cut into heads, (t, c) each,

    dY = dout U^T        dU = Y^T dout        du = 1^T dout

Heads that are cut and heads that are laid side by side are an adjoint pair, and undo each other: a reshape. In one head
the mean of the values has two factors:

    dL = <dY, dP V + P dV> = <dY V^T, dP> + <P^T dY, dV>

and read off, with G for the derivative with respect to P:

    G = dY V^T        G (t, t)
    dV = P^T dY        dV (t, c)

The softmax is one of rows. In a row p of P, with s for that of S, g for that of G and z for the sum of exp(s),
take differentials of p z = exp(s), where dz = <exp(s), ds> = z <p, ds>:

    dp z + p dz = exp(s) * ds        (* entry by entry)
    dp = p * ds - p <p, ds>
    <g, dp> = <p * g, ds> - <p, g> <p, ds> = <p * (g - <p, g>), ds>

A weight of 0 has a derivative of 0: nothing comes back from where nothing may be attended to. The number <p, g> is the
same for a whole row, and takes no matrix. With y and dy for the rows of Y and dY,

    <p, g> = <p, dy V^T> = <p V, dy> = <y, dy>

so that, with one such number for each row,

    dS = P * (dY V^T - <Y, dY>)        dS (t, t)

The scores have two factors again:

    dL = <dS, dQ K^T + Q dK^T> / sqrt(c) = <dS K / sqrt(c), dQ> + <dS^T Q / sqrt(c), dK>

and read off

    dQ = dS K / sqrt(c)        dQ (t, c)
    dK = dS^T Q / sqrt(c)        dK (t, c)

Where Q and K were turned, these are turned back. Then dQ, dK and dV of all heads stand side by side, and are dZ, the
derivative with respect to Z = x W + b. So, as in `affine`,

    dZ = (dQ, dK, dV)
    dx = dZ W^T        dW = x^T dZ        db = 1^T dZ        dZ (..., t, 3e)

**To remember:** forward three products, a softmax between them, and back two products for each: one for each factor.

**Numerics.** Q is divided by sqrt(c), which is t / c times less work than to divide S. No exponential overflows: where
a score is beyond 40, above 0 or below, all of its row are shifted by the largest. In 16 bits the maps are in 16 bits,
and what is between them in 32. In NumPy, causal attention takes 128 rows of S at a time, or 64 of up to 128, and never
makes the columns to the right of them, a slice of K and V; the rows of dK and dV that are beyond a slice get 0 from it.

Special values, without a warning: a score of +inf or nan, or a row of nothing but -inf, makes all of its row nan; what
may not be attended to makes no row nan by its score. 0 times nan is nan, though, so that a nan in x goes to every
position of its sequence. Other sequences do not know of it.

**From and to torch.** Its maps are transposed. For `torch.nn.MultiheadAttention(d, heads)`

| here | there |
|---|---|
| `qkv.W` | `in_proj_weight.T` |
| `qkv.b` | `in_proj_bias` |
| `out.W` | `out_proj.weight.T` |
| `out.b` | `out_proj.bias` |

Its mask of truth values is True where a position may *not* attend. That of `scaled_dot_product_attention` is as here.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.MultiheadAttention` | `keras.layers.MultiHeadAttention` | `flax.nnx.MultiHeadAttention` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine, Attention, attention
>>> params = Attention(qkv=Affine(np.eye(3), np.zeros(3)), out=Affine(np.eye(1), np.zeros(1)))
>>> x = np.array([[np.log(3), 0.0, 4.0], [0.0, 1.0, 8.0]])  # the first asks log(3), the second answers 1 and holds 8
>>> out, cache = attention(heads=1).forward(params, x)
>>> cache.p[0].round(6).tolist()
[[[0.25, 0.75], [0.5, 0.5]]]
>>> out.round(6).tolist()
[[7.0], [6.0]]
>>> attention(heads=1, causal=True).forward(params, x)[0].round(6).tolist()
[[4.0], [6.0]]
"""

import math
from functools import partial
from typing import Any, ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import conversion, describe, record_of, size, truth
from chainrule.arrays.libraries import alike, meets
from chainrule.arrays.ownership import own
from chainrule.arrays.types import Generator, Mask, is_numpy, is_plain
from chainrule.initializers.fresh import Initializer
from chainrule.layers import affine
from chainrule.layers.affine import Affine, AffineCache
from chainrule.layers.attention_onnx import attended
from chainrule.layers.rotary import turned
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, fitting, layer, of_positions, record, unchecked
from chainrule.rules.in_torch import InTorch, Weight, transposed

BASE = 10000.0
"""The base of rotary positions, as `rotary` has it."""


@frozen(eq=False)
@record
class Attention:
    """The parameters of `attention`, and their gradients.

    Parameters
    ----------
    qkv
        W (d, 3e) and b (3e,): a third of the columns each for queries, keys and values, and in each third the heads
        side by side.
    out
        W (e, m) and b (m,), for the heads side by side; m is d where x is to be added.

    Raises
    ------
    ValueError
        If the columns of `qkv` are not three times the rows of `out`.
    TypeError
        If they are no `Affine`, or differ in library or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Attention
    >>> Attention.init(np.random.default_rng(0), 64)
    Attention(qkv=Affine(W=f32[64, 192], b=f32[192]), out=Affine(W=f32[64, 64], b=f32[64]))
    """

    qkv: Affine
    out: Affine
    in_torch: ClassVar[InTorch] = {
        "in_proj_weight": Weight("qkv.W", transposed),
        "in_proj_bias": Weight("qkv.b"),
        "out_proj.weight": Weight("out.W", transposed),
        "out_proj.bias": Weight("out.b"),
    }

    def __attrs_post_init__(self) -> None:
        W, U = (record_of(getattr(self, name), Affine, f"Attention: {name}").W for name in ("qkv", "out"))
        alike("Attention", **{"qkv.W": W, "out.W": U})
        if W.shape[1] != 3 * U.shape[0]:
            wanted, got = f"(d, {3 * U.shape[0]})", tuple(W.shape)
            raise ValueError(f"Attention: out.W is {tuple(U.shape)}, so qkv.W must be {wanted}, got {got}")

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_features: int,
        *,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Attention":
        """Draw weights; biases are zero.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_features
            The number of features d of x, of the output and of all heads together.
        std
            The standard deviation of normal weights.
        weights
            An initializer in its place, by default `lecun_normal`. The fan_out of `qkv` is 3d.
        dtype
            A floating-point dtype.

        Returns
        -------
        Attention
            Fresh parameters.

        Raises
        ------
        ValueError
            If a size is negative or `std` is negative or not finite.
        TypeError
            If `rng` is no Generator, a size is no integer, the dtype is not floating-point, or both `std` and `weights`
            are given.
        """
        d = size("Attention.init", "n_features", n_features)
        return cls(*(Affine.init(rng, d, m, std=std, weights=weights, dtype=dtype) for m in (3 * d, d)))


@frozen(eq=False)
@record
class AttentionCache:
    """The cache of `attention`: those of its two maps, and what is in each head.

    q, k and v are (..., heads, t, c), q divided by sqrt(c), and q and k turned if they are. p is (..., heads, t, t), or
    some rows of it after others, in causal attention without the columns that no row of theirs may attend to. Y is in
    the cache of the last map.
    """

    qkv: AffineCache
    q: Array
    k: Array
    v: Array
    p: tuple[Array, ...]
    out: AffineCache


_saved = unchecked(AttentionCache)
_gradients = unchecked(Attention)


def fits(heads: int, mask: Mask | None, rotary: bool, params: Attention, x: Array) -> None:
    """Check that x has positions and features, into how many heads these divide, and the shape of the mask."""
    fitting("attention", x, "qkv.W", params.qkv.W)
    of_positions("attention", x)
    e, shape = params.out.W.shape[0], tuple(x.shape)
    if e % (2 * heads if rotary else heads):
        raise ValueError(f"attention: {e} features do not divide into {heads} heads{' of pairs, which turn' * rotary}")
    if mask is not None:
        meets("attention", "mask is", mask, x)
        wanted = {(shape[-2],) * 2, (*shape[:-1], shape[-2])}
        if mask.shape not in wanted:
            what = " or ".join(map(str, sorted(wanted, key=len)))
            raise ValueError(f"attention: x is {shape}, so mask must be {what}, got {tuple(mask.shape)}")


def in_heads(xp: Namespace, columns: Array, heads: int) -> Array:
    """(..., t, heads c) to (..., heads, t, c), without a copy, of 32 bits at least."""
    *axes, width = columns.shape
    return xp.widened(xp.swapaxes(xp.reshape(columns, (*axes, heads, width // heads)), -2, -3))


def in_columns(xp: Namespace, heads: Array, like: Array) -> Array:
    """(..., heads, t, c) to (..., t, heads c), in the dtype of `like`."""
    *axes, n, t, c = heads.shape
    return xp.astype(xp.reshape(xp.swapaxes(heads, -3, -2), (*axes, t, n * c)), like)


def may_attend(xp: Namespace, x: Array, causal: bool, mask: Mask | None) -> Mask | None:
    """(t, t) or (..., 1, t, t): where a position may attend to another, in all heads; None if everywhere."""
    if mask is not None and mask.ndim > 2:
        mask = mask[..., None, :, :]
    if not causal:
        return mask
    before = xp.up_to(x.shape[-2], x)
    return before if mask is None else before & mask


def forward(
    xp: Namespace, params: Attention, x: Array, *, heads: int, causal: bool, mask: Mask | None, rotary: bool
) -> tuple[Array, AttentionCache]:
    """`P = softmax(Q K^T / sqrt(c))` and `Y = P V` in each head, between two affine maps."""
    columns, of_qkv = affine.forward(xp, params.qkv, x)
    qkv = in_heads(xp, columns, 3 * heads)
    q, k, v = (qkv[..., i * heads : (i + 1) * heads, :, :] for i in range(3))
    if rotary:
        q, k = turned(xp, q, BASE), turned(xp, k, BASE)
    q, may = xp.times(q, scale(q)), may_attend(xp, x, causal, mask)
    p, y = list[Array](), list[Array]()
    for rows, seen in xp.blocks(x.shape[-2], causal):
        some = None if may is None else may[..., rows, seen]
        p.append(xp.weights(q[..., rows, :] @ xp.matrix_transpose(k[..., seen, :]), some))
        y.append(p[-1] @ v[..., seen, :])
    out, of_out = affine.forward(xp, params.out, xp.read_only(in_columns(xp, xp.concat(y, axis=-2), x)))
    q, k, v, *p = (xp.read_only(xp.astype(each, x)) for each in (q, k, v, *p))
    return out, _saved(of_qkv, q, k, v, tuple(p), of_out)


def backward(
    xp: Namespace, cache: AttentionCache, dout: Array, wants_dx: bool, *, causal: bool, rotary: bool
) -> tuple[Array | None, Attention]:
    """`dV = P^T dY`, `dS = P * (dY V^T - <Y, dY>)`, `dQ = dS K / sqrt(c)` and `dK = dS^T Q / sqrt(c)` in each head."""
    q, k, v, *ps = map(xp.widened, (cache.q, cache.k, cache.v, *cache.p))
    dcolumns: Any  # an array, for it is wanted
    dcolumns, of_out = affine.backward(xp, cache.out, dout, True)
    y, dy = (in_heads(xp, each, q.shape[-3]) for each in (cache.out.x, dcolumns))
    means = xp.dot_last(y, dy)
    dqs, dks, dvs = list[Array](), list[Array](), list[Array]()
    for (rows, seen), p in zip(xp.blocks(q.shape[-2], causal), ps, strict=True):
        ds: Array = dy[..., rows, :] @ xp.matrix_transpose(v[..., seen, :])
        ds -= means[..., rows, :]
        ds *= p
        dqs.append(ds @ k[..., seen, :])
        dks.append(xp.matrix_transpose(ds) @ q[..., rows, :])
        dvs.append(xp.matrix_transpose(p) @ dy[..., rows, :])
    dq, dk, dv = xp.times(xp.concat(dqs, axis=-2), scale(q)), summed(dks), summed(dvs)
    if rotary:
        dq, dk = turned(xp, dq, BASE, -1), turned(xp, dk, BASE, -1)
    dqkv = in_columns(xp, xp.concat((dq, dk, dv), axis=-3), dout)
    dx, of_qkv = affine.backward(xp, cache.qkv, dqkv, wants_dx)
    return dx, _gradients(of_qkv, of_out)


def summed(parts: list[Array]) -> Array:
    """The sum of (..., n, c) of different n, the last of which is the largest: to the rows of a slice, and 0 beyond."""
    *others, total = parts
    for part in others:
        total[..., : part.shape[-2], :] += part
    return total


def scale(q: Array) -> float:
    """`1 / sqrt(c)`, where a head has any columns."""
    return 1 / math.sqrt(max(q.shape[-1], 1))


def operations(params: Attention, x: Shape, out: Shape) -> tuple[int, int]:
    """Of the four affine maps, and in each head two products of (t, t) forward and four backward."""
    rows, t, e = math.prod(x[:-1]), x[-2], params.out.W.shape[0]
    maps, between = 2 * rows * (3 * e * x[-1] + e * out[-1]), 2 * rows * t * e
    return maps + 2 * between, 2 * maps + 4 * between


def to_onnx(graph: OnnxGraph, params: Attention, x: str, **options: Any) -> str:
    """Between the two maps of the parameters."""
    return attended(graph, params.qkv, params.out, x, **options)


def attention(
    heads: int, causal: bool = False, mask: Mask | None = None, rotary: bool = False
) -> Layer[Attention, AttentionCache]:
    """Make a layer of self-attention.

    Parameters
    ----------
    heads
        How many, at least 1: they divide the e columns of a third of `qkv`.
    causal
        Whether a position attends to itself and those before it alone.
    mask
        (t, t), or (..., t, t) with a mask for each sequence, of truth values: True where the position of the row may
        attend to that of the column, in all heads. With `causal` too, both must allow it.
    rotary
        Whether queries and keys are turned as by `rotary()`, in each head.

    Returns
    -------
    Layer
        Its parameters are an `Attention`; (..., t, d) to (..., t, m). With a mask for each sequence it couples rows:
        which mask a sequence gets depends on its place.

    Raises
    ------
    ValueError
        If `heads` is less than 1, or the mask is not square.
    TypeError
        If `heads` is no integer, `causal` or `rotary` is no truth value, or the mask is no array of truth values.

    Examples
    --------
    >>> from chainrule import attention
    >>> attention(8, causal=True)
    Layer(attention(heads=8, causal=True, mask=None, rotary=False))
    """
    count = size("attention", "heads", heads, least=1)
    causal, rotary = truth("attention", "causal", causal), truth("attention", "rotary", rotary)
    if mask is not None and "bool" not in str(getattr(mask, "dtype", "")):
        raise TypeError(f"attention: mask must be an array of truth values, got {describe(mask)}{conversion(mask)}")
    if is_numpy(mask) and not is_plain(mask):
        raise TypeError(f"attention: mask must be a plain array, got {type(mask).__name__}: convert it first")
    if mask is not None and (mask.ndim < 2 or mask.shape[-1] != mask.shape[-2]):
        raise ValueError(f"attention: mask must be (t, t) or (..., t, t), got shape {tuple(mask.shape)}")
    held, each = own(mask), mask is not None and mask.ndim > 2
    go = partial(forward, heads=count, causal=causal, mask=held, rotary=rotary)
    back, fit = partial(backward, causal=causal, rotary=rotary), partial(fits, count, held, rotary)
    onnx = partial(to_onnx, heads=count, causal=causal, mask=held, base=BASE if rotary else None)
    return layer(
        "attention",
        Attention,
        go,
        back,
        fit,
        quiet=True,
        couples_rows=each,
        event_axes=2,
        operations=operations,
        onnx=onnx,
    )
