"""Parameters as laws take them, which are trees, and as the author of a layer or an optimizer has them."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from attrs import frozen

from chainrule.arrays.arguments import describe, two
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import is_any_tuple, is_dict, is_list, is_numpy
from chainrule.checking.report import Report
from chainrule.encoder import Encoder
from chainrule.interop import graph
from chainrule.interop.parameters import as_names, named, names_of_fields, natural
from chainrule.layer import Layer


def as_trees(layer: Any, params: Any) -> tuple[Any, Any]:
    """The layer and its parameters, where dictionaries, named tuples and dataclasses become records, and lists tuples.

    The layer is given what it knows, and its gradients, which must be of the same kind, are turned as well. That of
    another library's function takes named parameters as they are.
    """
    if not _has_containers(params):
        return layer, params
    if layer.grads is graph.grads:  # the layer of a function that takes dictionaries, made by `as_layer`
        return layer, named(params)
    turn = _turned(params)

    def forward(given: Any, x: Any) -> Any:
        natural_params = _like(params, given)
        result = layer.forward(natural_params, x)
        if is_dict(params) and set(natural_params) != set(params):
            keys = f"from {sorted(params)} to {sorted(natural_params)}"
            raise TypeError(f"forward changed the keys of params, which are the caller's, {keys}")
        return result

    def backward(cache: Any, dout: Any) -> Any:
        result = layer.backward(cache, dout)
        dx, grads = result
        return dx, _checked(params, grads)

    def grads(cache: Any, dout: Any) -> Any:
        return _checked(params, layer.grads(cache, dout))

    traits = {"couples_rows": layer.couples_rows, "event_axes": layer.event_axes}
    if isinstance(layer, Encoder):
        made: Any = Encoder(forward, grads, **traits)
        return made, turn
    return Layer(forward, backward, grads, elementwise=layer.elementwise, **traits), turn


def optimizer_as_trees(optimizer: Any, params: Any, grads: Any) -> tuple[Any, Any, Any]:
    """An optimizer, parameters and gradients, where dictionaries and lists become trees, in its state too."""
    if not _has_containers(params):
        return optimizer, params, grads
    given = _turned(params), _checked(params, grads)
    try:
        state = optimizer.init(params)
    except Exception:  # laws say so
        state = None
    return (_InTrees(optimizer, params, state), *given)


@attrs.frozen(eq=False)
class _InTrees:
    """An optimizer of dictionaries and lists as one of trees; its states are like the one at the start."""

    optimizer: Any
    params: Any
    state: Any

    def init(self, params: Any) -> Any:
        return _checked(self.state, self.optimizer.init(_like(self.params, params)), "the state")

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        given = (_like(self.params, each) for each in (params, grads))
        new, after = two(self.optimizer.step(_like(self.state, state), *given), "step", "(params, state)")
        try:
            return _checked(self.params, new, "new params"), _checked(self.state, after, "the state")
        except TypeError:
            before = {"params": form_of(self.params), "state": form_of(self.state)}
            refuse_swapped(before, {"params": form_of(new), "state": form_of(after)})
            raise


def refuse_swapped(before: dict[str, str], after: dict[str, str]) -> None:
    """Refuse parameters and a state of which each has the form of the other, by the forms before a step and after."""
    if after["params"] == before["state"] != before["params"] == after["state"]:
        raise TypeError("step must return (params, state), got (state, params)")


def form_of(value: Any) -> str:
    """The containers of a value, with the shapes and dtypes of its arrays, and the classes of what is none."""
    if is_numpy(value) or hasattr(value, "dtype"):
        return describe(value)
    if is_dict(value):
        return "{" + ", ".join(f"{key}: {form_of(each)}" for key, each in value.items()) + "}"
    if is_list(value) or is_any_tuple(value):
        return f"{_kind(value)}({', '.join(map(form_of, value))})"
    kind: Any = value.__class__
    fields = getattr(kind, "__attrs_attrs__", None)
    if fields is not None:
        named = [each.name for each in fields if not each.name.startswith("_")]
        return f"{_kind(value)}({', '.join(f'{name}={form_of(getattr(value, name))}' for name in named)})"
    return _kind(value)


def _kind(value: object) -> str:
    return type(value).__name__


def in_its_words(layer: Any, params: Any, report: Report) -> Report:
    """The report on a function of another library, of whose arguments gradients have the names: `db` for `grads[1]`."""
    others = layer.forward.others if isinstance(layer.forward, graph.Function) else ()
    if not others or not is_any_tuple(params) or len(params) > len(others):
        return report

    def renamed(text: str) -> str:
        named = re.sub(r"\bgrads\[(\d+)\]", lambda found: f"d{others[int(found[1])]}", text)
        return re.sub(r"\bparams\[(\d+)\]", lambda found: others[int(found[1])], named)

    words = [attrs.evolve(each, field=renamed(each.field), note=renamed(each.note)) for each in report.verdicts]
    return Report(tuple(words), report.example)


def as_given(layer: Any, params: Any) -> Callable[[Any], Any]:
    """The function that makes of parameters that are a tree those that the layer's author is given."""
    return natural if layer.grads is graph.grads else partial(_like, params)


