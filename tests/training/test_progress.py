"""The progress of a training run: a bar in a terminal where rich is installed, and lines elsewhere."""

import io
import re
import sys
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, affine, mean_squared_error, sgd, train, tree
from chainrule.training.progress import progress
from chainrule.training.train import Runs
from untyped import untyped


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def runs(*, held_out: bool = False, every: int | None = None) -> Runs[Any, Any]:
    x = np.ones((4, 1))
    params = Affine(np.zeros((1, 1)), np.zeros(1))
    return train(
        affine,
        mean_squared_error,
        sgd(0.25),
        params,
        (x, x),
        rng=np.random.default_rng(0),
        size=2,
        epochs=2,
        held_out=(x, x) if held_out else None,
        every=every,
    )


def test_records_pass_through_and_each_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    seen = tuple(progress(runs(held_out=True)))
    assert tree.equal(seen, tuple(runs(held_out=True)))
    out, err = capfd.readouterr()
    assert out == ""
    # The loss is 1 before the first step, and each step takes both parameters all the way.
    assert err.splitlines() == [
        "epoch 1/2   step 2   loss 0.5000   held out: loss 0.0000",
        "epoch 2/2   step 4   loss 0.0000   held out: loss 0.0000",
    ]
    list(progress(runs(every=1)))
    assert capfd.readouterr().err.splitlines()[0] == "epoch 1/2   step 1   loss 1.0000"


def test_a_line_is_written_before_the_next_epoch_begins(capfd: pytest.CaptureFixture[str]) -> None:
    shown = progress(runs())
    assert capfd.readouterr().err == ""
    next(shown)
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_in_a_terminal_there_is_a_bar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress(runs(held_out=True)))
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"(?s)train .* 1/2 step 2   loss 0.5000 .* 2/2 step 4   loss 0.0000", said)
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is shown again
    assert "epoch" not in said


def test_in_a_narrow_terminal_the_bar_has_all_figures_and_the_text_goes_on_below(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress(runs(held_out=True)))
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    *_, line, below = said.rstrip().splitlines()
    assert re.fullmatch(r"\r?.*train \S+ 2/2 step 4   loss 0.0000   held +0:00:00", line)
    assert below.split() == ["out:", "loss", "0.0000"]


def test_the_terminal_is_given_back_where_a_run_is_left(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "stderr", terminal)
    shown: Any = progress(runs())
    next(shown)
    assert "\x1b[?25h" not in terminal.getvalue()
    shown.close()  # as a break or an interrupt does
    assert "\x1b[?25h" in terminal.getvalue()


def test_without_rich_there_are_lines_in_a_terminal_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    list(progress(runs()))
    assert terminal.getvalue().splitlines()[-1] == "epoch 2/2   step 4   loss 0.0000"


def test_without_a_standard_error_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert [run.epoch for run in progress(runs())] == [1, 2]


def test_other_iterators_are_refused() -> None:
    with pytest.raises(TypeError, match="progress: runs must be what train returns, got list"):
        progress(untyped([]))
