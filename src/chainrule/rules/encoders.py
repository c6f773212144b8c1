"""`encoder`: make a layer whose input can't be differentiated, from its arithmetic.

    forward(xp, params, x)    -> (out, cache)
    grads  (xp, cache,  dout) -> grads

The checks, the pair and the rule are those of `chainrule.rules.layer`. Two things differ: there is no `dx`, and the
namespace is that of the parameters, because `x` holds whole numbers or is no array at all.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from chainrule.arrays.arguments import functions
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder
from chainrule.layer import Shape
from chainrule.naming import options_of, titled
from chainrule.rules.inference import Inference
from chainrule.rules.layers import LayerArithmetic, class_of
from chainrule.rules.onnx_graph import Onnx
from chainrule.rules.rule import Rule

P = TypeVar("P")
C = TypeVar("C")
X = TypeVar("X")


def encoder(
    name: str,
    params: type[P],
    forward: Callable[[Namespace, P, X], tuple[Array, C]],
    grads: Callable[[Namespace, C, Array], P],
    fits: Callable[[P, X], None] | None = None,
    *,
    couples_rows: bool = False,
    event_axes: int | None = None,
    operations: Callable[[P, Shape, Shape], tuple[int, int]] | None = None,
    inference: Inference | None = None,
    onnx: Onnx[P] | None = None,
) -> Encoder[P, C, X]:
    """Make an encoder of its arithmetic.

    Parameters
    ----------
    name
        What the module calls it. Options that `functools.partial` binds to `forward` by name follow in its repr.
    params
        The class of its parameters, a record of arrays.
    forward
        `(xp, params, x) -> (out, cache)`: `xp` is the namespace of the parameters. It never writes to `x`, and holds in
        its cache what `xp.own(x)` gives.
    grads
        `(xp, cache, dout) -> grads`: fresh arrays. `dout` has the shape and the dtype of `out`.
    fits
        `(params, x)`: raises `TypeError` or `ValueError` if `x` is not what the encoder reads.
    couples_rows, event_axes, operations, inference, onnx
        Traits, as of `Encoder`.

    Returns
    -------
    Encoder
        The functions and their rule.

    Examples
    --------
    >>> import numpy as np
    >>> from attrs import frozen
    >>> from chainrule import Array, Labels, record, rules
    >>> @frozen(eq=False)
    ... @record
    ... class Scores:
    ...     s: Array
    >>> @frozen(eq=False)
    ... @record
    ... class Chosen:
    ...     labels: Labels
    ...     s: Array
    >>> def forward(xp: rules.Namespace, params: Scores, labels: Labels) -> tuple[Array, Chosen]:
    ...     return xp.take_rows(params.s, labels), Chosen(xp.own(labels), params.s)
    >>> def grads(xp: rules.Namespace, cache: Chosen, dout: Array) -> Scores:
    ...     return Scores(xp.add_rows(cache.labels, dout, len(cache.s)))
    >>> scores = rules.encoder("scores", Scores, forward, grads)
    >>> out, cache = scores.forward(Scores(np.array([[0.5], [1.5]])), np.array([1, 1, 0]))
    >>> scores.grads(cache, np.ones((3, 1))).s
    array([[1.],
           [2.]])
    """
    functions(name, forward=forward, grads=grads)
    without_dx = partial(_without_dx, grads)
    arithmetic: LayerArithmetic[P, C] = LayerArithmetic(
        name, *class_of(name, params), forward, without_dx, fits, encodes=True
    )
    made = Encoder(
        arithmetic.pair_forward,
        arithmetic.pair_grads,
        name=titled(name, options_of(forward)),
        couples_rows=couples_rows,
        event_axes=event_axes,
        operations=operations,
        inference=inference,
        onnx=onnx,
        rule=Rule(arithmetic.rule_forward, without_dx, forward),
    )
    arithmetic.made.append(made)
    return made


def _without_dx(
    grads: Callable[[Namespace, C, Array], P], xp: Namespace, cache: C, dout: Array, wants_dx: bool
) -> tuple[Array | None, P]:
    return None, grads(xp, cache, dout)