def _has_containers(value: Any) -> bool:
    if is_dict(value) or is_list(value) or names_of_fields(value):
        return True
    return is_any_tuple(value) and any(map(_has_containers, value))


def _turned(value: Any) -> Any:
    if is_dict(value):
        return _record(tuple(value))(*map(_turned, value.values()))
    if names := names_of_fields(value):
        return _record(names, type(value).__name__)(*(_turned(getattr(value, name)) for name in names))
    if is_list(value) or (is_any_tuple(value) and _has_containers(value)):
        return tuple(map(_turned, value))
    return value


def _like(pattern: Any, value: Any) -> Any:
    if is_dict(pattern):
        return {
            key: _like(each, getattr(value, name))
            for (key, each), name in zip(pattern.items(), as_names(tuple(pattern)), strict=True)
        }
    if names := names_of_fields(pattern):
        return type(pattern)(**{name: _like(getattr(pattern, name), getattr(value, name)) for name in names})
    if is_list(pattern):
        return [_like(each, own) for each, own in zip(pattern, value, strict=True)]
    if is_any_tuple(pattern) and _has_containers(pattern):
        return tuple(_like(each, own) for each, own in zip(pattern, value, strict=True))
    return value


def _checked(pattern: Any, grads: Any, what: str = "grads") -> Any:
    for name, is_kind in (("dict", is_dict), ("list", is_list)):
        if is_kind(pattern) and not is_kind(grads):
            raise TypeError(f"{what} must be a {name} like params, got {describe(grads)}")
    if names := names_of_fields(pattern):
        if type(grads) is not type(pattern):
            raise TypeError(f"{what} must be a {type(pattern).__name__} like params, got {describe(grads)}")
        given = (_checked(getattr(pattern, name), getattr(grads, name), what) for name in names)
        return unchecked(_record(names, type(pattern).__name__))(*given)
    if is_dict(pattern):
        if set(grads) != set(pattern):
            raise TypeError(f"{what} must have the keys of params {sorted(pattern)}, got {sorted(grads)}")
        # Unchecked: what shares memory, or is written to later, is to be seen as it is.
        return unchecked(_record(tuple(pattern)))(*(_checked(pattern[key], grads[key], what) for key in pattern))
    if is_list(pattern) or (is_any_tuple(pattern) and _has_containers(pattern)):
        return tuple(_checked(each, own, what) for each, own in zip(pattern, grads, strict=True))
    return grads


RECORDS: dict[tuple[Any, ...], Callable[..., Any]] = {}
"""The classes of records that stand for dictionaries and for named tuples, by the name and the keys."""


def _record(keys: tuple[Any, ...], name: str = "dict") -> Callable[..., Any]:
    if (name, *keys) not in RECORDS:
        names = as_names(keys)
        body = {"__annotations__": dict.fromkeys(names, Any), **{each: attrs.field(alias=each) for each in names}}
        RECORDS[name, *keys] = frozen(eq=False)(record(type(name, (), body)))
    return RECORDS[name, *keys]
