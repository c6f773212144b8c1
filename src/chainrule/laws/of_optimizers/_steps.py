"""Steps of an optimizer under given gradients, and the places that they lead to."""

from collections import deque
from collections.abc import Container, Iterable, Iterator
from typing import Any, TypeVar

from attrs import frozen

from chainrule import tree

P = TypeVar("P")


@frozen
class Place:
    params: Any
    state: Any


def places(optimizer: Any, start: Any, slopes: Iterable[Any]) -> Iterator[Place]:
    place = start if isinstance(start, Place) else Place(start, optimizer.init(start))
    for each in slopes:
        place = Place(*optimizer.step(place.state, place.params, each))
        yield place


def last_place(optimizer: Any, start: Any, slopes: Iterable[Any]) -> Place:
    """The place after all steps, of which there is one at least: the others are not kept."""
    (last,) = deque(places(optimizer, start, slopes), maxlen=1)
    return last


def seen(optimizer: Any, start: Any, slopes: Iterable[Any], looks: Container[int]) -> list[Any]:
    """The parameters after some of the steps: all from the start, as a state may have been written to."""
    return [place.params for step, place in enumerate(places(optimizer, start, slopes), 1) if step in looks]


def scaled(value: P, factor: float) -> P:
    return tree.map(lambda leaf: (leaf * factor).astype(leaf.dtype), value)
