"""The reports of the checks: arguments that fit, laws, and lines that show a fault."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import check_plain, describe, is_a
from chainrule.arrays.types import Array, Generator, library_name
from chainrule.checking.effort import Effort, is_quick
from chainrule.checking.report import Report
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder, seed_hint
from chainrule.interop._conversions import in_numpy
from chainrule.interop.graph import Function
from chainrule.laws.of_compositions.networks import NETWORK_LAWS
from chainrule.laws.of_layers.first_call import beside_the_first_call
from chainrule.laws.places import parts_that_break, with_place, with_places
from chainrule.laws.running import LAWS, chosen, verdicts_of
from chainrule.laws.showing._author import Author
from chainrule.laws.showing.demonstrated import CheckedLayer, CheckedLoss
from chainrule.laws.showing.examples import with_lines
from chainrule.laws.showing.steps import steps_shown
from chainrule.laws.tables import LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS, QUICK_FORMS
from chainrule.laws.trials.copies import in_native_order
from chainrule.laws.trials.finite import unfit
from chainrule.laws.trials.parameters import as_given, as_trees, in_its_words, optimizer_as_trees
from chainrule.laws.trials.widened import in_its_dtype
from chainrule.layer import Layer
from chainrule.loss import Loss

OF_AS_LAYER = (
    "convert it, as with {}: a layer made by as_layer makes {} of them; check_against takes {} as they are, also in "
    "bfloat16"
)
"""Advice on arrays of another library: how they are converted, and what they are called."""

CONVERTED = {"torch": ("tensor.detach().cpu().numpy()", "tensors", "tensors")}
"""The words for arrays of a library in that; those of others are converted by NumPy."""


def layer_report(
    layer: Any,
    params: Any,
    x: Any,
    *,
    rng: Generator,
    surrogate: bool,
    effort: Effort,
    only: Collection[str] | None,
    check: str = "check_layer",
) -> Report:
    """The report of `check_layer`, and of the layers for another check."""
    _expect(layer, (Layer, Encoder), check)
    quick = is_quick(effort, check)
    _expect_names(only, LAYER_LAWS, check)
    if isinstance(layer, Layer):
        _expect_array(x, f"{check}: x")
    subject, given = as_trees(layer, params)
    given, x = (_of_its_library(layer, f"{check}: {name}", value) for name, value in (("params", given), ("x", x)))
    _expect_arrays(check, OF_AS_LAYER, params=given, x=x)
    _expect_floats(check, given)
    _expect_own(layer, given, x)
    if isinstance(layer, Layer):
        _refuse_bfloat16(f"{check}: x", x)
        if x.dtype.kind in "biu":
            what = f"{check}: x must be an array of floats, got {describe(x)}"
            raise TypeError(f"{what}: what has no derivative, such as tokens, is the x of an Encoder")
    given, x = in_native_order((given, x))
    checked = in_its_dtype(subject, given, x)

    def result(x: Any, params: Any) -> Any:
        return checked.forward(params, x)[0]

    lost = unfit("derivative", {"x": x, "params": given}, result)
    if lost is not None:
        return Report((lost,))
    laws = chosen(LAYER_LAWS, only, quick=quick, surrogate=surrogate)
    verdicts = verdicts_of(check, beside_the_first_call(laws), checked, given, x, rng=rng)
    placed = with_places(verdicts, layer, given, x, rng, laws)
    author, dtype = Author(layer, as_given(layer, params), given), "float64" if checked is subject else _dtype(x, given)
    example = _example_of_part(placed, layer, given, x, laws)
    if example:
        return Report(tuple(evolve(each, point=None) for each in placed), example)
    return in_its_words(layer, given, with_lines(placed, CheckedLayer(subject, given, x), author, dtype))


def _example_of_part(verdicts: Collection[Verdict], layer: Any, params: Any, x: Any, laws: Mapping[str, Any]) -> str:
    """The lines that show the fault of one layer of a network alone; "" if there are none."""
    for law in dict.fromkeys(each.law for each in verdicts if each.wrong and each.law in laws):
        rng = np.random.default_rng(0)
        for place, part, own, at in parts_that_break(law, layer, params, x, rng, laws[law]):
            try:
                alone = layer_report(part, own, at, rng=rng, surrogate=False, effort="full", only=[law])
            except Exception:  # what it is given in the network is nothing that a check takes
                continue
            if alone.example:
                return f"# {part}, {place}\n{alone.example}"
    return ""


def loss_report(
    loss: Any,
    out: Any,
    targets: Any,
    *,
    rng: Generator,
    effort: Effort,
    only: Collection[str] | None,
    check: str = "check_loss",
) -> Report:
    """The report of `check_loss`, and of the loss for another check."""
    _expect(loss, (Loss,), check)
    _expect_array(out, f"{check}: out")
    if is_a(targets, list):
        _expect_array(targets, f"{check}: targets")
    _expect_arrays(check, out=out, targets=targets)
    if not out.ndim:
        raise ValueError(f"{check}: out must have an axis of rows, got shape {tuple(out.shape)}: add one, as out[None]")
    out, targets = in_native_order((out, targets))
    _expect_names(only, LOSS_LAWS, check)
    laws = chosen(LOSS_LAWS, only, quick=is_quick(effort, check))

    def value(out: Any, targets: Any) -> Any:
        return loss.forward(out, targets)[0]

    lost = unfit("loss_derivative", {"out": out, "targets": targets}, value)
    if lost is not None:
        return Report((lost,))
    verdicts = verdicts_of(check, laws, loss, out, targets, rng=rng)
    return with_lines(verdicts, CheckedLoss(loss, out, targets), Author(loss, _itself, targets))


def network_report(
    network: Any,
    loss: Any,
    params: Any,
    x: Any,
    targets: Any,
    *,
    rng: Generator,
    effort: Effort,
    only: Collection[str] | None,
) -> Report:
    """The report of `check_network`."""
    check = "check_network"
    _expect(network, (Layer, Encoder), check)
    _expect(loss, (Loss,), check)
    quick = is_quick(effort, check)
    _expect_names(only, LAWS["network"], check)
    subject, given = as_trees(network, params)
    of_layer = layer_report(
        network, params, x, rng=rng, surrogate=False, effort=effort, only=_those(only, LAYER_LAWS), check=check
    )
    try:
        out = subject.forward(given, x)[0]
    except Exception:  # the report of the layer says it
        return of_layer
    of_loss = loss_report(loss, out, targets, rng=rng, effort=effort, only=_those(only, LOSS_LAWS), check=check)

    def value(x: Any, params: Any, targets: Any) -> Any:
        return loss.forward(subject.forward(params, x)[0], targets)[0]

    lost = unfit("network_gradient", {"x": x, "params": given, "targets": targets}, value)
    if lost is not None:
        return Report((*of_layer.verdicts, *of_loss.verdicts, lost))
    given, x, targets = in_native_order((given, x, targets))
    laws = {name: partial(law, subject) for name, law in chosen(NETWORK_LAWS, only).items()}
    of_both = verdicts_of(check, laws, loss, given, x, targets, rng=rng)
    of_layers = LAYER_LAWS | QUICK_FORMS if quick else LAYER_LAWS
    placed = with_places(of_both, subject, given, x, rng, of_layers)
    if placed == of_both and any(each.wrong and each.law == "network_gradient" for each in placed):
        placed = _of_the_loss(placed, loss, out, targets, rng)
    return Report(of_layer.verdicts + of_loss.verdicts + placed, of_layer.example or of_loss.example)


def _of_the_loss(
    verdicts: tuple[Verdict, ...], loss: Any, out: Any, targets: Any, rng: Generator
) -> tuple[Verdict, ...]:
    """The verdicts on a network whose layers are right, which say so if the derivative of its loss is wrong."""
    law = "loss_derivative"
    if not any(each.wrong for each in verdicts_of("check_network", {law: LOSS_LAWS[law]}, loss, out, targets, rng=rng)):
        return verdicts
    words = "the fault is in the loss"
    return tuple(evolve(each, note=with_place(each.note, words)) if each.wrong else each for each in verdicts)


def optimizer_report(
    optimizer: Any, params: Any, grads: Any, *, rng: Generator, only: Collection[str] | None
) -> Report:
    """The report of `check_optimizer`."""
    if is_a(optimizer, type) or not (hasattr(optimizer, "init") and hasattr(optimizer, "step")):
        raise TypeError(
            f"check_optimizer: optimizer must have init and step, as sgd(0.1) has, got {describe(optimizer)}"
        )
    author = optimizer
    try:
        optimizer, params, grads = optimizer_as_trees(optimizer, params, grads)
    except TypeError as error:
        raise TypeError(f"check_optimizer: {error}") from None
    _expect_arrays("check_optimizer", params=params, grads=grads)
    try:
        tree.map(_same_shape, params, grads)
    except ValueError as error:
        raise ValueError(f"check_optimizer: grads must be like params: {error}") from None
    _expect_names(only, OPTIMIZER_LAWS, "check_optimizer")
    lost = unfit("follows_gradient", {"params": params, "grads": grads})
    if lost is not None:
        return Report((lost,))
    params, grads = in_native_order((params, grads))
    laws = chosen(OPTIMIZER_LAWS, only)
    report = Report(verdicts_of("check_optimizer", laws, optimizer, params, grads, rng=rng))
    lines = (steps_shown(verdict, author) for verdict in report.failures)
    return evolve(report, example=next(filter(None, lines), ""))


def _expect_own(layer: Any, params: Any, x: Any) -> None:
    """Refuse parameters that are not those of the function of which a layer is made."""
    made = layer.forward
    if isinstance(made, Function) and made.check_params is not None:
        made.check_params(params, x)


def _of_its_library(layer: Any, name: str, value: Any) -> Any:
    """Arrays of the library whose function a layer is, as NumPy's; bfloat16, which NumPy has not, stays what it is."""
    library = layer.forward.library if isinstance(layer.forward, Function) else ""

    def moved(leaf: Any) -> Any:
        own = library and library_name(leaf).removesuffix("lib") == library and "bfloat16" not in str(leaf.dtype)
        return in_numpy(name, leaf) if own else leaf

    return tree.map(moved, value) if library else value


