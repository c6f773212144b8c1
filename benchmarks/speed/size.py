"""The sizes of the two-layer network, and of the batch, that are measured."""

import re

from attrs import frozen


@frozen
class Size:
    """Inputs, hidden units and classes, and the rows of a batch."""

    n_in: int
    n_hidden: int
    n_out: int
    batch: int

    def __str__(self) -> str:
        return f"{self.n_in}-{self.n_hidden}-{self.n_out}/{self.batch}"

    @classmethod
    def read(cls, text: str) -> "Size":
        """The size that is written as `784-50-10/100`."""
        match = re.fullmatch(r"(\d+)-(\d+)-(\d+)/(\d+)", text)
        if match is None:
            raise ValueError(f"a size is written as inputs-hidden-classes/batch, such as 784-50-10/100, got {text!r}")
        return cls(*map(int, match.groups()))

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return (self.n_in + 1) * self.n_hidden + (self.n_hidden + 1) * self.n_out


SMALL = Size(64, 32, 10, 32)
BOOK = Size(784, 50, 10, 100)
WIDE = Size(784, 512, 10, 256)
WIDER = Size(784, 1024, 10, 1024)
LARGE = Size(2048, 4096, 1000, 512)

SIZES = (SMALL, BOOK, WIDE, WIDER, LARGE)
"""Those of the training steps."""

PREDICTED = tuple(Size(784, 50, 10, batch) for batch in (1, 100, 1000))
"""Those of the predictions."""
