"""The parts of `chainrule.interop.torch.compiled`: a program of torch's operations for each form of the arguments.

`torch.compile` reads the bytecode of a function. It does not know how records are made, and breaks a step of training
into some hundred pieces. So we run the function once, on tensors without numbers, note which operations it asks torch
for, and give `torch.compile` the list.
"""

from collections.abc import Callable, Hashable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.records import field_names
from chainrule.arrays.types import is_numpy, is_tuple

torch: Any = import_module("torch")  # its types are no part of ours
proxies: Any = import_module("torch.fx.experimental.proxy_tensor")


@frozen(eq=False)
class Program:
    run: Callable[..., Sequence[Any]]
    results: Any


def call(f: Callable[..., Any], programs: dict[Hashable, Program], options: dict[str, Any], *arguments: Any) -> Any:
    arguments = tree.map(_tensor, arguments)
    form, leaves = _form(arguments), tree.leaves(arguments)
    if form not in programs:
        programs[form] = _program(f, options, arguments)
    program = programs[form]
    with torch.no_grad():
        return tree.replace(program.results, list(program.run(*leaves)))


def _program(f: Callable[..., Any], options: dict[str, Any], arguments: tuple[Any, ...]) -> Program:
    noted: list[Any] = []

    def of_leaves(*leaves: Any) -> list[Any]:
        results = f(*tree.replace(arguments, list(leaves)))
        noted.append(tree.map(_without_numbers, results))
        return tree.leaves(results)

    with torch.no_grad():
        operations = proxies.make_fx(of_leaves, tracing_mode="fake")(*tree.leaves(arguments))
    return Program(torch.compile(operations, dynamic=False, **options), noted[-1])


def _tensor(leaf: Any) -> Any:
    """A tensor; of NumPy's arrays, such as the count of a state before the first step, on the CPU."""
    return torch.tensor(np.array(leaf)) if is_numpy(leaf) else leaf.detach()


def _without_numbers(leaf: Any) -> Any:
    return torch.empty(leaf.shape, dtype=leaf.dtype, device="meta")


def _form(value: Any) -> Hashable:
    """The key of a program: structure, shapes, dtypes, devices, and what stands in a record beside arrays."""
    if torch.is_tensor(value):
        return value.shape, value.dtype, value.device
    kind: Any = value.__class__
    if is_tuple(value):
        return kind, *map(_form, value)
    names = field_names(kind)
    return (kind, *[_form(getattr(value, name)) for name in names]) if names else (kind, value)
