"""Elementwise layers."""

from functools import partial
from typing import Any

from chainrule import (
    PRelu,
    celu,
    elu,
    gelu,
    gelu_erf,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from speed.line import Line


def prelu_in_jax(jax: Any, x: Any, slope: Any) -> Any:
    """JAX has none."""
    return jax.numpy.where(x > 0, x, slope * x)


LINES = {
    "relu": Line(relu, lambda torch: torch.relu, lambda jax: jax.nn.relu),
    "sigmoid": Line(sigmoid, lambda torch: torch.sigmoid, lambda jax: jax.nn.sigmoid),
    "tanh": Line(tanh, lambda torch: torch.tanh, lambda jax: jax.nn.tanh),
    "gelu": Line(gelu, lambda torch: partial(torch.nn.functional.gelu, approximate="tanh"), lambda jax: jax.nn.gelu),
    "gelu_erf": Line(
        gelu_erf, lambda torch: torch.nn.functional.gelu, lambda jax: partial(jax.nn.gelu, approximate=False)
    ),
    "silu": Line(silu, lambda torch: torch.nn.functional.silu, lambda jax: jax.nn.silu),
    "mish": Line(mish, lambda torch: torch.nn.functional.mish, lambda jax: jax.nn.mish),
    "softplus": Line(softplus, lambda torch: torch.nn.functional.softplus, lambda jax: jax.nn.softplus),
    "log_sigmoid": Line(log_sigmoid, lambda torch: torch.nn.functional.logsigmoid, lambda jax: jax.nn.log_sigmoid),
    "softsign": Line(softsign, lambda torch: torch.nn.functional.softsign, lambda jax: jax.nn.soft_sign),
    "hard_tanh": Line(hard_tanh, lambda torch: torch.nn.functional.hardtanh, lambda jax: jax.nn.hard_tanh),
    "hard_sigmoid": Line(hard_sigmoid, lambda torch: torch.nn.functional.hardsigmoid, lambda jax: jax.nn.hard_sigmoid),
    "hard_swish": Line(hard_swish, lambda torch: torch.nn.functional.hardswish, lambda jax: jax.nn.hard_swish),
    "leaky_relu": Line(leaky_relu(), lambda torch: torch.nn.functional.leaky_relu, lambda jax: jax.nn.leaky_relu),
    "elu": Line(elu(), lambda torch: torch.nn.functional.elu, lambda jax: jax.nn.elu),
    "celu": Line(celu(), lambda torch: torch.nn.functional.celu, lambda jax: jax.nn.celu),
    "selu": Line(selu, lambda torch: torch.selu, lambda jax: jax.nn.selu),
    "prelu": Line(
        prelu,
        lambda torch: torch.nn.functional.prelu,
        lambda jax: partial(prelu_in_jax, jax),
        lambda _rng, features: PRelu.init(features),
    ),
}
