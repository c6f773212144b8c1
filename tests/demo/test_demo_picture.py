"""The picture is a PNG of sensible size whatever the images, the network and the mistakes are."""

import struct

import numpy as np
import pytest

from chainrule import two_layer
from chainrule.datasets import Dataset, Examples
from chainrule.demo.mistakes import mistakes
from chainrule.demo.picture import UNITS, png
from chainrule.demo.training import Moment

MOMENTS = [Moment(0, np.nan, 2.3, 0.1), Moment(50, 1.5, 1.0, 0.6), Moment(100, 0.0, 0.0, 1.0)]


def size(picture: bytes) -> tuple[int, int]:
    """Width and height, as the header of a PNG file has them."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture[12:16] == b"IHDR"
    assert picture[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def draw(shape: tuple[int, int], hidden: int, wrong: int, moments: list[Moment] = MOMENTS, n: int = 60) -> bytes:
    rng = np.random.default_rng(0)
    part = Examples(rng.random((n, shape[0] * shape[1]), dtype=np.float32), np.arange(n) % 10)
    reading = np.where(np.arange(n) < wrong, (part.labels + 1) % 10, part.labels)
    found = mistakes(np.eye(10, dtype=np.float32)[reading], part.labels)
    params = two_layer.init(rng, shape[0] * shape[1], hidden, 10)
    return png(moments, Dataset(part, part, shape), params, found)


@pytest.mark.parametrize(
    ("shape", "hidden", "wrong"),
    [((8, 8), 50, 9), ((28, 28), UNITS + 1, 60), ((1, 1), 1, 0), ((1, 64), 3, 1), ((40, 2), 7, 13)],
)
def test_any_shape_any_network_any_number_of_mistakes(shape: tuple[int, int], hidden: int, wrong: int) -> None:
    width, height = size(draw(shape, hidden, wrong))
    assert 1000 <= width <= 1500
    assert 900 <= height <= 1500


def test_one_step_and_one_class_can_be_drawn() -> None:
    size(draw((8, 8), 5, 2, [Moment(0, np.nan, 0.0, 1.0), Moment(1, 0.0, 0.0, 1.0)]))
