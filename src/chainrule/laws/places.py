"""Which layer of a network breaks a law: each is asked alone, on the input that it has in the network."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule.checking.verdict import Verdict
from chainrule.laws.tables import LayerLaw
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.process import put_back
from chainrule.parts import Around, Chain, Fork

Placed: TypeAlias = tuple[str, Any, Any, Any]
"""A layer in its place: the words for that, itself, its parameters and its input."""

AS_A_WHOLE = {"network_gradient": "derivative"}
"""For laws of a network with its loss, that of its layers."""


def with_places(
    verdicts: tuple[Verdict, ...],
    layer: Any,
    params: Any,
    x: Any,
    rng: np.random.Generator,
    laws: Mapping[str, LayerLaw],
) -> tuple[Verdict, ...]:
    """Say in the verdicts that are wrong which layer breaks the law by itself, if the network is made of layers.

    The network was checked on these arguments; the laws to ask are given by name. Places stand in the notes. If no
    layer breaks it, the innermost one does that puts right ones together by code of its author.
    """
    broken = {AS_A_WHOLE.get(each.law, each.law) for each in verdicts if each.wrong}
    if not broken:
        return verdicts
    try:
        every = list(_within(layer, params, x, ""))
    except Exception:  # a layer that raises has said where already
        return verdicts
    parts, joints = _parts(every), [each for each in every if _is_entered(each[1]) and each[1].rule is None]
    places = {
        law: _breaking(laws[law], parts, rng) or _joining(laws[law], joints, rng)
        for law in laws
        if law in broken and parts
    }

    def placed(verdict: Verdict) -> Verdict:
        found = places.get(AS_A_WHOLE.get(verdict.law, verdict.law), "")
        if not verdict.wrong or not found:
            return verdict
        return evolve(verdict, note=with_place(verdict.note, found))

    return tuple(map(placed, verdicts))


def with_place(note: str, place: str) -> str:
    """A note, which may be a question, and after it where the fault is."""
    return f"{note} {place[:1].upper()}{place[1:]}" if note.endswith("?") else f"{note}: {place}" if note else place


def parts_that_break(
    name: str, layer: Any, params: Any, x: Any, rng: np.random.Generator, law: LayerLaw
) -> Iterator[Placed]:
    """The layers of a network that break a law alone: where each stands, itself, its parameters and its input.

    They come in the order of the network, which was checked on these arguments; one with its loss has no layers.
    """
    try:
        parts = _parts(_within(layer, params, x, "")) if name not in AS_A_WHOLE else []
    except Exception:  # a layer that raises has said where already
        return
    yield from (each for each in parts if _breaking(law, [each], rng))


def _breaking(law: LayerLaw, parts: list[Placed], rng: np.random.Generator) -> str:
    found = [f"{place}, {layer}" for place, layer, params, x in parts if _breaks(law, layer, params, x, rng)]
    return f"the fault is {' and '.join(found)}" if found else ""


def _joining(law: LayerLaw, joints: list[Placed], rng: np.random.Generator) -> str:
    """The first layer that breaks a law though the layers in it do not."""
    for place, layer, params, x in joints:
        if _breaks(law, layer, params, x, rng):
            where = f"{place}, {layer}" if place else f"in {layer}"
            return f"the fault is {where}, though the layers in it are right"
    return ""


def _breaks(law: LayerLaw, layer: Any, params: Any, x: Any, rng: np.random.Generator) -> bool:
    try:
        with put_back(), np.errstate(all="ignore"):
            return any(each.wrong for each in law(layer, writable(params), writable(x), rng))
    except Exception:  # whatever it does, it does not obey
        return True


def _parts(every: Iterable[Placed]) -> list[Placed]:
    """Those that are not made of layers, and stand in one that is."""
    return [each for each in every if each[0] and not _is_entered(each[1])]


def _within(layer: Any, params: Any, x: Any, place: str) -> Iterator[Placed]:
    """The layers of a layer at any depth, each before the one that it is in, and last the layer itself."""
    if _is_entered(layer):
        for where, part, own, given in _entered(layer, params, x, place):
            yield from _within(part, own, given, where)
    yield place, layer, params, x


def _is_entered(layer: Any) -> bool:
    return isinstance(layer.parts, Chain | Fork) or (isinstance(layer.parts, Around) and not layer.parts.tied)


def _entered(layer: Any, params: Any, x: Any, place: str) -> Iterator[Placed]:
    """The layers of a layer, each in its place."""
    parts = layer.parts
    if isinstance(parts, Around):
        yield place, parts.layer, params, x
        return
    kind, n = "layer" if isinstance(parts, Chain) else "branch", len(parts.layers)
    for i, (part, own) in enumerate(zip(parts.layers, params, strict=True), 1):
        yield f"in {kind} {i} of {n}{place and f' {place}'}", part, own, x
        x = part.forward(own, writable(x))[0] if isinstance(parts, Chain) else x
