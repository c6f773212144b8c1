"""The affine layer: a product of all rows with the weights, and a bias."""

from functools import partial
from typing import Any

from chainrule import Affine, affine
from speed.line import Line


def affine_in_torch(torch: Any, x: Any, W: Any, b: Any) -> Any:
    """In one call."""
    return torch.addmm(b, x, W)


def affine_in_jax(x: Any, W: Any, b: Any) -> Any:
    """In two."""
    return x @ W + b


LINES = {
    "affine": Line(
        affine,
        lambda torch: partial(affine_in_torch, torch),
        lambda _jax: affine_in_jax,
        lambda rng, features: Affine.init(rng, features, features),
    ),
}
