"""Convolutions: the same weighted sum over every window of positions; and the transpose, which spreads over windows.

    convolution(x) = windows(x) W + 1 b
    convolution_transpose(x) = fold(x V^T) + 1 b

where x is (n, ..., c), with one, two or three spatial axes between examples and channels, and windows(x) has a row for
each window: the channels of all positions in it. fold is the transpose of windows, and V is W with its channels in and
out exchanged. (LeCun and others, Backpropagation applied to handwritten zip code recognition, 1989; the transpose by
Zeiler and others, Deconvolutional networks, 2010.)

**Derivation.** On one axis, with one channel in and out and a stride of 1, window p begins at position p:

    out_p = sum_k(x_(p + k) w_k) + b
    d(out_p) = sum_k(dx_(p + k) w_k) + sum_k(x_(p + k) dw_k) + db

Let L be the scalar at the end:

    dL = sum_p(dout_p d(out_p))

Position q lies in the windows p = q - k, at place k of each. So collect by position and not by window, and read off

    dx_q = sum_k(dout_(q - k) w_k)        dw_k = sum_p(x_(p + k) dout_p)        db = sum_p(dout_p)

The same as a product. Write the windows as rows of a matrix, windows(x), with x_(p + k) in row p and column k. With
c channels, x_(p + k) stands for c numbers side by side, w_k for a matrix (c, m), and W for these one below the other:

    out = windows(x) W + 1 b        windows(x) (p, size c)        W (size c, m)        out (p, m)

Copying positions into windows is linear. Its transpose, fold, adds each number up where it was copied from, so that
<Z, windows(x)> = <fold(Z), x> for any Z: a gather and a scatter. The rest is as in `affine`:

    dL = <dout, windows(dx) W> + <dout, windows(x) dW> + <dout, 1 db>
       = <fold(dout W^T), dx> + <windows(x)^T dout, dW> + <1^T dout, db>

and therefore

    dx = fold(dout W^T)        dW = windows(x)^T dout        db = 1^T dout

Stride, dilation, padding and more axes say which positions a window holds, and groups which channels; the rows are
others, and nothing else changes.

**The transpose**, `convolution_transpose`, goes forward as dx above. Its W takes the channels of x and gives those of
the output. V, in which the two are exchanged, is the W of the convolution from the output to x, by whose windows it is
spread:

    out = fold(x V^T) + 1 b
    dL = <dout, fold(dx V^T)> + <dout, fold(x dV^T)> + <dout, 1 db>
       = <windows(dout) V, dx> + <windows(dout)^T x, dV> + <1^T dout, db>

so that

    dx = windows(dout) V        dV = windows(dout)^T x        db = 1^T dout

Each goes forward as the other comes back. The two form an adjoint pair, as `windows` and `fold` do.

**To remember:** a position gets its derivative back from every window that it lay in, by the weight that it had there.

**Numerics.** Numbers of 16 bits are multiplied and summed in 32.

Special values: an infinity or a nan is in the output of every window that holds it, whatever its weight. The zeros
around x are numbers like any others.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `convolution` | `torch.nn.Conv2d` | `keras.layers.Conv2D` | `flax.nnx.Conv` |
| `convolution_transpose` | `torch.nn.ConvTranspose2d` | `keras.layers.Conv2DTranspose` | `flax.nnx.ConvTranspose` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Convolution, convolution, convolution_transpose
>>> difference = Convolution(W=np.array([[[-1.0]], [[1.0]]]), b=np.zeros(1))
>>> x = np.array([[[1.0], [4.0], [9.0], [16.0]]])
>>> out, cache = convolution(padding="valid").forward(difference, x)
>>> out.ravel()
array([3., 5., 7.])
>>> dx, grads = convolution(padding="valid").backward(cache, np.ones((1, 3, 1)))
>>> dx.ravel(), grads.W.ravel()
(array([-1.,  0.,  0.,  1.]), array([14., 29.]))
>>> convolution_transpose(padding="valid").forward(difference, np.ones((1, 3, 1)))[0].ravel()
array([-1.,  0.,  0.,  1.])
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

from attrs import frozen

from chainrule.arrays.arguments import size
from chainrule.arrays.spatial import Each, axes_of, sizes
from chainrule.layers.convolution import onnx as written
from chainrule.layers.convolution.kernel import TRANSPOSE_IN_TORCH, Convolution
from chainrule.layers.convolution.options import TRANSPOSE, Options, Padding, fits, padding_of, windows_of
from chainrule.rules import Array, Layer, Namespace, Shape, layer, record, unchecked
from chainrule.rules.in_torch import InTorch


@frozen(eq=False)
@record
class ConvolutionCache:
    """The cache of a convolution or its transpose: the input, and the weights of the forward pass."""

    x: Array
    W: Array


_saved = unchecked(ConvolutionCache)
_gradients = unchecked(Convolution)


def forward(xp: Namespace, params: Convolution, x: Array, **options: Unpack[Options]) -> tuple[Array, ConvolutionCache]:
    """`out = windows(x) W + b`: (n, ..., c) to (n, ..., m)."""
    at = windows_of("convolution", x.shape, params.W.shape, **options)
    out = xp.windowed(xp.widened(x), xp.widened(params.W), at)
    return xp.astype(xp.plus(out, params.b), x), _saved(xp.own(x), params.W)


def backward(
    xp: Namespace, cache: ConvolutionCache, dout: Array, wants_dx: bool, **options: Unpack[Options]
) -> tuple[Array | None, Convolution]:
    """`dx = fold(dout W^T)`, `dW = windows(x)^T dout` and `db = 1^T dout`."""
    at = windows_of("convolution", cache.x.shape, cache.W.shape, **options)
    x, W, wide = map(xp.widened, (cache.x, cache.W, dout))
    dx, dW = xp.of_windowed(x, W, wide, at, wants_dx)
    grads = _gradients(xp.astype(dW, dout), xp.astype(xp.sum_rows(wide), dout))
    return None if dx is None else xp.astype(dx, dout), grads


def forward_transpose(
    xp: Namespace, params: Convolution, x: Array, **options: Unpack[Options]
) -> tuple[Array, ConvolutionCache]:
    """`out = fold(x V^T) + b`: (n, ..., c) to (n, ..., m)."""
    at = windows_of(TRANSPOSE, x.shape, params.W.shape, **options)
    out = xp.folded(xp.widened(x), xp.matrix_transpose(xp.widened(params.W)), at)
    return xp.astype(xp.plus(out, params.b), x), _saved(xp.own(x), params.W)


def backward_transpose(
    xp: Namespace, cache: ConvolutionCache, dout: Array, wants_dx: bool, **options: Unpack[Options]
) -> tuple[Array | None, Convolution]:
    """`dx = windows(dout) V`, `dV = windows(dout)^T x` and `db = 1^T dout`."""
    at = windows_of(TRANSPOSE, cache.x.shape, cache.W.shape, **options)
    x, W, wide = map(xp.widened, (cache.x, cache.W, dout))
    dx, dV = xp.of_folded(x, xp.matrix_transpose(W), wide, at, wants_dx)
    grads = _gradients(xp.astype(xp.matrix_transpose(dV), dout), xp.astype(xp.sum_rows(wide), dout))
    return None if dx is None else xp.astype(dx, dout), grads


def operations(params: Convolution, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and window forward, twice as many backward, half of them for dx."""
    forward = 2 * math.prod(params.W.shape[:-1]) * math.prod(out)
    return forward, 2 * forward


