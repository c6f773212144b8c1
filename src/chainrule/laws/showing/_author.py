"""A number that is wrong, and the functions of the author whose it is."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule.interop.graph import Function
from chainrule.interop.in_code import reached
from chainrule.laws.trials.part import Part
from chainrule.layer import derives_grads

NAMES = ("forward", "backward", "grads", "rows")
"""The functions of layers and losses."""


@frozen(eq=False)
class Shown:
    """A number that is wrong, at a point that shows it.

    The step of the differences is 0 where it is compared with that of float64. It is kinked if differences to both
    sides are shown.
    """

    part: Part
    index: tuple[int, ...]
    step: float
    kinked: bool
    dtype: str

    @property
    def place(self) -> str:
        return ", ".join(map(str, self.index)) or "()"


@frozen(eq=False)
class Author:
    """The layer as its author wrote it, what its functions are given for a tree, and the parameters or targets."""

    layer: Any
    natural: Callable[[Any], Any]
    params: Any = ()

    @property
    def names(self) -> dict[str, Any]:
        """The author's functions and the classes of records by their names, as lines that are pasted find them."""
        made = self.layer.forward
        kinds: set[Any] = {each.__class__ for _, each in reached(self.natural(self.params), "")}
        classes = {kind.__name__: kind for kind in kinds if kind.__module__ not in ("builtins", "numpy")}
        if isinstance(made, Function):
            return {made.name: made.f, **classes}
        names = [name for name in NAMES if name != "grads" or not derives_grads(self.layer)]
        return {**{name: getattr(self.layer, name, None) for name in names}, **classes}
