"""The names of torch for the arrays of a tree, and the layouts in which they stand there.

A tuple is a `torch.nn.Sequential`, whose parts are numbered; a record is a module, with its table `in_torch`, or with
its fields as the names.
"""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import check_tree, describe, is_a
from chainrule.arrays.records import field_names, is_record
from chainrule.arrays.types import is_array, is_tuple
from chainrule.interop._conversions import form, in_numpy, moved
from chainrule.interop._misfits import check_fit, shown
from chainrule.naming import options_of, title_of
from chainrule.parts import Around, Parts, layers_of
from chainrule.rules.in_torch import InTorch, Layout, Weight, kernel, kernel_of_transpose
from chainrule.rules.layers import LayerArithmetic

BESIDE = "the layer"
"""The path of what is not among the parameters, but among the options of a layer."""


class Entry(NamedTuple):
    name: str
    path: str
    """In the tree, or from `BESIDE`."""
    array: NDArray[Any]
    layout: Layout

    @property
    def there(self) -> NDArray[Any]:
        return self.layout.there(self.array)


class Module(NamedTuple):
    path: str
    name: str
    table: InTorch
    record: Any


ALONE: InTorch = {"": Weight("")}
"""The table of an array that has a name by its place."""


def entries(owner: str, layer: Any, params: Any) -> tuple[list[Entry], set[str]]:
    """The weights of torch for a tree, and the names of what torch has beside them.

    `layer` is None if it is not known, and then records say themselves what they are in torch.
    """
    check_tree(f"{owner}: params", params)
    rows = [(module, *row) for module in _modules(owner, "", "", layer, params) for row in module.table.items()]
    beside = {module.name + key for module, key, weight in rows if weight is None}
    return [_entry(owner, module, key, weight) for module, key, weight in rows if weight is not None], beside


def _entry(owner: str, module: Module, key: str, weight: Weight) -> Entry:
    path = f"{module.path}.{weight.field}".rstrip(".")
    array = in_numpy(f"{owner}: {path}", attrgetter(weight.field)(module.record) if weight.field else module.record)
    if not (array.dtype.kind in "biufc" or array.dtype.name == "bfloat16"):
        raise TypeError(f"{owner}: params{path} must be an array of numbers, got {describe(array)}")
    return Entry((module.name + key).rstrip("."), path, array, weight.layout)


def check_own(layer: Any, value: Any) -> None:
    """Refuse parameters of a layer of the library's that are not its own, at any depth of a tree that has entries."""
    parts: Parts = getattr(layer, "parts", ())
    if isinstance(parts, Around):
        check_own(None if parts.tied else parts.layer, value)
        return
    for each, own in zip(layers_of(layer), value if is_tuple(value) else (), strict=False):
        check_own(each, own)
    arithmetic: Any = getattr(getattr(layer, "forward", None), "__self__", None)
    if is_a(arithmetic, LayerArithmetic) and not (arithmetic.record is tuple and is_tuple(value) and not value):
        arithmetic.refuse(value)


def _modules(owner: str, path: str, name: str, layer: Any, value: Any) -> Iterator[Module]:
    parts: Parts = getattr(layer, "parts", ())
    if isinstance(parts, Around):
        yield from _modules(owner, path, name, None if parts.tied else parts.layer, value)
        return
    layers = layers_of(layer)
    if layers and not (is_tuple(value) and len(value) == len(layers)):
        what = f"{title_of(layer)} has {len(layers)} layers, so params{path} must be a tuple of {len(layers)}"
        raise ValueError(f"{owner}: {what}, got {describe(value)}")
    table = _table(layer, value)
    if table is not None:
        yield Module(path, name, table, value)
    else:
        for i, (step, key, child) in enumerate(_children(value)):
            yield from _modules(owner, path + step, f"{name}{key}.", layers[i] if layers else None, child)
    for option in _options(layer):
        if is_record(option.__class__) and hasattr(option, "in_torch"):
            yield Module(BESIDE, name, option.in_torch, option)


def _table(layer: Any, value: Any) -> InTorch | None:
    if is_array(value):
        return ALONE
    table: InTorch | None = getattr(layer, "in_torch", None) or getattr(value, "in_torch", None)
    return table


def _children(value: Any) -> list[tuple[str, str, Any]]:
    if is_tuple(value):
        return [(f"[{i}]", f"{i}", child) for i, child in enumerate(value)]
    return [(f".{name}", name, getattr(value, name)) for name in field_names(value.__class__)]


def _options(layer: Any) -> list[Any]:
    return [*options_of(layer.rule.source).values()] if getattr(layer, "rule", None) is not None else []


def _fits_transpose(entry: Entry, given: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    if entry.layout is not kernel:
        return False
    return wanted[entry.name] != given.get(entry.name) == form(kernel_of_transpose.there(entry.array))


def read(owner: str, network: Any, params: Any, weights: Mapping[str, Any]) -> Any:
    found, beside = entries(owner, network, params)
    mine = [entry for entry in found if not entry.path.startswith(BESIDE)]
    wanted = {entry.name: form(entry.there) for entry in mine}
    for name, weight in weights.items():
        if not is_array(weight):
            raise TypeError(f"{owner}: {shown(name)} must be a tensor or an array, got {describe(weight)}")
    given = {name: form(weight) for name, weight in weights.items() if name in wanted or name not in beside}
    try:
        check_fit(f"{owner}: the weights do not fit params", given, wanted)
    except ValueError as error:
        if network is None and any(_fits_transpose(entry, given, wanted) for entry in mine):
            error.add_note("the kernel of a transposed convolution has another order: give network= as well")
        raise
    arrays: dict[str, NDArray[Any]] = {}
    for name, path, array, layout in mine:
        here = layout.here(in_numpy(f"{owner}: {name}", weights[name])).reshape(array.shape)
        arrays[path] = arrays[path] + here if path in arrays else here
    return tree.replace(params, [moved(np.array(arrays[path]), leaf) for path, leaf in tree.named_leaves(params)])