def operations_of_transpose(params: Convolution, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and position of x forward, twice as many backward."""
    forward = 2 * math.prod(params.W.shape) * math.prod(x[:-1])
    return forward, 2 * forward


def convolution(
    stride: Each = 1, padding: Padding = "same", dilation: Each = 1, groups: int = 1
) -> Layer[Convolution, ConvolutionCache]:
    """Make a layer that takes the same weighted sums of every window of positions, in one to three spatial axes.

    Parameters
    ----------
    stride
        How many positions lie between the beginnings of two windows: an integer >= 1, or one for each spatial axis.
    padding
        The zeros around x: "same", as many as it takes for n / stride outputs, rounded up, the odd one after; "valid",
        none; an integer, so many on every side; or a tuple with an integer or a pair (before, after) for each spatial
        axis.
    dilation
        How many positions lie between two places in a window; likewise.
    groups
        In how many groups of neighbouring channels x and the output are divided: each output sees its group alone.
        As many as channels make a depthwise convolution.

    Returns
    -------
    Layer
        Its parameters are a `Convolution`, whose number of axes says how many are spatial; (n, ..., c) to (n, ..., m).

    Raises
    ------
    ValueError
        If an option is too small, a padding unknown, or tuples are not for one number of axes, from 1 to 3.
    TypeError
        If an option is no integer, or no tuple of them.

    Notes
    -----
    **From and to torch.** The weights of torch's modules are the same numbers, with their axes in another order:

    | there | `W` here | `b` here | x there |
    |---|---|---|---|
    | `Conv1d` | `weight.permute(2, 1, 0)` | `bias` | (n, channels, size) |
    | `Conv2d` | `weight.permute(2, 3, 1, 0)` | `bias` | (n, channels, height, width) |
    | `Conv3d` | `weight.permute(2, 3, 4, 1, 0)` | `bias` | (n, channels, depth, height, width) |

    and back by `permute(2, 1, 0)`, `permute(3, 2, 0, 1)` and `permute(4, 3, 0, 1, 2)`. With a stride, torch has no
    "same".

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Convolution, convolution
    >>> layer, params = convolution(stride=2), Convolution.init(np.random.default_rng(0), 3, 16, 3)
    >>> layer
    Layer(convolution(stride=2, padding='same', dilation=1, groups=1))
    >>> layer.forward(params, np.ones((8, 9, 9, 3), np.float32))[0].shape
    (8, 5, 5, 16)
    """
    options = Options(
        stride=sizes("convolution", "stride", stride, least=1),
        padding=padding_of("convolution", padding),
        dilation=sizes("convolution", "dilation", dilation, least=1),
        groups=size("convolution", "groups", groups, least=1),
    )
    return _layer("convolution", options, forward, backward, operations, written.convolution)


def convolution_transpose(stride: Each = 1, padding: Padding = "same") -> Layer[Convolution, ConvolutionCache]:
    """Make the transpose of a convolution: each position is spread over a window, by the weights of its places.

    It goes forward as a convolution from its output to its input comes back, and upsamples by its stride.

    Parameters
    ----------
    stride
        How many positions lie between the beginnings of two windows of the output: an integer >= 1, or one for each
        spatial axis.
    padding
        What is cut off the output, as that convolution adds it: "same", what leaves n stride outputs of n positions,
        the odd one after (where windows are smaller than the stride, no output is cut, and those between them are the
        bias); "valid", nothing, for (n - 1) stride + size outputs; an integer, so many on every side; or a tuple with
        an integer or a pair (before, after) for each spatial axis.

    Returns
    -------
    Layer
        Its parameters are a `Convolution` with W (*size, in, out), its own channels in and out; (n, ..., c) to
        (n, ..., m).

    Raises
    ------
    ValueError
        If an option is too small, a padding unknown, or tuples are not for one number of axes, from 1 to 3.
    TypeError
        If an option is no integer, or no tuple of them.

    Notes
    -----
    **From and to torch.** The `weight` of torch's modules is (in, out, ...):

    | there | `W` here | `b` here |
    |---|---|---|
    | `ConvTranspose1d` | `weight.permute(2, 0, 1)` | `bias` |
    | `ConvTranspose2d` | `weight.permute(2, 3, 0, 1)` | `bias` |
    | `ConvTranspose3d` | `weight.permute(2, 3, 4, 0, 1)` | `bias` |

    and back by `permute(1, 2, 0)`, `permute(2, 3, 0, 1)` and `permute(3, 4, 0, 1, 2)`. A `padding` of torch's is the
    same integer here, without `output_padding`. A `Convolution` does not know that it goes into a transpose:
    `chainrule.interop.torch.from_state_dict` sees it by `network=`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Convolution, convolution_transpose
    >>> layer, params = convolution_transpose(stride=2), Convolution.init(np.random.default_rng(0), 16, 3, 4)
    >>> layer.forward(params, np.ones((8, 5, 5, 16), np.float32))[0].shape
    (8, 10, 10, 3)
    """
    options = Options(stride=sizes(TRANSPOSE, "stride", stride, least=1), padding=padding_of(TRANSPOSE, padding))
    go, back, count = forward_transpose, backward_transpose, operations_of_transpose
    return _layer(TRANSPOSE, options, go, back, count, written.convolution_transpose, TRANSPOSE_IN_TORCH)


def _layer(
    owner: str,
    options: Options,
    go: Callable[..., Any],
    back: Callable[..., Any],
    operations: Any,
    to_onnx: Callable[..., str],
    in_torch: InTorch | None = None,
) -> Layer[Convolution, ConvolutionCache]:
    axes_of(owner, **options)
    made = partial(go, **options), partial(back, **options), partial(fits, owner, options)
    onnx = partial(to_onnx, options)
    return layer(owner, Convolution, *made, quiet=True, operations=operations, onnx=onnx, in_torch=in_torch)
