"""The bar of a check: in a terminal, after some seconds, where rich is installed, and never elsewhere."""

import io
import re
import sys
import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from chainrule import Layer, check_against, check_layer, own, relu
from chainrule.checking import progress

Run: TypeAlias = Callable[[], str]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A stream that becomes standard error; every check is slow."""
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def outside(terminal: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on things are as outside of pytest, which sets them anew after the fixtures."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "stderr", terminal)


@pytest.fixture
def run(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that checks a layer as if outside of pytest, and gives what the terminal got."""

    def checked() -> str:
        outside(terminal, monkeypatch)
        check()
        return terminal.getvalue()

    return checked


def check() -> None:
    report = check_layer(relu, (), np.ones((3, 2)), rng=np.random.default_rng(0), only=["structure", "linearity"])
    assert report.ok


def test_a_bar_names_each_law_as_it_begins_and_is_gone_at_the_end(run: Run) -> None:
    pytest.importorskip("rich")
    said = run()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert re.search(r"(?s)check .* 0/2 structure .* 1/2 linearity", plain)
    assert "\x1b[?25h" in said  # the cursor is shown again
    assert said.endswith("\x1b[2K")  # the line is empty


def test_the_bar_of_check_against_names_its_laws(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    outside(terminal, monkeypatch)
    square = Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (2 * cache * dout, ()), name="square")
    check_against(square, np.square, np.ones((3, 2), np.float32), rng=np.random.default_rng(0))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"(?s)check .* 0/18 process_unchanged .* 1/18 dtypes .* 2/18 values_and_gradients ", plain)


def test_no_thread_draws_it_and_streams_stay_as_they_are(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    outside(terminal, monkeypatch)
    threads, out = threading.active_count(), sys.stdout
    with progress.progress(2) as begun:
        begun("structure")
        assert terminal.getvalue()
        assert threading.active_count() == threads
        assert (sys.stdout, sys.stderr) == (out, terminal)


def test_it_goes_where_a_check_is_interrupted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    outside(terminal, monkeypatch)

    def interrupted() -> None:
        with progress.progress(2) as begun:
            begun("structure")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in terminal.getvalue()


def test_a_check_that_is_fast_has_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", 60.0)
    assert run() == ""


def test_there_is_none_under_pytest(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)  # as pytest -s leaves it
    check()
    assert terminal.getvalue() == ""


def test_there_is_none_in_a_file_or_a_notebook(run: Run, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    assert run() == ""


def test_there_is_none_without_rich_and_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    assert run() == ""


def test_there_is_none_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    outside(None, monkeypatch)
    monkeypatch.setattr(progress, "AFTER", 0.0)
    check()
