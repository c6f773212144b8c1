"""Check a layer, a loss or a network of one's own against the whole contract, and say exactly what is wrong.

The laws are in `chainrule.laws`; here they are run one after another. Errors that the code under test raises are part
of the report, and the report prints as a table. The laws are imported by the first check, so that `import chainrule`
takes no time for them.
"""
# ruff: noqa: PLC0415  # laws are imported where they are run: importing chainrule to train must not wait for them

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.types import Array, Generator
from chainrule.checking.effort import Effort, is_quick
from chainrule.checking.progress import progress
from chainrule.checking.report import Report
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder, Trainable, of_a_seed
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

if TYPE_CHECKING:
    from chainrule.laws.showing._lines import Author
    from chainrule.laws.showing.demonstrated import OfLayer, OfLoss

P = TypeVar("P")
C = TypeVar("C")
T = TypeVar("T")
S = TypeVar("S")
X = TypeVar("X")

OF_EARLIER_CALLS = ("repeatability", "calls_in_between", "threads", "all_written", "loss_state")
"""The laws that are broken where results depend on earlier calls, or on calls beside them."""

OF_AS_LAYER = (
    "convert it, as with tensor.numpy(): a layer made by as_layer makes tensors of them; check_against takes tensors "
    "as they are, also in bfloat16"
)
"""Advice on arrays of another library."""


