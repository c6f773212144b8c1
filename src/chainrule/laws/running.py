"""Laws as they run: which of them a check asks, one after another, and what its report says of all of them.

Errors that the code under test raises are part of the report.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import generator
from chainrule.arrays.types import Generator
from chainrule.checking.progress import progress
from chainrule.checking.verdict import Verdict
from chainrule.interop.graph import Function, on_one_thread
from chainrule.laws.law import Law
from chainrule.laws.of_compositions.networks import NETWORK_LAWS
from chainrule.laws.of_layers.first_call import KEPT
from chainrule.laws.of_layers.linearity import ignores_dout
from chainrule.laws.of_layers.memory import is_of_calls
from chainrule.laws.of_layers.process import FIRST_CALL
from chainrule.laws.of_layers.purity import OTHERS
from chainrule.laws.tables import LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS, QUICK_FORMS, TRAITS
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.process import put_back, settings
from chainrule.laws.trials.wording import line_of, wrote_to_read_only

Laws: TypeAlias = Mapping[str, Callable[..., list[Verdict]]]
"""Laws by name."""

LAWS: Mapping[str, Laws] = MappingProxyType(
    {
        "layer": LAYER_LAWS,
        "loss": LOSS_LAWS,
        "network": LAYER_LAWS | LOSS_LAWS | NETWORK_LAWS,
        "optimizer": OPTIMIZER_LAWS,
    }
)
"""The laws of each kind of thing that can be checked, in their order."""


def asked(laws: Laws, *, quick: bool = False, surrogate: bool = False) -> list[str]:
    """The names of the laws that are asked: a quick check, and a surrogate for a derivative, leave out some."""

    def left_out(law: Law[Any]) -> bool:
        return (quick and law.elsewhere) or (surrogate and law.of_derivative)

    return [name for name in laws if not left_out(TRAITS[name])]


def chosen(laws: Laws, only: Collection[str] | None, *, quick: bool = False, surrogate: bool = False) -> Laws:
    """The laws that are asked; of those in `only`, if it is given, a quick check leaves out none."""
    of_effort: Laws = {**laws, **QUICK_FORMS} if quick else laws
    names = asked(laws, quick=quick and only is None, surrogate=surrogate)
    return {name: of_effort[name] for name in names if only is None or name in only}


def verdicts_of(check: str, laws: Laws, subject: object, *arguments: object, rng: Generator) -> tuple[Verdict, ...]:
    """The verdicts of laws, one after another."""
    generator(check, rng)
    verdicts: list[Verdict] = []
    changed: dict[str, None] = {}
    made = getattr(subject, "forward", None)
    library = made.library if isinstance(made, Function) else ""
    size = sum(leaf.size for leaf in tree.leaves(arguments)) if library else 0
    with progress(len(laws)) as begun:
        random = False
        for name, law in laws.items():
            traits = TRAITS[name]
            if name not in asked(laws, quick=random, surrogate=random):
                continue
            begun(name)
            with on_one_thread("" if traits.of_process else library, size):  # which that law reads
                found, changed_by_it = _found(name, law, subject, arguments, rng)
            if traits.of_process and len(laws) > 1:  # it comes first, and the next one says the same
                found = [each for each in found if each.field != "call"]
            verdicts += found
            changed |= changed_by_it
            if traits.of_process and _is_random(laws, found, subject, arguments, rng):
                random = True
                verdicts += [RANDOM] if RANDOM.law in laws else []
            if traits.of_structure and any(map(_says_all, verdicts)):  # other laws only say it in other words
                if traits.cause and any(each.field == "call" for each in found):
                    verdicts = [each for each in verdicts if each.law == name or each.field != "call"]
                break
    verdicts += _changes_elsewhere(laws, verdicts, changed)
    return tuple(_causes_first(_without_echo(_without_questions(verdicts))))


def _changes_elsewhere(laws: Laws, verdicts: list[Verdict], changed: Iterable[str]) -> list[Verdict]:
    """The verdicts on settings that calls have changed in other laws alone, under the law that asks for them."""
    own = next((name for name in laws if TRAITS[name].of_process), "")
    if not own or any(each.law == own and each.wrong for each in verdicts):
        return []
    note = "a call at other numbers, of another size or in another dtype changes {} of the whole process"
    return [Verdict(own, name, ok=False, note=note.format(name)) for name in changed]


RANDOM = Verdict(
    "derivative",
    "out",
    ok=False,
    undecided=True,
    note="each call gives other numbers, which have no derivative: laws that ask for it are left out",
    advice="Bind the seed of what is random, or take the form for use, as module.eval() does",
)
"""The verdict on what is random."""


def _is_random(
    laws: Laws, found: list[Verdict], subject: object, arguments: tuple[object, ...], rng: Generator
) -> bool:
    """Tell whether each call gives other numbers: laws that ask for the derivative of those would take long."""
    of_repeats = next((name for name in laws if TRAITS[name].of_repeats), "")
    if not of_repeats or not any(each.wrong and each.field == FIRST_CALL for each in found):
        return False
    verdicts, _ = _found(of_repeats, laws[of_repeats], subject, arguments, rng)
    return any(each.wrong and each.field == "out" for each in verdicts)


def _found(
    name: str, law: Callable[..., list[Verdict]], subject: object, arguments: tuple[object, ...], rng: Generator
) -> tuple[list[Verdict], dict[str, None]]:
    with put_back(), np.errstate(all="ignore"):  # laws go where functions overflow
        before = settings()
        try:
            found = law(subject, *(writable(argument) for argument in arguments), rng)
        except Exception as error:
            advice = WRITES if wrote_to_read_only(error) else ""
            note = _of_the_second(subject, arguments, error) + _error_with_line(error)
            found = [Verdict(name, "call", ok=False, note=note, advice=advice)]
        return found, {name: None for name, value in settings().items() if value != before[name]}


def _of_the_second(subject: Any, arguments: tuple[Any, ...], error: Exception) -> str:
    """Words for an error that a layer raises where backward is called twice with one cache, and not the first time."""
    try:
        out, cache = subject.forward(*(writable(argument) for argument in arguments))
        subject.backward(cache, np.ones_like(out))
    except Exception:  # it is no layer, or raises at once
        return ""
    try:
        subject.backward(cache, np.ones_like(out))
    except Exception as again:
        same = type(again) is type(error) and str(again) == str(error)
        return "the second call of backward with one cache " if same else ""
    return ""


WRITES = "Make a new array of it: what is lent is not to be written to"
"""The advice where something that is read-only was to be written to."""


def _without_questions(verdicts: list[Verdict]) -> list[Verdict]:
    """Without what misleads about a field whose derivative is wrong as given: other faults of it follow from that.

    That is advice on rows, and what a derivative elsewhere looks like, if it does not look like that as given.
    """
    wrong = {each.field: each.note for each in verdicts if each.wrong and _as_given(each.law)}
    return [_without_question(each, wrong[each.field]) if each.field in wrong else each for each in verdicts]


def _without_question(verdict: Verdict, as_given: str) -> Verdict:
    if verdict.law == "independent_rows":
        return evolve(verdict, advice="")
    law = TRAITS[verdict.law]
    case, _, question = verdict.note.partition(": it is ")
    asks = law.of_derivative and law.elsewhere and question.endswith("?")
    return evolve(verdict, note=case) if asks and question not in as_given else verdict


def _without_echo(verdicts: list[Verdict]) -> list[Verdict]:
    """Without what a law says of an earlier cache, and of the first call, where another law finds a fault."""
    if not any(verdict.wrong and not TRAITS[verdict.law].echo for verdict in verdicts):
        return verdicts
    return [each for each in verdicts if each.note != KEPT and not (TRAITS[each.law].echo and each.field == "backward")]


def _causes_first(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts in the order of their laws, but for laws from whose faults others may follow: those come first.

    Where the derivative is right for a usual `dout`, and not for every one, laws that take others find that too.
    What is random has its own verdict.
    """
    if RANDOM in verdicts:
        return verdicts
    wrong = {each.law for each in verdicts if each.wrong}
    is_used = any(each.wrong and each.note == OTHERS for each in verdicts)
    is_kept = any(each.wrong and TRAITS[each.law].of_process and each.field == FIRST_CALL for each in verdicts)
    causes = [each for each in verdicts if each.wrong and _is_cause(each, dout_is_used=is_used)]
    first = {each.law for each in causes if not (is_kept and ignores_dout(each))}  # what is kept may hide dout
    then = {each.law for each in verdicts if each.wrong and is_of_calls(each)} - first
    if not (first or then) and not any(map(_as_given, wrong)):
        first = {name for name in wrong if TRAITS[name].cause_if_right}
    return sorted(verdicts, key=lambda each: 0 if each.law in first else 1 if each.law in then else 2)


def _is_cause(verdict: Verdict, *, dout_is_used: bool) -> bool:
    """Tell whether other faults may follow from one.

    A `dout` of a layer that is written to changes nothing that comes after it, but where results are made of it: they
    are others if it is read-only.
    """
    law = TRAITS[verdict.law]
    harmless = verdict.law == "arguments_unchanged" and verdict.field == "dout" and not dout_is_used
    return law.cause and law.is_cause(verdict) and not harmless


def _as_given(name: str) -> bool:
    """Tell whether a law asks for the derivative, or of the process, with the arguments that are given."""
    law = TRAITS[name]
    return law.of_process or (law.of_derivative and not law.elsewhere)


def _says_all(verdict: Verdict) -> bool:
    return verdict.field in TRAITS[verdict.law].of_all and not verdict.ok


def _error_with_line(error: Exception) -> str:
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    return f"raised {type(error).__name__}: {error}{notes} {line_of(error)}".rstrip()
