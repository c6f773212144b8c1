"""Attention in ONNX: products and a softmax, as it is written."""

import math

from chainrule.arrays.types import Mask
from chainrule.layers import affine, rotary
from chainrule.layers.affine import Affine
from chainrule.rules import OnnxGraph


def attended(
    graph: OnnxGraph,
    qkv: Affine,
    out: Affine,
    x: str,
    *,
    heads: int,
    causal: bool,
    mask: Mask | None,
    base: float | None,
) -> str:
    """`P = softmax(Q K^T / sqrt(c))` and `Y = P V` in each head, between two affine maps; `base` that of rotary."""
    *axes, t, _ = graph.shape(x)
    n, e = len(axes), out.W.shape[0]
    c = e // heads
    columns = graph.node("Reshape", affine.to_onnx(graph, qkv, x), (*(0,) * (n + 1), 3, heads, c))
    each = graph.node("Transpose", columns, perm=(n + 1, *range(n), n + 2, n, n + 3))  # (3, ..., heads, t, c)
    q, k, v = (graph.node("Gather", each, i, axis=0) for i in range(3))
    if base is not None:
        q, k = (rotary.to_onnx(base, graph, (), each) for each in (q, k))
    turned = graph.node("Transpose", k, perm=(*range(n + 1), n + 2, n + 1))
    scores = graph.node("MatMul", graph.node("Mul", q, 1 / math.sqrt(max(c, 1))), turned)
    if not causal and mask is None:
        p = graph.node("Softmax", scores)
    else:
        may = _may_attend(graph, t, causal, mask)
        p = graph.node("Softmax", graph.node("Where", may, scores, -math.inf))
        p = graph.node("Where", may, p, 0.0)  # a row of nothing but -inf is nan
    y = graph.node("Transpose", graph.node("MatMul", p, v), perm=(*range(n), n + 1, n, n + 2))
    return affine.to_onnx(graph, out, graph.node("Reshape", y, (*(0,) * (n + 1), e)))


def _may_attend(graph: OnnxGraph, t: int, causal: bool, mask: Mask | None) -> str:
    before = graph.constant([[j <= i or not causal for j in range(t)] for i in range(t)])
    if mask is None:
        return before
    of_heads = graph.node("Unsqueeze", mask, (-3,)) if mask.ndim > 2 else mask
    return graph.node("And", before, of_heads)
