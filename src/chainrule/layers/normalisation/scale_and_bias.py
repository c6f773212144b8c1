"""The parameters of a norm that scales and shifts what it has normalised: `out = scale * h + bias`."""

from typing import ClassVar, Self

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.initializers.fresh import filled
from chainrule.rules import Array, record, well_formed
from chainrule.rules.in_torch import InTorch, Weight


@frozen(eq=False)
@record
class ScaleAndBias:
    """A factor and a term for each feature: the fields of `LayerNorm`, `GroupNorm` and `BatchNorm`.

    Parameters
    ----------
    scale, bias
        (d,): what each feature is multiplied by, and what is added to it.

    Raises
    ------
    ValueError
        If the shapes differ, or there is not one axis of at least one feature.
    TypeError
        If they are no arrays of one floating-point dtype.
    """

    scale: Array
    bias: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("scale"), "bias": Weight("bias")}

    def __attrs_post_init__(self) -> None:
        well_formed(type(self).__name__, least=1, scale=(self.scale, "features"), bias=(self.bias, "features"))

    @classmethod
    def init(cls, features: int, *, dtype: DTypeLike = np.float32) -> Self:
        """A scale of ones and a bias of zeros.

        Parameters
        ----------
        features
            How many features d there are: of images, the channels.
        dtype
            A floating-point dtype.

        Returns
        -------
        Self
            The parameters.
        """
        return cls(*(filled(f"{cls.__name__}.init", value, dtype, features=features) for value in (1, 0)))
