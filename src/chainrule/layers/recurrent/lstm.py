"""The long short-term memory: at each step, gates choose what a cell forgets, takes in and shows.

    a = x W + h U + b
    i = sigmoid(a_i)        f = sigmoid(a_f)        g = tanh(a_g)        o = sigmoid(a_o)
    c' = f * c + i * g        (* entry by entry)
    h' = o * tanh(c')

This is one step, from the state (h, c) to (h', c'), both 0 before the first. Here x (n, d) is one step of the input
(n, t, d), and h' (n, h) one of the output (n, t, h), of h units. The columns of a (n, 4h) are four blocks, of the input
gate i, the forget gate f, the new content g and the output gate o, in this order; so are those of W (d, 4h), U (h, 4h)
and b (4h,). (Hochreiter and Schmidhuber, Long short-term memory, 1997, with the forget gate of Gers, Schmidhuber and
Cummins, Learning to forget, 2000.)

**Derivation.** Take differentials in one step:

    da = dx W + x dW + dh U + h dU + 1 db
    dc' = f * dc + c * df + g * di + i * dg
    dh' = o * (1 - tanh(c')^2) * dc' + tanh(c') * do
    di = i * (1 - i) * da_i        dg = (1 - g^2) * da_g

and df and do as di. L depends on h' in two ways, through the output and through the next step, and so it does on c',
through h' and through the next step. Let the next step hand back p', its derivative with respect to h', and q', that
with respect to c'; both are 0 at the last. With both ways together, u with respect to h' and v with respect to c',

    u = dout + p'        v = u * o * (1 - tanh(c')^2) + q'

Move the factors in da to the other side of their inner products, and r, the derivative with respect to a, is

    r_i = v * g * i * (1 - i)        r_f = v * c * f * (1 - f)
    r_g = v * i * (1 - g^2)        r_o = u * tanh(c') * o * (1 - o)

in its four blocks. With it the step hands back, to the one before,

    p = r U^T        q = v * f

so that all is known from the last step to the first, backward through time. W, U and b are the same at all steps, and
meet the derivatives of all of them:

    dx = r W^T        dW = sum(x^T r)        dU = sum(h^T r)        db = sum(1^T r)

where the sums are over the steps.

**Why gradients vanish, and why not here.** A plain recurrent layer, h' = tanh(x W + h U), hands back p = r U^T with r =
u * (1 - h'^2): the derivative is multiplied by the same matrix and by slopes below 1 at every step, so that k steps
back it is smaller, or larger, by the k-th power of a number. A cell hands back q = v * f: it is multiplied by a gate,
which the network sets for itself, and which may stay close to 1.

**To remember:** the derivative of a cell is multiplied by its forget gate at each step back: what is not forgotten
going forward is not forgotten coming back.

**Numerics.** The slope s (1 - s) of a gate is made of s and of e = 1 - s, which is computed for itself, as sigmoid(-a).
So is that of tanh, of s and e at 2 a:

    1 - tanh(a)^2 = 4 s e

Both keep their relative precision however far a gate is open or closed. float16 is computed in float32 and rounded at
the end.

Special values: where an infinity in x is multiplied by weights of both signs, or by 0, the result is nan. A nan stays
in its example, in the steps from its own on; going back it reaches all steps of the example, and the parameters.

**From and to torch.** For `torch.nn.LSTM(d, h, batch_first=True)`, whose gates have the same order,

| here | there |
|---|---|
| `W` | `weight_ih_l0.T` |
| `U` | `weight_hh_l0.T` |
| `b` | `bias_ih_l0 + bias_hh_l0` |

Of torch's two biases only the sum matters; the second is 0 on the way there.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.LSTM` | `keras.layers.LSTM` | `flax.nnx.RNN(flax.nnx.OptimizedLSTMCell)` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Lstm, lstm
>>> params = Lstm(W=np.zeros((1, 4)), U=np.zeros((1, 4)), b=np.array([100.0, 100.0, 0.5, 100.0]))
>>> out, cache = lstm.forward(params, np.zeros((1, 3, 1)))  # all gates are open: tanh(0.5) is added three times
>>> out.round(4).tolist() == np.tanh(np.tanh(0.5) * np.array([[[1.0], [2.0], [3.0]]])).round(4).tolist()
True
>>> grads = lstm.grads(cache, np.array([[[0.0], [0.0], [1.0]]]))
>>> grads.b.round(4).tolist()  # three steps went into the last output
[0.0, 0.0, 0.5224, 0.0]
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import number
from chainrule.arrays.types import Generator
from chainrule.initializers.fresh import Initializer
from chainrule.layers.recurrent.gates import drawn_gates, slope_of_tanh, well_gated
from chainrule.layers.recurrent.onnx import recurrent
from chainrule.layers.recurrent.steps import before, by_example, by_step, fits_steps
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, layer, record, unchecked
from chainrule.rules.in_torch import InTorch, Weight, second_term, transposed


@frozen(eq=False)
@record
class Lstm:
    """The parameters of `lstm`, and their gradients.

    Parameters
    ----------
    W
        (d, 4 h): weights of the inputs, a block of h columns for each gate, in the order i, f, g, o.
    U
        (h, 4 h): weights of the outputs of the step before.
    b
        (4 h,): the bias.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Lstm
    >>> Lstm(W=np.ones((3, 8)), U=np.ones((2, 8)), b=np.zeros(8))
    Lstm(W=f64[3, 8], U=f64[2, 8], b=f64[8])
    """

    W: Array
    U: Array
    b: Array
    in_torch: ClassVar[InTorch] = {
        "weight_ih_l0": Weight("W", transposed),
        "weight_hh_l0": Weight("U", transposed),
        "bias_ih_l0": Weight("b"),
        "bias_hh_l0": Weight("b", second_term),
    }

    def __attrs_post_init__(self) -> None:
        well_gated("Lstm", 4, self.W, self.U, b=self.b)

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_in: int,
        n_hidden: int,
        *,
        forget_bias: float = 1.0,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Lstm":
        """Draw weights; the bias is zero, and one at the forget gates.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_in, n_hidden
            The numbers of inputs d and of units h.
        forget_bias
            The bias of the forget gates. With 1 a fresh cell forgets a quarter at each step; with 0, as in torch, half,
            and gradients reach less far back (Jozefowicz, Zaremba and Sutskever, An empirical exploration of recurrent
            network architectures, 2015).
        std
            The standard deviation of normal weights, of W and U.
        weights
            An initializer in its place, such as `chainrule.initializers.glorot_uniform`. By default
            `lecun_normal` for W and `orthogonal` for U. Each gate's block is drawn for itself.
        dtype
            A floating-point dtype.

        Returns
        -------
        Lstm
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
        >>> from chainrule import Lstm
        >>> params = Lstm.init(np.random.default_rng(0), 10, 2)
        >>> params, params.b.tolist()
        (Lstm(W=f32[10, 8], U=f32[2, 8], b=f32[8]), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
        """
        W, U = drawn_gates("Lstm.init", 4, rng, n_in, n_hidden, weights, std, dtype)
        forget = number("Lstm.init", "forget_bias", forget_bias, least=-math.inf)
        return cls(W, U, np.repeat(np.array([0, forget, 0, 0], W.dtype), U.shape[0]))


@frozen(eq=False)
@record
class LstmCache:
    """The cache of `lstm`: the input, the weights, the output, and what its derivatives are multiplied by.

    That is `f` and `of_c`, (t, n, h), for the cells, and `of_a`, (t, n, 4 h), for what the gates are functions of.
    """

    x: Array
    W: Array
    U: Array
    out: Array
    f: Array
    of_c: Array
    of_a: Array


_saved = unchecked(LstmCache)
_gradients = unchecked(Lstm)


def forward(xp: Namespace, params: Lstm, x: Array) -> tuple[Array, LstmCache]:
    """`c' = f * c + i * g` and `h' = o * tanh(c')` at each step: x (..., t, d) to out (..., t, h)."""
    h, t = params.U.shape[0], x.shape[-2]
    one, new = xp.ones_like(xp.widened(params.b)[:h]), slice(2 * h, 3 * h)
    twice = xp.concat([one, one, one + one, one])  # of 2 a, in the block of g, the sigmoid has the slope of tanh
    W, U, b = (xp.widened(each) * twice for each in (params.W, params.U, params.b))
    of_x = xp.plus(xp.matmul(by_step(xp, x), W), b)

    def steps() -> Iterator[tuple[Array, ...]]:
        out = c = xp.zeros_like(of_x[0, :, :h])
        for s in range(t):
            a = xp.plus(xp.matmul(out, U), of_x[s, :, :])
            gates, rests = xp.sigmoid(a)
            slopes = xp.times(rests, gates)
            i, f, o = gates[:, :h], gates[:, h : 2 * h], gates[:, 3 * h :]
            g = xp.tanh(a[:, new] / 2)
            earlier, c = c, f * c + i * g
            tanh_c = xp.tanh(c)
            out = o * tanh_c
            of_c = o * slope_of_tanh(xp, c)
            yield out, f, of_c, xp.times(slopes, xp.concat([g, earlier, 4 * i, tanh_c], axis=1))

    out, f, of_c, of_a = xp.gathered(range(t), steps())
    saved = [xp.read_only(xp.astype(each, x)) for each in (out, f, of_c, of_a)]
    return by_example(xp, saved[0], x.shape[:-2]), _saved(xp.own(x), params.W, params.U, *saved)


def backward(xp: Namespace, cache: LstmCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Lstm]:
    """From the last step to the first, `v = u * o * (1 - tanh(c')^2) + q'`, and `r` in its blocks."""
    x, douts = by_step(xp, cache.x), by_step(xp, dout)
    W, U, out, f, of_c, of_a = map(xp.widened, (cache.W, cache.U, cache.out, cache.f, cache.of_c, cache.of_a))
    order, back = range(x.shape[0])[::-1], xp.row_by_row(U.T)

    def steps() -> Iterator[tuple[Array]]:
        p = q = xp.zeros_like(douts[0, :, :])
        for s in order:
            u = douts[s, :, :] + p
            v = u * of_c[s, :, :] + q
            r = xp.times(of_a[s, :, :], xp.concat([v, v, v, u], axis=1))
            yield (r,)
            p, q = xp.matmul(r, back), v * f[s, :, :]

    (r,) = xp.gathered(order, steps())
    grads = (xp.matmul_rows(x, r), xp.matmul_rows(before(xp, out), r), xp.sum_rows(r))
    dx = xp.astype(by_example(xp, xp.matmul(r, W.T), cache.x.shape[:-2]), dout) if wants_dx else None
    return dx, _gradients(*(xp.astype(each, dout) for each in grads))


def operations(params: Lstm, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and step, and 44 for each unit; backward twice the products, and 8 for each unit."""
    products = 2 * math.prod(x[:-1]) * (x[-1] + out[-1]) * 4 * out[-1]
    return products + 44 * math.prod(out), 2 * products + 8 * math.prod(out)


def to_onnx(graph: OnnxGraph, params: Lstm, x: str) -> str:
    """The operator, whose gates are in the order i, o, f, g; its second bias is 0."""
    W, U, b = params.W, params.U, params.b
    return recurrent("LSTM", (0, 3, 1, 2), graph, x, W, U, b, 0 * b)


lstm: Layer[Lstm, LstmCache] = layer(
    "lstm",
    Lstm,
    forward,
    backward,
    partial(fits_steps, "lstm"),
    quiet=True,
    event_axes=2,
    operations=operations,
    onnx=to_onnx,
)
"""The outputs of a long short-term memory at all steps, (..., t, d) to (..., t, h); its parameters are an `Lstm`."""
