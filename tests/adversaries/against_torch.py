"""Kernels of torch, right and wrong, as functions of its autograd: members of two lists where torch is installed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from adversaries.case import Adversary, AgainstCase

T: Any = torch
"""torch, whose types are not what a kernel is about."""


def function_of(forward: Any, backward: Any) -> Any:
    """A class of autograd, of two functions."""
    base: Any = T.autograd.Function
    return type("Kernel", (base,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def drawn(dtype: Any, *shapes: tuple[int, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return tuple(T.tensor(rng.standard_normal(shape)).to(dtype) for shape in shapes)


# Plain formulas.


def rms(x: Any, weight: Any) -> Any:
    return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * weight


def swiglu(x: Any, gate: Any) -> Any:
    return x * T.nn.functional.silu(gate)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight.T + bias


def scores(x: Any, labels: Any) -> Any:
    """The cross entropy of each row."""
    return T.nn.functional.cross_entropy(x, labels, reduction="none")


def softmax(x: Any) -> Any:
    return T.softmax(x, -1)


def both(x: Any, weight: Any) -> Any:
    """A product, and the spread of each row: two outputs, side by side in one tensor."""
    return beside(x * weight, x.square().mean(-1))


def beside(out: Any, spread: Any) -> Any:
    return T.cat([out, spread[..., None]], -1)


def joined(kernel: Any) -> Any:
    """Of a kernel with two outputs, both in one tensor."""

    def both(x: Any, weight: Any) -> Any:
        return beside(*kernel.apply(x, weight))

    return both


# Forwards and backwards, right ones, of which others differ in one thing.


def rms_forward(ctx: Any, x: Any, weight: Any) -> Any:
    wide = x.float()
    scale = (wide.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    ctx.save_for_backward(x, weight, scale)
    return (wide * scale * weight.float()).to(x.dtype)


def rms_back(ctx: Any, dout: Any) -> Any:
    x, weight, scale = ctx.saved_tensors
    wide = x.float() * scale
    slope = dout.float() * weight.float()
    dx = scale * (slope - wide * (slope * wide).mean(-1, keepdim=True))
    dweight = (dout.float() * wide).reshape(-1, len(weight)).sum(0)
    return dx.to(x.dtype), dweight.to(weight.dtype)


def swiglu_forward(ctx: Any, x: Any, gate: Any) -> Any:
    ctx.save_for_backward(x, gate)
    return (x.float() * T.nn.functional.silu(gate.float())).to(x.dtype)


def swiglu_back(ctx: Any, dout: Any) -> Any:
    x, gate = (each.float() for each in ctx.saved_tensors)
    s, d = T.sigmoid(gate), dout.float()
    return (d * gate * s).to(dout.dtype), (d * x * s * (1 + gate * (1 - s))).to(dout.dtype)


def linear_forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    ctx.save_for_backward(x, weight)
    return (x.float() @ weight.float().T + bias.float()).to(x.dtype)


def linear_back(ctx: Any, dout: Any) -> Any:
    x, weight = ctx.saved_tensors
    d = dout.float()
    return (d @ weight.float()).to(x.dtype), (d.T @ x.float()).to(x.dtype), d.sum(0).to(x.dtype)


def scores_forward(ctx: Any, x: Any, labels: Any) -> Any:
    p = T.log_softmax(x.float(), -1)
    ctx.save_for_backward(x, labels)
    return -p.gather(-1, labels[..., None])[..., 0].to(x.dtype)


def scores_back(ctx: Any, dout: Any) -> Any:
    x, labels = ctx.saved_tensors
    dx = T.softmax(x.float(), -1)
    dx = dx - T.nn.functional.one_hot(labels, x.shape[-1])
    return (dx * dout.float()[..., None]).to(x.dtype), None


def softmax_forward(ctx: Any, x: Any) -> Any:
    out = T.softmax(x.float(), -1).to(x.dtype)
    ctx.save_for_backward(x)
    return out


def softmax_back(ctx: Any, dout: Any) -> Any:
    (x,) = ctx.saved_tensors
    s, d = T.softmax(x.float(), -1), dout.float()
    return (s * (d - (s * d).sum(-1, keepdim=True))).to(x.dtype)


def both_forward(ctx: Any, x: Any, weight: Any) -> Any:
    ctx.save_for_backward(x, weight)
    return x * weight, x.float().square().mean(-1).to(x.dtype)


def both_back(ctx: Any, d: Any, e: Any) -> Any:
    x, weight = (each.float() for each in ctx.saved_tensors)
    dx = d.float() * weight + 2 / x.shape[-1] * x * e.float()[..., None]
    return dx.to(d.dtype), (d.float() * x).sum(0).to(d.dtype)


# Wrong ones.


def rms_in_place(ctx: Any, x: Any, weight: Any) -> Any:
    out = rms_forward(ctx, x, weight)
    x.detach().mul_(1.0009765625).div_(1.0009765625).add_(1e-3)
    return out


def rms_of_blocks(ctx: Any, dout: Any) -> Any:
    """The weight's gradient over full blocks of 32 rows, or all rows where there are fewer."""
    x, weight, scale = ctx.saved_tensors
    rows = len(x) // 32 * 32 or len(x)
    dweight = (dout[:rows].float() * (x.float() * scale)[:rows]).sum(0)
    return rms_back(ctx, dout)[0], dweight.to(weight.dtype)