def _itself(value: Any) -> Any:
    return value


def _dtype(*arguments: Any) -> str:
    return next(leaf.dtype.name for leaf in tree.leaves(arguments) if leaf.dtype.kind == "f")


def _expect(subject: object, classes: tuple[type, ...], name: str) -> None:
    if not isinstance(subject, classes):
        named = " or ".join(f"{'an' if cls is Encoder else 'a'} {cls.__name__}" for cls in classes)
        hint = seed_hint(subject, "network(seed), or Layer(forward, backward)") if Layer in classes else ""
        raise TypeError(f"{name}: the subject must be {named}, got {describe(subject)}{hint}")


def _expect_arrays(check: str, remedy: str = "convert it with np.asarray", **given: object) -> None:
    for name, value in given.items():
        try:
            leaves = [*tree.named_leaves(value)]
        except TypeError as error:
            raise TypeError(f"{check}: {name}: {error}") from None
        for path, leaf in leaves:
            if not is_a(leaf, np.ndarray, np.generic):
                library = type(leaf).__module__.partition(".")[0].removesuffix("lib")
                words = CONVERTED.get(library, ("np.asarray(array)", "its own arrays", "those"))
                what = f"{check}: {name}{path} must be a NumPy array, got {describe(leaf)} of {library}"
                raise TypeError(f"{what}: {remedy.format(*words)}")
            check_plain(f"{check}: {name}{path}", leaf)


