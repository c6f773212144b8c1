"""The page on what is checked names every law that a check runs."""

import re
from pathlib import Path

from chainrule.checking.each_law import CASES
from chainrule.laws import LAYER_LAWS, LOSS_LAWS, NETWORK_LAWS, OPTIMIZER_LAWS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_kinds_hold_every_law_once() -> None:
    page = (DOCS / "explanation" / "what-is-checked.md").read_text("utf-8")
    kinds = page[page.index("| kind |") : page.index("## How small")]
    rows = [line.split("|")[3] for line in kinds.splitlines() if line.startswith("|")]
    listed = [law for row in rows for law in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted([*LAYER_LAWS, *LOSS_LAWS, *NETWORK_LAWS, *OPTIMIZER_LAWS])


def test_the_page_on_tests_names_every_kind_of_case() -> None:
    page = (DOCS / "how-to" / "check-in-tests.md").read_text("utf-8")
    assert [case for case in CASES[1:] if f"`{case}`" not in page] == []
