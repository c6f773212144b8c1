"""The report of `check_against`: the function and the formula as kernels, and all laws one after another."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.checking.progress import progress
from chainrule.checking.report import Report
from chainrule.checking.verdict import Verdict
from chainrule.interop.arguments import Place
from chainrule.interop.graph import on_one_thread
from chainrule.laws._of_kernels.backends import Torch, backend_of, dtype_name, is_float, library_of, values
from chainrule.laws._of_kernels.calls import held, process_unchanged, repeated, requires_grad, stale, without_gradients
from chainrule.laws._of_kernels.check import Check, error_text, rounded
from chainrule.laws._of_kernels.elsewhere import columns, extremes, lengths
from chainrule.laws._of_kernels.kernels import Arguments, Names, arrays_of, kernel, lifted, names_of
from chainrule.laws._of_kernels.lines import example_of
from chainrule.laws._of_kernels.memory import kept, layouts, unchanged, unwritten
from chainrule.laws._of_kernels.parameters import parameters
from chainrule.laws._of_kernels.rows import rows
from chainrule.laws._of_kernels.values import dtypes, not_a_number, values_and_gradients
from chainrule.laws._of_kernels.yardstick import truth
from chainrule.laws.trials.process import put_back

Law: TypeAlias = Callable[[Check], Iterator[Verdict]]

LAWS: tuple[Law, ...] = (
    process_unchanged,
    dtypes,
    values_and_gradients,
    rows,
    columns,
    lengths,
    extremes,
    parameters,
    layouts,
    requires_grad,
    without_gradients,
    repeated,
    held,
    stale,
    unchanged,
    kept,
    not_a_number,
    unwritten,
)
"""All of them: those that say most come first."""


def report_of(
    f: Any,
    reference: Any,
    args: Arguments,
    rng: np.random.Generator,
    *,
    frozen: tuple[Place, ...] = (),
    deterministic: bool = True,
    laws: Sequence[Law] = LAWS,
) -> Report:
    args = _arguments(f, reference, args)
    library = library_of((f, reference), arrays_of(args))
    backend = backend_of(library, arrays_of(args))
    args = lifted(args, lambda array: np.asarray(array) if library == "jax" else array)
    names = names_of(f, reference, args, frozen)
    of_f = kernel(f, library, args, names, backend, role="f")
    of_reference = kernel(reference, library, args, names, backend, role="reference")
    has_backward = library != "numpy" or hasattr(reference, "backward")
    try:
        with np.errstate(all="ignore"):
            out = values(of_reference.forward(lifted(args, backend.wide))[0])
    except Exception as error:
        raise ValueError(
            f"check_against: the reference does not take these arguments in float64: {error}"
            f"{_of_module(f, reference, names)}"
        ) from error
    first = truth(
        of_reference, args, rounded(rng.standard_normal(out.shape), args, backend), rng, has_backward=has_backward
    )
    check = Check(of_f, of_reference, args, rng, deterministic, has_backward, first)
    if of_f.plain is not None and isinstance(backend, Torch):
        check = evolve(check, of_names=partial(kernel, f, library, args, backend=backend, role="f"))
    verdicts: list[Verdict] = []
    with progress(len(laws)) as begun, put_back():
        for law in laws:
            begun(law.__name__)
            one = on_one_thread("" if law is process_unchanged else library, sum(map(_size, arrays_of(args))))
            try:
                with one, np.errstate(all="ignore"):  # of large douts f may overflow, as the formula does
                    verdicts += law(check)
            except Exception as error:
                verdicts.append(Verdict(law.__name__, "call", ok=False, note=error_text(error)))
            if any(verdict.field == "call" for verdict in verdicts):
                break  # other laws would only say the same in other words
            if law is values_and_gradients:
                check.wrong.update(verdict.field for verdict in verdicts if not verdict.ok and verdict.law != "dtypes")
        example = example_of(check, verdicts)
    return Report(tuple(evolve(verdict, point=None) for verdict in verdicts), example)


def _size(array: Any) -> int:
    return math.prod(array.shape)


def _of_module(f: Any, reference: Any, names: Names) -> str:
    if hasattr(f, "named_parameters") and not hasattr(reference, "named_parameters"):
        return f"; f is a module, so the reference is called as reference({', '.join(names.arguments)})"
    return ""


def _arguments(f: Any, reference: Any, args: Arguments) -> Arguments:
    """The arguments, with a module's own parameters if there are none; what is wrong with them is an error."""
    if not args:
        raise TypeError("check_against: there is no x: give x, and then the parameters")
    module = next((each for each in (f, reference) if hasattr(each, "named_parameters")), None)
    if module is not None and len(args) == 1:
        args = (args[0], *(parameter.detach() for _, parameter in module.named_parameters()))
    for i, arg in enumerate(args):
        try:
            tree.leaves(arg)
        except TypeError as error:
            raise TypeError(f"check_against: argument {i}: {error}") from error
    x = args[0]
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(f"check_against: x must be an array, got {describe(x)}")
    if not is_float(x):
        raise TypeError(f"check_against: x must be of floats, got {describe(x)}")
    for i, leaf in enumerate(arrays_of(args)):
        if dtype_name(leaf) == "float64":
            name = "x" if i == 0 else "a parameter"
            raise ValueError(
                f"check_against: {name} is float64, {describe(leaf)}: check_layer judges it there, with no reference"
            )
    return args