def check_layer(
    layer: Layer[P, C] | Encoder[P, C, X],
    params: P,
    x: Array | X,
    *,
    rng: Generator,
    surrogate: bool = False,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a layer, or an encoder, against every law, for every field.

    Parameters
    ----------
    layer
        The layer or the encoder.
    params, x
        The arguments to run it on: of any float dtype, with two rows or more, and of a size that shows mistakes (sides
        that differ, some tens of numbers). They are not written to. Parameters may also be in dictionaries, lists,
        named tuples and dataclasses. An encoder's `x` is a tree of arrays.
    rng
        The generator of random derivatives `dout`.
    surrogate
        Whether backward is meant to differ from the derivative, as that of a straight-through estimator does. Then all
        other laws are checked.
    effort
        `"quick"` leaves out what is not about the arguments as they are given: other values, sizes and dtypes, every
        kind of `dout`, and threads. For an affine layer of 32 rows that takes a quarter of the time from 64 to 32, and
        less than a half from 784 to 1,000: 0.15 s and 9 s of an Intel Xeon.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the layer are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Layer, Unit, check_layer, own
    >>> def forward(params: Unit, x: Array) -> tuple[Array, Array]:
    ...     return x * x, own(x)
    >>> def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    ...     return dout * cache, ()  # the 2 is missing
    >>> rng = np.random.default_rng(0)
    >>> report = check_layer(Layer(forward, backward), (), rng.standard_normal((3, 2)), rng=rng)
    >>> report.ok
    False
    >>> print(report.failures[0].note)
    it is half of what it should be: a missing factor of 2?
    """
    from chainrule.laws.showing._lines import Author
    from chainrule.laws.showing.demonstrated import OfLayer
    from chainrule.laws.tables import AT_ONCE, DERIVATIVE_LAWS, ELSEWHERE, LAYER_LAWS
    from chainrule.laws.trials.finite import unfit
    from chainrule.laws.trials.places import with_places
    from chainrule.laws.trials.subjects import as_given, as_trees, in_its_dtype

    _expect(layer, (Layer, Encoder), "check_layer")
    quick = is_quick(effort, "check_layer")
    laws = {name: law for name, law in LAYER_LAWS.items() if not (surrogate and name in DERIVATIVE_LAWS)}
    _expect_names(only, LAYER_LAWS, "check_layer")
    if quick:
        only = [name for name in laws if name not in ELSEWHERE] if only is None else only
        laws |= {name: law for name, law in AT_ONCE.items() if name in laws}
    if isinstance(layer, Layer):
        _expect_array(x, "check_layer: x")
    subject, given = as_trees(layer, params)
    _expect_arrays("check_layer", OF_AS_LAYER, params=given, x=x)
    checked = in_its_dtype(subject, given, x)

    def result(x: Any, params: Any) -> Any:
        return checked.forward(params, x)[0]

    lost = unfit("derivative", {"x": x, "params": given}, result)
    if lost is not None:
        return Report((lost,))
    report = _report("check_layer", laws, checked, given, x, rng=rng, only=only)
    report = evolve(report, verdicts=with_places(report.verdicts, layer, given, x, rng, laws))
    author = Author(layer, as_given(layer, params), given)
    shown = _with_example(report, author, "float64" if checked is subject else _dtype(x, given))
    return shown if shown.example else _with_program(shown, OfLayer(subject, given, x), author)


def check_loss(
    loss: Loss[T, C],
    out: Array,
    targets: T,
    *,
    rng: Generator,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a loss against every law.

    Parameters
    ----------
    loss
        The loss.
    out, targets
        The arguments to run it on: of any float dtype, with two rows or more. They are not written to.
    rng
        The generator of random numbers.
    effort
        `"quick"` leaves out `loss_values` and `loss_targets`, which try other outputs and targets than those given.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the loss are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_loss, softmax_cross_entropy
    >>> rng = np.random.default_rng(0)
    >>> print(check_loss(softmax_cross_entropy, rng.standard_normal((3, 4)), np.array([0, 3, 1]), rng=rng).ok)
    True
    """
    from chainrule.laws.showing._lines import Author
    from chainrule.laws.showing.demonstrated import OfLoss
    from chainrule.laws.tables import ELSEWHERE, LOSS_LAWS
    from chainrule.laws.trials.finite import unfit

    _expect(loss, (Loss,), "check_loss")
    _expect_array(out, "check_loss: out")
    if is_a(targets, list):
        _expect_array(targets, "check_loss: targets")
    _expect_arrays("check_loss", out=out, targets=targets)
    _expect_names(only, LOSS_LAWS, "check_loss")
    if is_quick(effort, "check_loss") and only is None:
        only = [name for name in LOSS_LAWS if name not in ELSEWHERE]

    def value(out: Any, targets: Any) -> Any:
        return loss.forward(out, targets)[0]

    lost = unfit("loss_derivative", {"out": out, "targets": targets}, value)
    if lost is not None:
        return Report((lost,))
    author = Author(loss, _itself, targets)
    shown = _with_example(_report("check_loss", LOSS_LAWS, loss, out, targets, rng=rng, only=only), author)
    return shown if shown.example else _with_program(shown, OfLoss(loss, out, targets), author)


def check_network(
    network: Trainable[P, X],
    loss: Loss[T, Any],
    params: P,
    x: X,
    targets: T,
    *,
    rng: Generator,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a network with its loss: the laws of layers and of losses, and the gradient that training follows.

    Parameters
    ----------
    network, loss
        The network and its loss.
    params, x, targets
        The arguments to run them on. They are not written to.
    rng
        The generator of random numbers.
    effort
        As that of `check_layer` and `check_loss`.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_network, softmax_cross_entropy, two_layer
    >>> rng = np.random.default_rng(0)
    >>> params = two_layer.init(rng, 4, 3, 2, std=0.5)
    >>> x, labels = rng.random((5, 4), np.float32), np.array([0, 1, 1, 0, 1])
    >>> check_network(two_layer.network, softmax_cross_entropy, params, x, labels, rng=rng).ok
    True
    """
    from chainrule.laws.of_compositions.networks import NETWORK_LAWS
    from chainrule.laws.tables import AT_ONCE, LAYER_LAWS, LOSS_LAWS
    from chainrule.laws.trials.finite import unfit
    from chainrule.laws.trials.places import with_places
    from chainrule.laws.trials.subjects import as_trees

    _expect(network, (Layer, Encoder), "check_network")
    _expect_names(only, (*LAYER_LAWS, *LOSS_LAWS, *NETWORK_LAWS), "check_network")
    subject, given = as_trees(network, params)
    of_any_x: Any = network  # whose x is of the type that it says
    of_layer = check_layer(of_any_x, params, x, rng=rng, effort=effort, only=_those(only, LAYER_LAWS))
    try:
        out = subject.forward(given, x)[0]
    except Exception:  # noqa: BLE001  # the report of the layer says it
        return of_layer
    of_loss = check_loss(loss, out, targets, rng=rng, effort=effort, only=_those(only, LOSS_LAWS))

    def value(x: Any, params: Any, targets: Any) -> Any:
        return loss.forward(subject.forward(params, x)[0], targets)[0]

    lost = unfit("network_gradient", {"x": x, "params": given, "targets": targets}, value)
    if lost is not None:
        return Report((*of_layer.verdicts, *of_loss.verdicts, lost))
    laws = {name: partial(law, subject) for name, law in NETWORK_LAWS.items()}
    of_both = _report("check_network", laws, loss, given, x, targets, rng=rng, only=only)
    of_layers = LAYER_LAWS | AT_ONCE if is_quick(effort, "check_network") else LAYER_LAWS
    placed = with_places(of_both.verdicts, subject, given, x, rng, of_layers)
    return Report(of_layer.verdicts + of_loss.verdicts + placed, of_layer.example or of_loss.example)


def check_optimizer(
    optimizer: Optimizer[P, S], params: P, grads: P, *, rng: Generator, only: Collection[str] | None = None
) -> Report:
    """Check an optimizer: that it is pure, keeps structure and dtype, and treats each number alone.

    Parameters
    ----------
    optimizer
        The optimizer.
    params, grads
        The arguments to run it on. They are not written to.
    rng
        The generator of random numbers.
    only
        The names of the laws to check; by default all. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the optimizer are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_optimizer, sgd
    >>> rng = np.random.default_rng(0)
    >>> check_optimizer(sgd(0.1), rng.standard_normal(5), rng.standard_normal(5), rng=rng).ok
    True
    """
    from chainrule.laws.showing.steps import steps_shown
    from chainrule.laws.tables import OPTIMIZER_LAWS
    from chainrule.laws.trials.finite import unfit

    if is_a(optimizer, type) or not (hasattr(optimizer, "init") and hasattr(optimizer, "step")):
        raise TypeError(
            f"check_optimizer: optimizer must have init and step, as sgd(0.1) has, got {describe(optimizer)}"
        )
    _expect_arrays("check_optimizer", params=params, grads=grads)
    try:
        tree.map(_alike, params, grads)
    except ValueError as error:
        raise ValueError(f"check_optimizer: grads must be like params: {error}") from None
    _expect_names(only, OPTIMIZER_LAWS, "check_optimizer")
    lost = unfit("follows_gradient", {"params": params, "grads": grads})
    if lost is not None:
        return Report((lost,))
    report = _report("check_optimizer", OPTIMIZER_LAWS, optimizer, params, grads, rng=rng, only=only)
    lines = (steps_shown(verdict, optimizer) for verdict in report.failures)
    return evolve(report, example=next(filter(None, lines), ""))


def _with_example(report: Report, author: "Author", dtype: str = "float64") -> Report:
    """The report with the lines that show the first number that is wrong and can be shown."""
    from chainrule.laws.showing.smallest import smallest

    shown: dict[str, Verdict] = {}
    depends = any(map(_of_earlier_calls, report.failures))  # then a fresh call shows nothing
    for verdict in report.failures:
        if verdict.point is not None and not depends:
            shown.setdefault(verdict.law, verdict)
    lines = (smallest(verdict, author, dtype) for verdict in shown.values())
    example = next(filter(None, lines), "")
    return Report(tuple(evolve(each, point=None) for each in report.verdicts), example)


def _with_program(report: Report, subject: "OfLayer | OfLoss", author: "Author") -> Report:
    """The report with the lines that show the first fault of memory, state, rows or structure that can be shown."""
    from chainrule.laws.showing.demonstrated import demonstrated

    first = sorted(report.failures, key=_of_earlier_calls, reverse=True)  # they explain the others
    examples = (demonstrated(verdict, subject, author) for verdict in first)
    return evolve(report, example=next(filter(None, examples), ""))


def _of_earlier_calls(verdict: Verdict) -> bool:
    return verdict.law in OF_EARLIER_CALLS or verdict.field == "the first call"


def _itself(value: Any) -> Any:
    return value


def _dtype(*arguments: Any) -> str:
    return next(leaf.dtype.name for leaf in tree.leaves(arguments) if leaf.dtype.kind == "f")


def _report(
    check: str,
    laws: Mapping[str, Callable[..., list[Verdict]]],
    subject: object,
    *arguments: object,
    rng: Generator,
    only: Collection[str] | None,
) -> Report:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{check}: rng must be a numpy.random.Generator, got {describe(rng)}")
    verdicts: list[Verdict] = []
    names = [name for name in laws if only is None or name in only]
    changed: dict[str, None] = {}
    with progress(len(names)) as begun:
        for name in names:
            begun(name)
            found, settings = _asked(name, laws[name], subject, arguments, rng)
            if name == "process_unchanged" and len(names) > 1:  # it comes first, and the next one says the same
                found = [each for each in found if each.field != "call"]
            verdicts += found
            changed |= settings
            if name.endswith("structure") and any(map(_says_all, verdicts)):
                break  # other laws would only say the same in other words
    if "process_unchanged" in names and not any(v.law == "process_unchanged" and v.wrong for v in verdicts):
        note = "a call at other numbers, of another size or in another dtype changes {} of the whole process"
        verdicts += [Verdict("process_unchanged", name, ok=False, note=note.format(name)) for name in changed]
    return Report(tuple(_without_echo(verdicts)))


def _asked(
    name: str, law: Callable[..., list[Verdict]], subject: object, arguments: tuple[object, ...], rng: Generator
) -> tuple[list[Verdict], dict[str, None]]:
    """The verdicts of a law, and the settings of the process that its calls changed, which are put back."""
    from chainrule.laws.trials.copies import writable
    from chainrule.laws.trials.process import put_back, settings

    with put_back(), np.errstate(all="ignore"):  # laws go where functions overflow
        before = settings()
        try:
            found = law(subject, *(writable(argument) for argument in arguments), rng)
        except Exception as error:  # noqa: BLE001  # whatever the code under test does, it is part of the report
            advice = WRITES if "read-only" in str(error) else ""
            found = [Verdict(name, "call", ok=False, note=_said(error), advice=advice)]
        return found, {name: None for name, value in settings().items() if value != before[name]}


WRITES = "Make a new array of it: what is lent is not to be written to"
"""The advice where something that is read-only was to be written to."""


def _without_echo(verdicts: list[Verdict]) -> list[Verdict]:
    """Without what `other_calls` says of an earlier cache where another law has found what is kept."""
    if not any(verdict.wrong and verdict.law != "other_calls" for verdict in verdicts):
        return verdicts
    return [verdict for verdict in verdicts if (verdict.law, verdict.field) != ("other_calls", "backward")]


def _says_all(verdict: Verdict) -> bool:
    """Tell whether a verdict is about a fault that all laws would find."""
    of_all = verdict.field in {"call", "grads"} or (verdict.law, verdict.field) == ("loss_state", "cache")
    return of_all and not verdict.ok


def _expect(subject: object, classes: tuple[type, ...], name: str) -> None:
    if not isinstance(subject, classes):
        named = " or ".join(f"{'an' if cls is Encoder else 'a'} {cls.__name__}" for cls in classes)
        hint = of_a_seed(subject) if Layer in classes else ""
        raise TypeError(f"{name}: the subject must be {named}, got {describe(subject)}{hint}")


def _expect_arrays(check: str, remedy: str = "convert it with np.asarray", **given: object) -> None:
    """Refuse arguments that are no arrays of NumPy's, nor trees of them."""
    for name, value in given.items():
        for path, leaf in tree.named_leaves(value):
            if not is_a(leaf, np.ndarray, np.generic):
                library = type(leaf).__module__.partition(".")[0]
                raise TypeError(
                    f"{check}: {name}{path} must be a NumPy array, got {describe(leaf)} of {library}: {remedy}"
                )


def _expect_array(x: object, name: str) -> None:
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(f"{name} must be a NumPy array, got {describe(x)}: convert it with np.asarray")


def _alike(param: Array, grad: Array) -> Array:
    if param.shape != grad.shape:
        raise ValueError(f"{describe(grad)} for {describe(param)}")
    return param


def _expect_names(only: Collection[str] | None, names: Collection[str], check: str) -> None:
    for name in only or ():
        if name not in names:
            raise ValueError(f"{check}: only={name!r} is none of its laws, which are {', '.join(names)}")


def _those(only: Collection[str] | None, names: Collection[str]) -> Collection[str] | None:
    return None if only is None else [name for name in only if name in names]


def _said(error: Exception) -> str:
    """The error and the line that raised it, in one line."""
    from chainrule.laws.trials.hints import line_of

    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    return f"raised {type(error).__name__}: {error}{notes} {line_of(error)}"
