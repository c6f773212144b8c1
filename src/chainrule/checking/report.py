"""Reports: the verdicts of all laws on one subject, as a table, as HTML, as JSON, or as an error."""

import html
import json
import math
from collections.abc import Callable

from attrs import asdict, frozen

from chainrule.checking.verdict import Verdict, entry

MARKS: dict[bool | None, str] = {True: "ok", False: "WRONG", None: "cannot tell"}
"""The words that a table has for a verdict."""

COLOURS: dict[bool | None, str] = {True: "#1a7f37", False: "#b3261e", None: "#8a5a00"}
"""The colours of marks in a notebook."""


@frozen(repr=False)
class Report:
    """The verdicts of all laws on one subject; `str(report)` is a table.

    Parameters
    ----------
    verdicts
        A verdict for each law and field.
    example
        Lines of code that show without this library what is wrong, on few rows and simple numbers; empty where there
        are none. `forward`, `backward`, `grads`, `init` and `step` in them are the author's, and so are the names
        of functions of torch and JAX; of a module it is `module`, and `formula` of a reference without a name.
        Of a network in which one layer is wrong, they are about that layer, which the first line names.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_layer, relu
    >>> rng = np.random.default_rng(0)
    >>> report = check_layer(relu, (), rng.standard_normal((4, 3)), rng=rng)
    >>> report.ok, report.failures, report.undecided
    (True, (), ())
    >>> [verdict.field for verdict in report.verdicts if verdict.law == "derivative"]
    ['dx']
    """

    verdicts: tuple[Verdict, ...]
    example: str = ""

    def __bool__(self) -> bool:
        """True if all is well: `assert check_layer(...)` means what it says."""
        return self.ok

    @property
    def ok(self) -> bool:
        """True if every law holds for every field, and could be told to."""
        return all(verdict.ok for verdict in self.verdicts)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The verdicts of laws that do not hold."""
        return tuple(verdict for verdict in self.verdicts if verdict.wrong)

    @property
    def undecided(self) -> tuple[Verdict, ...]:
        """The verdicts of laws that could not tell."""
        return tuple(verdict for verdict in self.verdicts if verdict.undecided)

    def raise_if_wrong(self, *, undecided: bool = True) -> None:
        """Raise an AssertionError that holds the table, unless every law holds.

        Parameters
        ----------
        undecided
            Whether to raise for laws that could not tell as well.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test, and not this one
        if self.failures or (undecided and self.undecided):
            raise AssertionError(repr(self))  # whose first line pytest shows in its summary

    def to_json(self) -> str:
        """All verdicts as JSON: a list of objects with the fields of `Verdict`, and null for what is not a number.

        Each has a `state` too, the word that the table has for it: `"ok"`, `"WRONG"` or `"cannot tell"`.
        """
        rows = [
            {
                **asdict(verdict, filter=lambda attribute, _: attribute.name != "point", value_serializer=_plain),
                "state": MARKS[_state(verdict)],
            }
            for verdict in self.verdicts
        ]
        return json.dumps({"ok": self.ok, "verdicts": rows, "example": self.example}, indent=2)

    def __str__(self) -> str:
        """A table: a line for each law and field, and under it what was found."""
        shown = f"\n\nTo see it without chainrule:\n\n{self.example}" if self.example else ""
        return _table(self.verdicts) + shown

    def __repr__(self) -> str:
        """The table, below a line on what does not hold: of `assert check_layer(...)` pytest shows the beginning."""
        return str(self) if self.ok else f"{self._headline}\n{self}"

    @property
    def _headline(self) -> str:
        """The first verdict that does not hold, and the number of them, in a line."""
        mark, told = ("WRONG", self.failures) if self.failures else ("cannot tell", self.undecided)
        first = told[0]
        found = "; ".join(_found(first)[::-1])  # the words before the numbers
        return f"{len(told)} {mark}, first {first.law} of {first.field}: {found}"

    def _repr_html_(self) -> str:
        head = "" if self.ok else f"<p>{html.escape(self._headline)}</p>"
        shown = f"<pre>{html.escape(self.example)}</pre>" if self.example else ""
        return f"{head}{_html(self.verdicts)}<p>{_counted(self.verdicts)}</p>{shown}"


def _table(verdicts: tuple[Verdict, ...]) -> str:
    width = max((len(verdict.law) for verdict in verdicts), default=0)
    room = max((len(verdict.field) for verdict in verdicts), default=0)
    mark_room = max((len(MARKS[_state(verdict)]) for verdict in verdicts), default=0)
    lines: list[str] = []
    for verdict in verdicts:
        mark = MARKS[_state(verdict)]
        lines.append(f"{mark:{mark_room}} {verdict.law:{width}}  {verdict.field:{room}}  {_measured(verdict)}".rstrip())
        lines += [f"{'':{mark_room}} {line}" for line in _found(verdict)]
    return "\n".join([*lines, _counted(verdicts)])


def _counted(verdicts: tuple[Verdict, ...]) -> str:
    count = len(verdicts)
    wrong = sum(_state(verdict) is False for verdict in verdicts)
    unclear = sum(_state(verdict) is None for verdict in verdicts)
    if not wrong and not unclear:
        return f"all {count} hold"
    rest = f", {unclear} cannot tell" if unclear else ""
    return f"{count - wrong - unclear} of {count} hold{rest}"


def _state(verdict: Verdict) -> bool | None:
    """True for right, False for wrong, None where it can't be told."""
    return None if verdict.undecided else verdict.ok


def _measured(verdict: Verdict) -> str:
    words: list[str] = []
    if not math.isnan(verdict.error):
        words.append(f"error {verdict.error:.1e}")
        if not math.isnan(verdict.bound):
            words.append(f"(at most {verdict.bound:.0e})")
    if verdict.ok and math.isfinite(verdict.power):
        words.append(f"errors from {verdict.power:.0e} on would be seen")
    return " ".join(words)


def _found(verdict: Verdict) -> list[str]:
    lines: list[str] = []
    if not verdict.ok and not math.isnan(verdict.expected):
        lines.append(f"{entry(verdict.field, verdict.index)} is {verdict.got:.12g}, expected {verdict.expected:.12g}")
    if verdict.note:
        lines.append(". ".join(filter(None, (verdict.note, verdict.advice))))
    return lines


def _plain(verdict: object, attribute: object, value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _html(verdicts: tuple[Verdict, ...]) -> str:
    rows: list[str] = []
    escape: Callable[[str], str] = html.escape
    for verdict in verdicts:
        state = _state(verdict)
        found = "<br>".join(map(escape, filter(None, (_measured(verdict), *_found(verdict)))))
        cells = [
            f'<td style="color:{COLOURS[state]}"><b>{MARKS[state]}</b></td>',
            f"<td><code>{escape(verdict.law)}</code></td>",
            f"<td><code>{escape(verdict.field)}</code></td>",
            f'<td style="text-align:left">{found}</td>',
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "<tr><th></th><th>law</th><th>field</th><th></th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"
