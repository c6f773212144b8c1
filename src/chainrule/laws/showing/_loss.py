"""The code of a loss's pair of functions, which has names of its own."""

import re
from collections.abc import Iterator
from typing import Any

from chainrule.arrays.types import Array
from chainrule.laws.showing._arrays_in_code import numbered
from chainrule.laws.showing._pair import Pair

IN_LOSSES = {"x": "out", "out": "value", "dx": "dout", "dout": "dloss"}
"""The names that lines have for a loss, by those that they have for a layer."""

NAMES_OF_LAYERS = re.compile(rf"(?<![.\w'\"])({'|'.join(IN_LOSSES)})\b(?!=)")
"""These, but not as attributes, keys and names of fields."""


class PairOfLoss(Pair):
    """A loss's pair of functions, as those of a layer for its targets, whose names are put right at the end."""

    def translated(self, text: str) -> str:
        return NAMES_OF_LAYERS.sub(lambda name: IN_LOSSES[name[0]], text)

    def _given(self) -> Iterator[tuple[str, Array]]:
        yield from super()._given()
        yield from numbered("targets", self.targets)

    @property
    def targets(self) -> Any:
        return self.shown.part.trial.layer.forward.targets

    def call_of(self, x: str, moved: str = "") -> str:
        return f"forward({x}, {self.code(self.targets)})"

    def results(self) -> Iterator[str]:
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield "dx = backward(cache, dout)"

    @property
    def field(self) -> str:
        return "np.asarray(out)" if self.leaf is None else "dx"
