"""The gated recurrent unit: at each step, gates choose how much of the state is kept and how much is new.

    a = x W + b        e = h U + c
    r = sigmoid(a_r + e_r)        z = sigmoid(a_z + e_z)        n = tanh(a_n + r * e_n)
    h' = (1 - z) * n + z * h        (* entry by entry)

This is one step, from the state h to h', 0 before the first. Here x (n, d) is one step of the input (n, t, d), and h'
(n, h) one of the output (n, t, h), of h units. The columns of a and e are three blocks, of the reset gate r, the update
gate z and the new content n, in this order; so are those of W (d, 3h), U (h, 3h), b and c (3h,). (Cho and others,
Learning phrase representations using RNN encoder-decoder, 2014.) There the reset gate multiplies h, before the product
with U; here it multiplies e_n, after it, as in torch, so that one product serves all gates. Therefore c stands beside
b.

**Derivation.** Take differentials in one step:

    da = dx W + x dW + 1 db        de = dh U + h dU + 1 dc
    dh' = (1 - z) * dn + (h - n) * dz + z * dh
    dn = (1 - n^2) * (da_n + r * de_n + e_n * dr)
    dz = z * (1 - z) * (da_z + de_z)        dr = r * (1 - r) * (da_r + de_r)

L depends on h' in two ways, through the output and through the next step. Let p' be what the next step hands back, its
derivative with respect to h', 0 at the last; and u both together. Moving each factor to the other side of its inner
product gives w, the derivative with respect to a, in its three blocks:

    u = dout + p'
    w_n = u * (1 - z) * (1 - n^2)
    w_z = u * (h - n) * z * (1 - z)
    w_r = w_n * e_n * r * (1 - r)

That with respect to e, y, differs in one block:

    y_r = w_r        y_z = w_z        y_n = r * w_n

The step hands back, to the one before,

    p = y U^T + u * z

so that all is known from the last step to the first, backward through time. The parameters are the same at all steps,
and meet the derivatives of all of them:

    dx = w W^T        dW = sum(x^T w)        dU = sum(h^T y)        db = sum(1^T w)        dc = sum(1^T y)

where the sums are over the steps.

**To remember:** what is kept of the state going forward, z of it, is kept of its derivative coming back: where the gate
stays close to 1, gradients do not vanish.

**Numerics.** As in `lstm`: 1 - z is computed for itself, as sigmoid of minus its argument, and slopes keep their
relative precision however far a gate is open or closed. float16 is computed in float32 and rounded at the end.

Special values: where an infinity in x is multiplied by weights of both signs, or by 0, the result is nan. A nan stays
in its example, in the steps from its own on; going back it reaches all steps of the example, and the parameters.

**From and to torch.** For `torch.nn.GRU(d, h, batch_first=True)`, whose gates have the same order,

| here | there |
|---|---|
| `W` | `weight_ih_l0.T` |
| `U` | `weight_hh_l0.T` |
| `b` | `bias_ih_l0` |
| `c` | `bias_hh_l0` |

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.GRU` | `keras.layers.GRU` | `flax.nnx.RNN(flax.nnx.GRUCell)` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Gru, gru
>>> params = Gru(W=np.zeros((1, 3)), U=np.zeros((1, 3)), b=np.array([0.0, 0.0, 50.0]), c=np.zeros(3))
>>> out, cache = gru.forward(params, np.zeros((1, 3, 1)))  # half of the state is kept, and half is 1
>>> out.tolist()
[[[0.5], [0.75], [0.875]]]
>>> dx, grads = gru.backward(cache, np.array([[[0.0], [0.0], [1.0]]]))
>>> grads.b[1].item()  # a larger z would have kept more of a state that is too small
-0.1875
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.types import Generator
from chainrule.initializers.fresh import Initializer, filled
from chainrule.layers.recurrent.gates import drawn_gates, slope_of_tanh, well_gated
from chainrule.layers.recurrent.onnx import recurrent
from chainrule.layers.recurrent.steps import before, by_example, by_step, fits_steps
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, layer, record, unchecked
from chainrule.rules.in_torch import InTorch, Weight, transposed


@frozen(eq=False)
@record
class Gru:
    """The parameters of `gru`, and their gradients.

    Parameters
    ----------
    W
        (d, 3 h): weights of the inputs, a block of h columns for each of r, z and n, in this order.
    U
        (h, 3 h): weights of the outputs of the step before.
    b
        (3 h,): the bias beside W.
    c
        (3 h,): the bias beside U, which the reset gate multiplies in the block of n.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Gru
    >>> Gru(W=np.ones((3, 6)), U=np.ones((2, 6)), b=np.zeros(6), c=np.zeros(6))
    Gru(W=f64[3, 6], U=f64[2, 6], b=f64[6], c=f64[6])
    """

    W: Array
    U: Array
    b: Array
    c: Array
    in_torch: ClassVar[InTorch] = {
        "weight_ih_l0": Weight("W", transposed),
        "weight_hh_l0": Weight("U", transposed),
        "bias_ih_l0": Weight("b"),
        "bias_hh_l0": Weight("c"),
    }

    def __attrs_post_init__(self) -> None:
        well_gated("Gru", 3, self.W, self.U, b=self.b, c=self.c)

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_in: int,
        n_hidden: int,
        *,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Gru":
        """Draw weights; the biases are zero.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_in, n_hidden
            The numbers of inputs d and of units h.
        std
            The standard deviation of normal weights, of W and U.
        weights
            An initializer in its place, such as `chainrule.initializers.glorot_uniform`. By default
            `lecun_normal` for W and `orthogonal` for U. Each gate's block is drawn for itself.
        dtype
            A floating-point dtype.

        Returns
        -------
        Gru
            Fresh parameters.

        Raises
        ------
        ValueError
            If a size is less than 1, or `std` is negative or not finite.
        TypeError
            If `rng` is no Generator, a size is no integer, the dtype is not floating-point, or both `std` and `weights`
            are given.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule import Gru
        >>> Gru.init(np.random.default_rng(0), 10, 2)
        Gru(W=f32[10, 6], U=f32[2, 6], b=f32[6], c=f32[6])
        """
        W, U = drawn_gates("Gru.init", 3, rng, n_in, n_hidden, weights, std, dtype)
        b, c = (filled("Gru.init", 0, dtype, n_hidden=U.shape[1]) for _ in range(2))
        return cls(W, U, b, c)


@frozen(eq=False)
@record
class GruCache:
    """The cache of `gru`: the input, the weights, the output, and what its derivatives are multiplied by.

    That is `z`, (t, n, h), for the output before, `of_n`, (n, t, h), and `of_e`, (t, n, 3 h), for what the gates are
    functions of.
    """

    x: Array
    W: Array
    U: Array
    out: Array
    z: Array
    of_n: Array
    of_e: Array


_saved = unchecked(GruCache)
_gradients = unchecked(Gru)


def forward(xp: Namespace, params: Gru, x: Array) -> tuple[Array, GruCache]:
    """`h' = (1 - z) * n + z * h` at each step: x (..., t, d) to out (..., t, h)."""
    W, U, b, c = map(xp.widened, (params.W, params.U, params.b, params.c))
    h, t = U.shape[0], x.shape[-2]
    a = xp.plus(xp.matmul(by_step(xp, x), W), b)

    def steps() -> Iterator[tuple[Array, ...]]:
        out = xp.zeros_like(a[0, :, :h])
        for s in range(t):
            e = xp.plus(xp.matmul(out, U), c)
            gates, rests = xp.sigmoid(a[s, :, : 2 * h] + e[:, : 2 * h])
            r, z, e_n = gates[:, :h], gates[:, h:], e[:, 2 * h :]
            sum_n: Array = a[s, :, 2 * h :] + r * e_n
            n = xp.tanh(sum_n)
            out = rests[:, h:] * n + z * out
            yield gates, rests, z, e_n, sum_n, n, out

    gates, rests, z, e_n, sum_n, n, out = xp.gathered(range(t), steps())
    slopes, r = gates * rests, gates[:, :, :h]
    of_n = rests[:, :, h:] * slope_of_tanh(xp, sum_n)
    of_r, of_z = of_n * e_n * slopes[:, :, :h], (before(xp, out) - n) * slopes[:, :, h:]
    of_e = xp.concat([of_r, of_z, of_n * r], axis=2)
    saved = [xp.read_only(xp.astype(each, x)) for each in (out, z, of_n, of_e)]
    return by_example(xp, saved[0], x.shape[:-2]), _saved(xp.own(x), params.W, params.U, *saved)


def backward(xp: Namespace, cache: GruCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Gru]:
    """From the last step to the first, `u = dout + p'`, and `w` and `y` in their blocks."""
    x, douts = by_step(xp, cache.x), by_step(xp, dout)
    W, U, out, z, of_n, of_e = map(xp.widened, (cache.W, cache.U, cache.out, cache.z, cache.of_n, cache.of_e))
    order, back = range(x.shape[0])[::-1], xp.row_by_row(U.T)

    def steps() -> Iterator[tuple[Array, Array]]:
        p = xp.zeros_like(douts[0, :, :])
        for s in order:
            u = douts[s, :, :] + p
            y = xp.times(of_e[s, :, :], xp.concat([u, u, u], axis=1))
            yield u, y
            p = xp.matmul(y, back) + u * z[s, :, :]

    u, y = xp.gathered(order, steps())
    w = xp.concat([y[:, :, : -z.shape[-1]], u * of_n], axis=2)
    grads = (xp.matmul_rows(x, w), xp.matmul_rows(before(xp, out), y), xp.sum_rows(w), xp.sum_rows(y))
    dx = xp.astype(by_example(xp, xp.matmul(w, W.T), cache.x.shape[:-2]), dout) if wants_dx else None
    return dx, _gradients(*(xp.astype(each, dout) for each in grads))


def operations(params: Gru, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and step, and 34 for each unit; backward twice the products, and 7 for each unit."""
    products = 2 * math.prod(x[:-1]) * (x[-1] + out[-1]) * 3 * out[-1]
    return products + 34 * math.prod(out), 2 * products + 7 * math.prod(out)


def to_onnx(graph: OnnxGraph, params: Gru, x: str) -> str:
    """The operator, whose gates are in the order z, r, n, and which is to reset after the product."""
    W, U, b, c = params.W, params.U, params.b, params.c
    return recurrent("GRU", (1, 0, 2), graph, x, W, U, b, c, linear_before_reset=1)


gru: Layer[Gru, GruCache] = layer(
    "gru",
    Gru,
    forward,
    backward,
    partial(fits_steps, "gru"),
    quiet=True,
    event_axes=2,
    operations=operations,
    onnx=to_onnx,
)
"""The outputs of a gated recurrent unit at all steps, (..., t, d) to (..., t, h); its parameters are a `Gru`."""
