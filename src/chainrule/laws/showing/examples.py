"""The lines that a report shows: of the first fault that can be shown, a program that anybody can run."""

from attrs import evolve

from chainrule.checking.report import Report
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.process import FIRST_CALL
from chainrule.laws.showing._author import Author
from chainrule.laws.showing.demonstrated import CheckedLayer, CheckedLoss, demonstrated
from chainrule.laws.showing.smallest import smallest

OF_EARLIER_CALLS = ("repeatability", "calls_in_between", "threads", "all_written", "loss_state")
"""The laws that are broken where results depend on earlier calls, or on calls beside them."""


def with_lines(
    verdicts: tuple[Verdict, ...], subject: CheckedLayer | CheckedLoss, author: Author, dtype: str = "float64"
) -> Report:
    """The report, with lines that show a number that is wrong, or else a fault of memory, state, rows or structure."""
    shown = _with_example(verdicts, author, dtype)
    return shown if shown.example else _with_program(shown, subject, author)


def _with_example(verdicts: tuple[Verdict, ...], author: Author, dtype: str) -> Report:
    shown: dict[str, Verdict] = {}
    failures = [verdict for verdict in verdicts if verdict.wrong]
    depends = any(map(_of_earlier_calls, failures))  # then a fresh call shows nothing
    for verdict in failures:
        if verdict.point is not None and not depends:
            shown.setdefault(verdict.law, verdict)
    lines = (smallest(verdict, author, dtype) for verdict in shown.values())
    example = next(filter(None, lines), "")
    return Report(tuple(evolve(each, point=None) for each in verdicts), example)


def _with_program(report: Report, subject: CheckedLayer | CheckedLoss, author: Author) -> Report:
    """The report with the lines that show the first fault of memory, state, rows or structure that can be shown."""
    first = sorted(report.failures, key=_of_earlier_calls, reverse=True)  # they explain the others
    examples = (demonstrated(verdict, subject, author) for verdict in first)
    return evolve(report, example=next(filter(None, examples), ""))


def _of_earlier_calls(verdict: Verdict) -> bool:
    return verdict.law in OF_EARLIER_CALLS or verdict.field == FIRST_CALL
