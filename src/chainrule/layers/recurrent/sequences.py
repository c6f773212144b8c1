"""What recurrent layers ask of sequences, and weights that stand side by side, a block of columns for each gate."""

import math

from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size
from chainrule.arrays.types import Array, Generator
from chainrule.initializers.fans import lecun_normal
from chainrule.initializers.fresh import Initializer, chosen, drawn_side_by_side
from chainrule.initializers.rotation import orthogonal
from chainrule.rules import Namespace, fitting, well_formed


def has_steps(layer: str, x: Array) -> None:
    """Check that x (..., t, d) has an axis of steps, and at least one of them."""
    if x.ndim < 2:
        raise ValueError(f"{layer}: x must have an axis of steps and one of features, got shape {tuple(x.shape)}")
    if not x.shape[-2]:
        raise ValueError(f"{layer}: x must have at least one step, got shape {tuple(x.shape)}")


def fits_steps(layer: str, W: Array, x: Array) -> None:
    """Check that x (..., t, d) has at least one step, and as many features as W."""
    fitting(layer, x, "W", W)
    has_steps(layer, x)


def by_step(xp: Namespace, x: Array) -> Array:
    """(..., t, d) to (t, n, d), of 32 bits at least: all examples at one step, and then at the next."""
    return xp.moveaxis(xp.widened(xp.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))), 1, 0)


def by_example(xp: Namespace, steps: Array, axes: tuple[int, ...]) -> Array:
    """(t, n, d) to (..., t, d)."""
    return xp.reshape(xp.moveaxis(steps, 1, 0), (*axes, steps.shape[0], steps.shape[2]))


def before(xp: Namespace, states: Array) -> Array:
    """(t, n, h) to (t, n, h): the state before each step, 0 before the first."""
    return xp.concat([xp.zeros_like(states[:1, :, :]), states[:-1, :, :]])


def slope_of_tanh(slope: Array) -> Array:
    """`1 - tanh(a)^2`, of the slope p of the sigmoid at a: `(2 p / (1 - 2 p))^2`, which loses no digits."""
    double = 2 * slope
    root = double / (1 - double)
    return root * root


def well_gated(record: str, gates: int, W: Array, U: Array, **biases: Array) -> None:
    """Check that W (d, k h), U (h, k h) and the biases (k h,) fit each other for a number k of gates."""
    well_formed(
        record,
        least=1,
        W=(W, "inputs gates"),
        U=(U, "units gates"),
        **{name: (bias, "gates") for name, bias in biases.items()},
    )
    if W.shape[1] != U.shape[1]:
        raise ValueError(f"{record}: W is {tuple(W.shape)} but U is {tuple(U.shape)}: they must have as many columns")
    units, columns = U.shape
    if columns != gates * units:
        raise ValueError(
            f"{record}: U is {tuple(U.shape)}, but {units} units have {gates} gates each, so {gates * units} columns"
        )


def drawn_gates(
    owner: str,
    gates: int,
    rng: Generator,
    n_in: int,
    n_hidden: int,
    weights: Initializer | None,
    std: float | None,
    dtype: DTypeLike,
) -> tuple[Array, Array]:
    """Draw W (d, k h) and U (h, k h), gate by gate: by default W as `affine` does, and each gate's U orthogonal."""
    inputs, units = size(owner, "n_in", n_in, least=1), size(owner, "n_hidden", n_hidden, least=1)

    W, U = (
        drawn_side_by_side(owner, rng, chosen(owner, weights, std, default), gates, rows, units, dtype)
        for rows, default in ((inputs, lecun_normal), (units, orthogonal))
    )
    return W, U