def _expect_floats(check: str, params: object) -> None:
    """Refuse parameters that have no derivative, an index or a mask, and dtypes that are none of NumPy's."""
    for path, leaf in tree.named_leaves(params):
        _refuse_bfloat16(f"{check}: params{path}", leaf)
        if leaf.dtype.kind in "biu":
            what = f"{check}: params{path} must be an array of floats, got {describe(leaf)}"
            raise TypeError(f"{what}: bind what has no derivative to the functions, as with functools.partial")


def _refuse_bfloat16(name: str, leaf: Array) -> None:
    if leaf.dtype.name == "bfloat16":
        what = f"{name} is {describe(leaf)}, which is no dtype of NumPy's"
        raise TypeError(f"{what}: give float32, which holds the same numbers; check_against checks bfloat16")


def _expect_array(x: object, name: str) -> None:
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(f"{name} must be a NumPy array, got {describe(x)}: convert it with np.asarray")


def _same_shape(param: Array, grad: Array) -> Array:
    if param.shape != grad.shape:
        raise ValueError(f"{describe(grad)} for {describe(param)}")
    return param


def _expect_names(only: Collection[str] | None, names: Collection[str], check: str) -> None:
    if only is not None and (is_a(only, str) or not is_a(only, Collection)):
        hint = f": write [{only!r}]" if is_a(only, str) else ""
        raise TypeError(f"{check}: only must be a collection of names of laws, got {describe(only)}{hint}")
    for name in () if only is None else only:
        if not is_a(name, str) or name not in names:
            raise ValueError(f"{check}: only={name!r} is none of its laws, which are {', '.join(names)}")


def _those(only: Collection[str] | None, names: Collection[str]) -> Collection[str] | None:
    return None if only is None else [name for name in only if name in names]
