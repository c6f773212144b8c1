"""Norms, of features, groups and batches."""

from functools import partial
from typing import Any

from chainrule import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    RmsNorm,
    batch_norm,
    group_norm,
    layer_norm,
    rms_norm,
)
from speed.line import CHANNELS_FIRST, Line

SIZES = (512, 64), (2048, 256), (4096, 1024)


def layer_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of the last axis."""
    return torch.nn.functional.layer_norm(x, scale.shape, scale, bias)


def rms_norm_in_torch(torch: Any, x: Any, scale: Any) -> Any:
    """Of the last axis."""
    return torch.nn.functional.rms_norm(x, scale.shape, scale, 1e-6)


def group_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of 8 groups."""
    return torch.nn.functional.group_norm(x, 8, scale, bias)


def batch_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """In training."""
    return torch.batch_norm(x, scale, bias, None, None, True, 0.0, 1e-5, False)


def standardised(jax: Any, x: Any, scale: Any, bias: Any, *, axis: int = -1) -> Any:
    """Layer norm, or batch norm along axis 0."""
    return jax.nn.standardize(x, axis=axis, epsilon=1e-5) * scale + bias


def rms_norm_in_jax(jax: Any, x: Any, scale: Any) -> Any:
    """Of the last axis."""
    return x / jax.numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def group_norm_in_jax(jax: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of 8 groups."""
    groups = x.reshape(x.shape[0], -1, 8, x.shape[-1] // 8)
    return jax.nn.standardize(groups, axis=(1, 3), epsilon=1e-5).reshape(x.shape) * scale + bias


LINES = {
    "layer_norm": Line(
        layer_norm(),
        lambda torch: partial(layer_norm_in_torch, torch),
        lambda jax: partial(standardised, jax),
        lambda _rng, features: LayerNorm.init(features),
        SIZES,
    ),
    "rms_norm": Line(
        rms_norm(),
        lambda torch: partial(rms_norm_in_torch, torch),
        lambda jax: partial(rms_norm_in_jax, jax),
        lambda _rng, features: RmsNorm.init(features),
        SIZES,
    ),
    "group_norm": Line(
        group_norm(8),
        lambda torch: partial(group_norm_in_torch, torch),
        lambda jax: partial(group_norm_in_jax, jax),
        lambda _rng, features: GroupNorm.init(features),
        ((16, 14, 14, 64), (16, 28, 28, 32), (32, 56, 56, 64)),
        moves=[CHANNELS_FIRST],
    ),
    "batch_norm": Line(
        batch_norm(),
        lambda torch: partial(batch_norm_in_torch, torch),
        lambda jax: partial(standardised, jax, axis=0),
        lambda _rng, features: BatchNorm.init(features),
        SIZES,
    ),
}
