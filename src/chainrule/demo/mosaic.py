"""Many small images as one large one: drawn at once, in a tenth of the time that axes for each would take."""

import math

import numpy as np
from attrs import frozen

from chainrule.arrays.types import Array


@frozen
class Mosaic:
    """A grid of images of one shape, with gaps above each and to its left."""

    height: int
    width: int
    columns: int
    above: int
    beside: int

    def corner(self, i: int) -> tuple[int, int]:
        """The row and the column of the first pixel of image i."""
        line, column = divmod(i, self.columns)
        return line * (self.height + self.above) + self.above, column * (self.width + self.beside) + self.beside

    def lay(self, images: Array) -> Array:
        """Lay images (n, height * width) out, row by row; the rest of the grid is nan."""
        n = len(images)
        lines = math.ceil(n / self.columns)
        cells = (lines * self.columns, self.height + self.above, self.width + self.beside)
        grid = np.full(cells, np.nan, images.dtype)
        grid[:n, self.above :, self.beside :] = images.reshape(n, self.height, self.width)
        tiled = grid.reshape(lines, self.columns, *cells[1:]).swapaxes(1, 2)
        return tiled.reshape(lines * cells[1], self.columns * cells[2])
