"""The names of the quantities of what is checked, in the notes of verdicts: a loss has others than a layer."""

from typing import Any

from attrs import frozen


@frozen
class Names:
    """The names of the argument of forward, of its derivative, and of the derivative that backward is given."""

    x: str = "x"
    dx: str = "dx"
    dout: str = "dout"

    def of(self, field: str) -> str:
        """The name of a field of a layer; those of parameters stay as they are."""
        return {"x": self.x, "dx": self.dx, "dout": self.dout}.get(field, field)


OF_LAYERS = Names()


def names_of(layer: Any) -> Names:
    """The names of a layer's quantities, which the forward of a loss as a layer has as its own."""
    names = getattr(layer.forward, "names", OF_LAYERS)
    return names if isinstance(names, Names) else OF_LAYERS
