"""`Convolution`: the weights of a convolution, for each place in its window, and a bias."""

import math
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size as whole
from chainrule.arrays.spatial import axes_of, sizes
from chainrule.arrays.types import Generator
from chainrule.initializers.fans import lecun_normal
from chainrule.initializers.fresh import Initializer, chosen, drawn, filled
from chainrule.rules import Array, record, well_formed
from chainrule.rules.in_torch import InTorch, Weight, kernel, kernel_of_transpose

AXES = {3: "size", 4: "height width", 5: "depth height width"}
"""The spatial axes, by the number of all axes of W."""


TRANSPOSE_IN_TORCH: InTorch = {"weight": Weight("W", kernel_of_transpose), "bias": Weight("b")}
"""The weights of a transposed convolution in torch."""


@frozen(eq=False)
@record
class Convolution:
    """The parameters of `convolution` and `convolution_transpose`, and their gradients.

    Parameters
    ----------
    W
        Weights, (*size, in, out), with one, two or three axes of size: a matrix for each place in the window. Of a
        convolution with groups, `in` are the channels of one of them, and `out` those of all.
    b
        Bias, (out,), of the dtype of `W`.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Convolution
    >>> Convolution(W=np.ones((3, 3, 1, 8), np.float32), b=np.zeros(8, np.float32))
    Convolution(W=f32[3, 3, 1, 8], b=f32[8])
    """

    W: Array
    b: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("W", kernel), "bias": Weight("b")}

    def __attrs_post_init__(self) -> None:
        axes = AXES.get(getattr(self.W, "ndim", 4))
        if axes is None:
            shape = tuple(self.W.shape)
            raise ValueError(f"Convolution: W must have 3 to 5 axes, (*size, inputs, outputs), got shape {shape}")
        well_formed("Convolution", least=1, W=(self.W, f"{axes} inputs outputs"), b=(self.b, "outputs"))

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_in: int,
        n_out: int,
        size: int | tuple[int, ...],
        *,
        groups: int = 1,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Convolution":
        """Draw weights; the bias is zero.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_in, n_out
            The numbers of channels of x and of the output, of all groups.
        size
            The places of the window on each of one, two or three spatial axes; an integer is a square.
        groups
            How many groups the channels are in.
        std
            The standard deviation of normal weights.
        weights
            An initializer in its place, such as `chainrule.initializers.he_normal`. By default `lecun_normal`. Its
            fan_in is the number of places in the window times the channels of x in a group, its fan_out that times the
            channels of the output in one.
        dtype
            A floating-point dtype.

        Returns
        -------
        Convolution
            Fresh parameters.

        Raises
        ------
        ValueError
            If a size is less than 1, `groups` does not divide both numbers of channels, there are no one to three
            spatial axes, or `std` is negative or not finite.
        TypeError
            If `rng` is no Generator, a size is no integer, the dtype is not floating-point, or both `std` and `weights`
            are given.

        Notes
        -----
        With a stride s on each of two axes, only about one in s^2 places meets an output of `convolution_transpose`,
        whose outputs then vary less than its inputs, by s on each axis: `std` can make up for it.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule import Convolution
        >>> rng = np.random.default_rng(0)
        >>> Convolution.init(rng, 3, 16, 5)
        Convolution(W=f32[5, 5, 3, 16], b=f32[16])
        >>> Convolution.init(rng, 16, 16, (3,), groups=16)
        Convolution(W=f32[3, 1, 16], b=f32[16])
        """
        owner = "Convolution.init"
        checked = sizes(owner, "size", size, least=1)
        axes_of(owner, size=checked)
        window = checked if isinstance(checked, tuple) else (checked,) * 2
        channels = {"n_in": whole(owner, "n_in", n_in, least=1), "n_out": whole(owner, "n_out", n_out, least=1)}
        groups = whole(owner, "groups", groups, least=1)
        for name, number in channels.items():
            if number % groups:
                raise ValueError(f"{owner}: {name}, {number}, does not divide into {groups} groups")
        draw, places = chosen(owner, weights, std, lecun_normal), math.prod(window)
        fans = (places * n_in // groups, places * n_out // groups)
        axes = dict(zip(AXES[len(window) + 2].split(), window, strict=True))
        W = drawn(owner, rng, draw, *fans, dtype, **axes, n_in=n_in // groups, n_out=n_out)
        return cls(W, filled(owner, 0, dtype, n_out=n_out))
