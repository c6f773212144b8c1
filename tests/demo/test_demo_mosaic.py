"""A mosaic holds every image once, where it says, with gaps between."""

import numpy as np
import pytest

from chainrule.demo.mosaic import Mosaic


@pytest.mark.parametrize("n", [1, 4, 5, 13])
@pytest.mark.parametrize("mosaic", [Mosaic(8, 8, 4, above=1, beside=1), Mosaic(1, 5, 1, 2, 3), Mosaic(6, 1, 50, 3, 0)])
def test_every_image_stands_at_its_corner(n: int, mosaic: Mosaic) -> None:
    height, width = mosaic.height, mosaic.width
    images = np.arange(1, n * height * width + 1, dtype=np.float32).reshape(n, -1)
    tiled = mosaic.lay(images)
    assert tiled.dtype == images.dtype
    assert tiled.shape[1] == mosaic.columns * (width + mosaic.beside)
    for i, image in enumerate(images):
        top, left = mosaic.corner(i)
        assert np.array_equal(tiled[top : top + height, left : left + width], image.reshape(height, width))
        tiled[top : top + height, left : left + width] = np.nan
    assert np.isnan(tiled).all()
