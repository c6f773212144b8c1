"""Gates: blocks of columns side by side in the weights, and the slopes of what they go through."""

from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size
from chainrule.arrays.types import Array, Generator
from chainrule.initializers.fans import lecun_normal
from chainrule.initializers.fresh import Initializer, chosen, drawn_side_by_side
from chainrule.initializers.rotation import orthogonal
from chainrule.rules import Namespace, well_formed


def well_gated(record: str, gates: int, W: Array, U: Array, **biases: Array) -> None:
    """Check that W (d, k h), U (h, k h) and the biases (k h,) fit each other for a number k of gates."""
    well_formed(
        record,
        least=1,
        W=(W, "inputs gates"),
        U=(U, "units gates"),
        **{name: (bias, "gates") for name, bias in biases.items()},
    )
    units, columns = U.shape
    if columns != gates * units:
        wanted = f"{units} units have {gates} gates each, so {gates * units} columns"
        raise ValueError(f"{record}: U is {tuple(U.shape)}, but {wanted}")


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


def slope_of_tanh(xp: Namespace, a: Array) -> Array:
    """`1 - tanh(a)^2 = 4 s(2 a) s(-2 a)`, without loss, of the sigmoid s."""
    s, rest = xp.sigmoid(a + a)
    return 4 * xp.times(rest, s)
