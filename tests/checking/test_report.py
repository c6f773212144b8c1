import json
import math
from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule import Layer, Report, check_layer, relu
from chainrule.checking.verdict import Verdict

RIGHT = Verdict("derivative", "dx", ok=True, error=2e-12, bound=1e-9, power=3e-10)
WRONG = Verdict(
    "derivative", "grads.W", False, "a <b> & 'c'", error=0.5, bound=1e-9, index=(1, 2), got=1.5, expected=1.0
)
UNCLEAR = Verdict("descends", "loss", ok=False, undecided=True, note="it does not move")


def test_a_report_is_ok_if_all_verdicts_are_right() -> None:
    assert Report((RIGHT, RIGHT)).ok
    assert not Report((RIGHT, WRONG)).ok
    assert not Report((RIGHT, UNCLEAR)).ok
    assert Report(()).ok


def test_a_report_is_true_if_it_is_ok_so_that_it_may_be_asserted() -> None:
    assert Report((RIGHT, RIGHT))
    assert not Report((RIGHT, WRONG))
    assert not Report((RIGHT, UNCLEAR))


def test_what_cannot_be_told_is_no_failure() -> None:
    report = Report((RIGHT, WRONG, UNCLEAR))
    assert report.failures == (WRONG,)
    assert report.undecided == (UNCLEAR,)


def test_the_table_has_a_line_for_each_verdict_and_lines_for_what_was_found() -> None:
    assert str(Report((RIGHT, WRONG, UNCLEAR))).splitlines() == [
        "ok          derivative  dx       error 2.0e-12 (at most 1e-09) errors from 3e-10 on would be seen",
        "WRONG       derivative  grads.W  error 5.0e-01 (at most 1e-09)",
        "            grads.W[1, 2] is 1.5, expected 1",
        "            a <b> & 'c'",
        "cannot tell descends    loss",
        "            it does not move",
        "1 of 3 hold, 1 cannot tell",
    ]
    assert str(Report((RIGHT,))).splitlines()[-1] == "all 1 hold"
    assert str(Report((RIGHT, WRONG))).splitlines()[-1] == "1 of 2 hold"
    assert repr(Report((RIGHT,))) == str(Report((RIGHT,)))


def test_the_beginning_of_what_pytest_shows_says_what_is_wrong() -> None:
    report = Report((RIGHT, *(UNCLEAR,) * 30, WRONG, WRONG))
    head, table = repr(report).split("\n", 1)
    assert head == "2 WRONG, first derivative of grads.W: a <b> & 'c'; grads.W[1, 2] is 1.5, expected 1"
    assert table == str(report)
    unclear = Report((RIGHT, UNCLEAR, UNCLEAR))
    assert repr(unclear) == f"2 cannot tell, first descends of loss: it does not move\n{unclear}"


def test_a_table_in_a_notebook_escapes_what_a_note_says() -> None:
    shown = Report((RIGHT, WRONG, UNCLEAR))._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's name
    assert "a &lt;b&gt; &amp; &#x27;c&#x27;" in shown
    assert "<b> &" not in shown
    assert shown.count("<tr>") == shown.count("</tr>") == 4
    assert all(f">{mark}<" in shown for mark in ("ok", "WRONG", "cannot tell"))


class Cells(HTMLParser):
    """The text of each row of a table, cell by cell; whatever is not well-formed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.others: list[str] = []
        self.paragraphs: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.handle_data("\n")
            return
        assert tag in {"table", "tr", "th", "td", "b", "code", "pre", "p"}
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"th", "td"}:
            assert self.open[:2] == ["table", "tr"]
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[:1] == ["pre"]:
            self.others.append(data)
        elif self.open[:1] == ["p"]:
            self.paragraphs.append(data)
        else:
            self.rows[-1][-1] += data


def test_a_notebook_shows_well_formed_html_with_what_the_table_says() -> None:
    name = "grads['<script>alert(1)</script>'].a&b"
    odd = Verdict("derivative", name, False, 'x < 0 & "y"', error=0.5, bound=1e-9, index=(3,), got=1.5, expected=1.0)
    report = Report((RIGHT, odd, UNCLEAR), example="if 1 < 2 & 3:\n    print('<b>')")
    shown = Cells(report._repr_html_())  # pyright: ignore[reportPrivateUsage]  # IPython's name
    assert shown.rows[0] == ["", "law", "field", ""]
    found = [(mark, law, field) for mark, law, field, _ in shown.rows[1:]]
    states = {True: "ok", False: "WRONG"}
    assert found == [
        ("cannot tell" if each.undecided else states[each.ok], each.law, each.field) for each in report.verdicts
    ]
    assert "".join(shown.others) == report.example
    table = repr(report)
    assert shown.paragraphs == [table.partition("\n")[0], "1 of 3 hold, 1 cannot tell"]
    for row in shown.rows[1:]:
        assert all(part in table for part in (*row[:3], *row[3].split("\n")))


def test_html_and_table_of_a_check_have_the_same_verdicts() -> None:
    doubled = Layer(relu.forward, lambda cache, dout: (2 * relu.backward(cache, dout)[0], ()))
    rng = np.random.default_rng(0)
    report = check_layer(doubled, (), rng.standard_normal((4, 3)), rng=rng, effort="quick")
    shown = Cells(report._repr_html_())  # pyright: ignore[reportPrivateUsage]  # IPython's name
    lines = [line.split() for line in repr(report).split("\n\nTo see it")[0].splitlines()[:-1]]
    marks = {"ok", "WRONG"}
    assert [row[:2] for row in shown.rows[1:]] == [line[:2] for line in lines if line[0] in marks]
    assert "WRONG" in {row[0] for row in shown.rows}
    assert "".join(shown.others) == report.example != ""


def test_json_has_the_fields_of_a_verdict_and_null_for_what_is_not_a_number() -> None:
    said = json.loads(Report((RIGHT, WRONG, UNCLEAR)).to_json(), parse_constant=pytest.fail)
    assert said["ok"] is False
    right, wrong, unclear = said["verdicts"]
    assert [each["state"] for each in said["verdicts"]] == ["ok", "WRONG", "cannot tell"]
    assert right["power"] == 3e-10
    assert (wrong["index"], wrong["got"], wrong["note"]) == ([1, 2], 1.5, "a <b> & 'c'")
    assert unclear["undecided"] is True
    assert unclear["error"] is unclear["bound"] is unclear["got"] is None
    assert (
        json.loads(Report((Verdict("descends", "loss", True, power=math.inf),)).to_json())["verdicts"][0]["power"]
        is None
    )


def test_it_raises_the_table_if_a_law_does_not_hold() -> None:
    with pytest.raises(AssertionError, match=r"(?s)^1 WRONG, first derivative of grads\.W: .*1 of 2 hold"):
        Report((RIGHT, WRONG)).raise_if_wrong()
    with pytest.raises(AssertionError, match="WRONG"):
        Report((WRONG, UNCLEAR)).raise_if_wrong(undecided=False)
    Report((RIGHT,)).raise_if_wrong()


def test_it_raises_for_what_cannot_be_told_unless_that_may_pass() -> None:
    with pytest.raises(AssertionError, match="cannot tell"):
        Report((RIGHT, UNCLEAR)).raise_if_wrong()
    Report((RIGHT, UNCLEAR)).raise_if_wrong(undecided=False)