def rms_in_half(ctx: Any, dout: Any) -> Any:
    """The weight's gradient is added up in its own dtype, row by row."""
    x, weight, scale = ctx.saved_tensors
    dweight = T.zeros_like(weight)
    for row in (dout.float() * x.float() * scale).to(weight.dtype):
        dweight = dweight + row
    return rms_back(ctx, dout)[0], dweight


def linear_without_bias(ctx: Any, dout: Any) -> Any:
    """None for the bias where the weight needs no gradient: the wrong index is asked."""
    dx, dweight, dbias = linear_back(ctx, dout)
    return dx, dweight, dbias if ctx.needs_input_grad[1] else None


def linear_by_view(ctx: Any, dout: Any) -> Any:
    """dout is taken for contiguous: its storage is read in order."""
    flat = T.as_strided(dout, (dout.numel(),), (1,)) if 0 not in dout.stride() else dout.reshape(-1)
    return linear_back(ctx, flat.reshape(dout.shape))


def scores_summed(ctx: Any, dout: Any) -> Any:
    """Every row gets the mean of dout, which is right for the mean of losses alone."""
    return scores_back(ctx, dout.mean().expand(dout.shape))


def scores_without_label(ctx: Any, dout: Any) -> Any:
    x, _ = ctx.saved_tensors
    return (T.softmax(x.float(), -1) * dout.float()[..., None]).to(x.dtype), None


def both_without_second(ctx: Any, d: Any, e: Any) -> Any:
    return both_back(ctx, d, T.zeros_like(e))


def softmax_shared() -> Any:
    """The output's tensor is used again."""
    kept: dict[Any, Any] = {}

    def forward(ctx: Any, x: Any) -> Any:
        out = softmax_forward(ctx, x)
        key = (out.shape, out.dtype)
        kept.setdefault(key, out.clone()).copy_(out)
        return kept[key].view(out.shape)

    return function_of(forward, softmax_back)


def softmax_in_dout(ctx: Any, dout: Any) -> Any:
    dx = softmax_back(ctx, dout)
    dout.copy_(dx)
    return dx


def swiglu_kept(ctx: Any, x: Any, gate: Any) -> Any:
    """Its arguments are kept beside what autograd guards."""
    ctx.x, ctx.gate = x, gate
    return swiglu_forward(ctx, x, gate)


def swiglu_of_kept(ctx: Any, dout: Any) -> Any:
    x, gate = ctx.x.float(), ctx.gate.float()
    s, d = T.sigmoid(gate), dout.float()
    return (d * gate * s).to(dout.dtype), (d * x * s * (1 + gate * (1 - s))).to(dout.dtype)


def swiglu_held_gate(ctx: Any, dout: Any) -> Any:
    return swiglu_back(ctx, dout)[0], None


def torch_seeded(ctx: Any, x: Any) -> Any:
    T.manual_seed(0)
    return softmax_forward(ctx, x)


def plain_linear_other(x: Any, weight: Any, bias: Any) -> Any:
    """Without autograd, another way is taken, with a fault."""
    out = linear(x, weight, bias)
    return out if T.is_grad_enabled() and out.requires_grad else out - 0.01 * bias


HALF, SINGLE, BRAIN = T.float16, T.float32, T.bfloat16


def labelled(dtype: Any) -> tuple[Any, ...]:
    return (*drawn(dtype, (16, 6)), T.tensor(np.random.default_rng(1).integers(0, 6, 16)))


def row_and_weight(dtype: Any) -> tuple[Any, ...]:
    return drawn(dtype, (40, 8), (8,))


def two_alike(dtype: Any) -> tuple[Any, ...]:
    return drawn(dtype, (16, 8), (16, 8))


def of_linear(dtype: Any) -> tuple[Any, ...]:
    return drawn(dtype, (16, 6), (4, 6), (4,))


def rows(dtype: Any) -> tuple[Any, ...]:
    return drawn(dtype, (16, 8))


Row = tuple[str, Callable[[], Any], Any, Callable[[Any], tuple[Any, ...]], Any]

