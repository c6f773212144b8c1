"""Recurrent layers in ONNX: there the steps stand first, and the gates in another order."""

from collections.abc import Sequence

from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array
from chainrule.rules import OnnxGraph


def recurrent(
    operator: str,
    gates: Sequence[int],
    graph: OnnxGraph,
    x: str,
    W: Array,
    U: Array,
    b: Array,
    c: Array,
    **attributes: int,
) -> str:
    """The outputs of an operator at all steps: x (..., t, d) to out (..., t, h).

    `gates` are our blocks of columns in the order of ONNX: its weights are (1, gates h, d) and (1, gates h, h).
    """
    *axes, t, d = graph.shape(x)
    h = U.shape[0]
    columns = [i * h + j for i in gates for j in range(h)]
    weights = (W.T[None, columns], U.T[None, columns], TUNED.concat((b[columns], c[columns]))[None])
    if len(axes) != 1:
        x = graph.node("Reshape", x, (-1, t, d))
    steps = graph.node("Transpose", x, perm=(1, 0, 2))
    outs = graph.node(operator, steps, *weights, hidden_size=h, **attributes)  # (t, 1, n, h): 1 direction
    out = graph.node("Transpose", graph.node("Squeeze", outs, (1,)), perm=(1, 0, 2))
    return out if len(axes) == 1 else graph.node("Reshape", out, (*(-1 for _ in axes[:1]), *axes[1:], t, h))
