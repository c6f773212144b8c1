"""All that holds of each report that a test of this folder makes."""

import pytest

from chainrule import Report, Verdict
from checking.planted import assert_sound


@pytest.fixture(autouse=True)
def reports_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verdict of a report has what a table and a JSON of it take."""
    make = Report.__init__

    def made(self: Report, verdicts: tuple[Verdict, ...], example: str = "") -> None:
        assert_sound(verdicts)
        make(self, verdicts, example)

    monkeypatch.setattr(Report, "__init__", made)