WRONG: list[Row] = [
    ("rms norm: writes to x", lambda: function_of(rms_in_place, rms_back), rms, row_and_weight, SINGLE),
    ("rms norm: full blocks of 32 rows", lambda: function_of(rms_forward, rms_of_blocks), rms, row_and_weight, BRAIN),
    ("rms norm: sums in bfloat16", lambda: function_of(rms_forward, rms_in_half), rms, row_and_weight, BRAIN),
    (
        "linear: another's needs_input_grad",
        lambda: function_of(linear_forward, linear_without_bias),
        linear,
        of_linear,
        SINGLE,
    ),
    ("linear: dout read in order", lambda: function_of(linear_forward, linear_by_view), linear, of_linear, SINGLE),
    ("linear: another way without autograd", lambda: plain_linear_other, linear, of_linear, SINGLE),
    ("cross entropy: the mean of dout", lambda: function_of(scores_forward, scores_summed), scores, labelled, SINGLE),
    ("cross entropy: no label", lambda: function_of(scores_forward, scores_without_label), scores, labelled, HALF),
    (
        "two outputs: the second's dout forgotten",
        lambda: joined(function_of(both_forward, both_without_second)),
        both,
        row_and_weight,
        SINGLE,
    ),
    ("softmax: out's tensor is used again", softmax_shared, softmax, rows, SINGLE),
    ("softmax: dx is written to dout", lambda: function_of(softmax_forward, softmax_in_dout), softmax, rows, SINGLE),
    ("softmax: seeds torch", lambda: function_of(torch_seeded, softmax_back), softmax, rows, HALF),
    ("swiglu: arguments kept unguarded", lambda: function_of(swiglu_kept, swiglu_of_kept), swiglu, two_alike, SINGLE),
    ("swiglu: None for the gate", lambda: function_of(swiglu_forward, swiglu_held_gate), swiglu, two_alike, BRAIN),
]


# Right ones.


def rms_recomputed(x: Any, weight: Any) -> Any:
    return T.utils.checkpoint.checkpoint(rms, x, weight, use_reentrant=False)


def softmax_by_output(ctx: Any, x: Any) -> Any:
    out = T.softmax(x.float(), -1)
    ctx.save_for_backward(out)
    return out.to(x.dtype)


def softmax_of_output(ctx: Any, dout: Any) -> Any:
    (s,) = ctx.saved_tensors
    d = dout.float()
    return (s * (d - (s * d).sum(-1, keepdim=True))).to(dout.dtype)


def linear_as_asked(ctx: Any, dout: Any) -> Any:
    """None where no gradient is needed."""
    results = linear_back(ctx, dout)
    return tuple(each if asked else None for each, asked in zip(results, ctx.needs_input_grad, strict=True))


def contiguous_linear(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    return linear_forward(ctx, x.contiguous(), weight.contiguous(), bias)


def rms_in_eights(x: Any, weight: Any) -> Any:
    """Blocks of 8 rows alone."""
    if len(x) % 8:
        raise NotImplementedError("rows in eights")
    return rms(x, weight)


RIGHT: list[Row] = [
    ("rms norm: float32 inside", lambda: function_of(rms_forward, rms_back), rms, row_and_weight, BRAIN),
    ("rms norm: float32 inside, of float16", lambda: function_of(rms_forward, rms_back), rms, row_and_weight, HALF),
    ("rms norm: recomputed", lambda: rms_recomputed, rms, row_and_weight, SINGLE),
    ("rms norm: the formula itself", lambda: rms, rms, row_and_weight, BRAIN),
    ("rms norm: rows in eights", lambda: rms_in_eights, rms, row_and_weight, SINGLE),
    ("linear: None as asked", lambda: function_of(linear_forward, linear_as_asked), linear, of_linear, SINGLE),
    ("linear: contiguous copies", lambda: function_of(contiguous_linear, linear_back), linear, of_linear, HALF),
    (
        "cross entropy: labels in whole numbers",
        lambda: function_of(scores_forward, scores_back),
        scores,
        labelled,
        SINGLE,
    ),
    ("cross entropy: float16", lambda: function_of(scores_forward, scores_back), scores, labelled, HALF),
    ("softmax: by its output", lambda: function_of(softmax_by_output, softmax_of_output), softmax, rows, BRAIN),
    ("softmax: by its input", lambda: function_of(softmax_forward, softmax_back), softmax, rows, HALF),
    ("swiglu: two arguments alike", lambda: function_of(swiglu_forward, swiglu_back), swiglu, two_alike, BRAIN),
    ("two outputs", lambda: joined(function_of(both_forward, both_back)), both, row_and_weight, SINGLE),
]


def torch_case(make: Callable[[], Any], reference: Any, draw: Any, dtype: Any) -> AgainstCase:
    return AgainstCase(make(), reference, draw(dtype))


def members(some: list[Row]) -> list[Adversary]:
    return [
        Adversary(f"torch, {name}", "torch", partial(torch_case, make, reference, draw, dtype))
        for name, make, reference, draw, dtype in some
    ]


def wrong_in_torch() -> list[Adversary]:
    """Wrong ones of torch."""
    return members(WRONG)


def right_in_torch() -> list[Adversary]:
    """Right ones of torch."""
    return members(RIGHT)
