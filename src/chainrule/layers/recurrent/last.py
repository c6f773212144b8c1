"""The last step: of each sequence the numbers at its end, and those alone.

    last(x) = x_t
    last_of(x) = x_k

where x_s is step s of a sequence, x (t, d), of which there may be many, (..., t, d): t is the number of steps, and k
the sequence's own length. `last_of(lengths)` is for sequences of different lengths that stand in one array, filled up
at the end: a layer that reads forward through time, such as `lstm`, has seen nothing of the filling at a sequence's own
last step.

**Derivation.** To take a step is linear, and so is its transpose:

    d(out) = dx_t
    dL = <dout, dx_t>

so that the derivative with respect to the other steps is 0:

    dx_s = dout if s = t
    dx_s = 0 if s < t

with k in the place of t for `last_of`. A slice and a padding with zeros are an adjoint pair, and so are `last_of` and
its padding, which gather and scatter.

**To remember:** what was not taken gets no derivative; before a recurrent layer it then flows back through time.

Special values: what the filling holds, nan or infinity, reaches neither the output nor dx of `last_of`.

**From and to torch.** Of `out, (h, c) = LSTM(...)(x)`, `batch_first`, the last step is `out[:, -1]`, which is `h[-1]`;
of a sequence packed with its lengths, `h[-1]` is what `last_of(lengths)` takes.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `last` | none | `keras.layers.LSTM(return_sequences=False)` | none |
| `last_of` | `torch.nn.utils.rnn.pack_padded_sequence` | `keras.layers.Masking` | `flax.nnx.RNN(seq_lengths=...)` |

Examples
--------
>>> import numpy as np
>>> from chainrule import last, last_of
>>> x = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [np.nan]]])
>>> last.forward((), x)[0].tolist()
[[3.0], [nan]]
>>> layer = last_of(np.array([3, 2]))
>>> out, cache = layer.forward((), x)
>>> out.tolist()
[[3.0], [5.0]]
>>> layer.backward(cache, np.array([[7.0], [8.0]]))[0].tolist()
[[[0.0], [0.0], [7.0]], [[0.0], [8.0], [0.0]]]
"""

from functools import partial
from typing import Any

from attrs import frozen

from chainrule.arrays.labels import are_integers, first_of
from chainrule.arrays.libraries import unlike
from chainrule.arrays.ownership import own
from chainrule.arrays.types import is_numpy
from chainrule.layers.recurrent.steps import has_steps
from chainrule.rules import Array, Labels, Layer, Namespace, OnnxGraph, Shape, Unit, layer, record, unchecked
from chainrule.rules.onnx_graph import INT64


@frozen(eq=False)
@record
class LastCache:
    """The cache of `last` and `last_of`: the input, for its shape."""

    x: Array


_saved = unchecked(LastCache)


def fits(params: Unit, x: Array) -> None:
    """Check that x has at least one step."""
    has_steps("last", x)


def forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, LastCache]:
    """The last step: x (..., t, d) to out (..., d)."""
    kept = xp.own(x)
    return xp.own(kept[..., -1, :]), _saved(kept)


def backward(xp: Namespace, cache: LastCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dout` after steps of zeros."""
    if not wants_dx:
        return None, ()
    return xp.concat([xp.zeros_like(cache.x[..., :-1, :]), dout[..., None, :]], axis=-2), ()


def operations(params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """None: numbers are copied."""
    return 0, 0


def to_onnx(graph: OnnxGraph, params: Unit, x: str) -> str:
    """The last step."""
    return graph.node("Gather", x, -1, axis=-2)


last: Layer[Unit, LastCache] = layer(
    "last", (), forward, backward, fits, event_axes=2, operations=operations, onnx=to_onnx
)
"""The last step of each sequence, (..., t, d) to (..., d); its parameters are `()`."""


def fits_lengths(lengths: Labels, params: Unit, x: Array) -> None:
    """Check that there is a length for each sequence, and that it is as long."""
    has_steps("last_of", x)
    shape, sequences = tuple(lengths.shape), tuple(x.shape[:-2])
    if sequences[len(sequences) - len(shape) :] != shape:
        raise ValueError(f"last_of: lengths must be {sequences}, for x {tuple(x.shape)}, got {shape}")
    libraries = unlike(lengths, x)
    if libraries is not None:
        of = f"x is an array of {libraries[1]} but the lengths are of {libraries[0]}"
        raise TypeError(f"last_of: {of}: convert one of them")
    steps = x.shape[-2]
    if is_numpy(lengths) and (lengths > steps).any():
        most = f"{steps}, the number of steps of x {tuple(x.shape)}"
        raise ValueError(f"last_of: lengths must be at most {most}, got {first_of(lengths, lengths > steps)}")


def forward_of(xp: Namespace, params: Unit, x: Array, *, lengths: Labels) -> tuple[Array, LastCache]:
    """The step of each sequence's length: x (..., t, d) to out (..., d)."""
    return xp.take_steps(x, lengths - 1), _saved(xp.own(x))


def backward_of(
    xp: Namespace, cache: LastCache, dout: Array, wants_dx: bool, *, lengths: Labels
) -> tuple[Array | None, Unit]:
    """`dout` at the step of each sequence's length, and zeros elsewhere."""
    return (xp.put_steps(dout, lengths - 1, cache.x.shape[-2]) if wants_dx else None), ()


def to_onnx_of(lengths: Labels, graph: OnnxGraph, params: Unit, x: str) -> str:
    """The step of each sequence's length."""
    *axes, _, d = graph.shape(x)
    steps = graph.node("Unsqueeze", graph.node("Sub", graph.node("Cast", lengths, to=INT64), 1), (-2, -1))
    taken = graph.node("GatherElements", x, graph.node("Expand", steps, (*axes, 1, d)), axis=-2)
    return graph.node("Squeeze", taken, (-2,))


def last_of(lengths: Labels) -> Layer[Unit, LastCache]:
    """Make a layer that takes the last step of each sequence, whose length is its own.

    Parameters
    ----------
    lengths
        (n,): how many steps of each sequence there are, from 1 to t, of any integer dtype. With more axes before the
        steps, (..., t, d), they have the shape of these, or of the last few of them.

    Returns
    -------
    Layer
        It has no parameters; (..., t, d) to (..., d). It couples rows: a length belongs to a place in the batch. On
        libraries whose values can't be read, a length out of range gives nan.

    Raises
    ------
    ValueError
        If a length is less than 1; forward, if one is larger than the number of steps, or there is not one for each
        sequence.
    TypeError
        If the lengths are no array of integers; forward, if they are of another library than x.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import last_of
    >>> last_of(np.array([3, 1])).forward((), np.arange(6.0).reshape(2, 3, 1))[0].tolist()
    [[2.0], [3.0]]
    """
    are_integers(lengths, "last_of: lengths")
    kept = own(lengths)
    if is_numpy(kept) and (kept < 1).any():
        raise ValueError(f"last_of: lengths must be at least 1, got {first_of(kept, kept < 1)}")
    options: dict[str, Any] = {"lengths": kept}
    return layer(
        "last_of",
        (),
        partial(forward_of, **options),
        partial(backward_of, **options),
        partial(fits_lengths, kept),
        couples_rows=True,
        event_axes=2,
        operations=operations,
        onnx=partial(to_onnx_of, kept),
    )
