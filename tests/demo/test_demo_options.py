"""A command line becomes options, or is refused in one line."""

from pathlib import Path

import pytest

from chainrule.demo.errors import UsageError
from chainrule.demo.main import main
from chainrule.demo.options import BUILT_IN, FOLDER, parse


def test_without_words_the_digits_that_come_along_are_learned() -> None:
    options = parse([])
    assert options.data is None
    assert (options.hidden, options.batch, options.rate) == (BUILT_IN.hidden, BUILT_IN.batch, BUILT_IN.rate)
    assert (options.activation, options.steps, options.seed) == ("relu", 10_000, 0)
    assert options.picture == Path("chainrule.png")
    assert not options.quiet


def test_a_folder_of_files_has_the_defaults_of_the_textbook() -> None:
    options = parse(["--data", "mnist"])
    assert options.data == Path("mnist")
    assert (options.hidden, options.batch, options.rate) == (FOLDER.hidden, FOLDER.batch, FOLDER.rate)
    assert (FOLDER.hidden, FOLDER.batch, FOLDER.rate) == (50, 100, 0.1)


def test_what_the_user_says_goes() -> None:
    words = "--data d --hidden 7 --activation sigmoid --steps 8 --batch 9 --rate 0.5 --seed 3 --picture p.png --quiet"
    options = parse(words.split())
    assert (options.hidden, options.steps, options.batch, options.rate, options.seed) == (7, 8, 9, 0.5, 3)
    assert options.activation == "sigmoid"
    assert options.picture == Path("p.png")
    assert options.quiet


def test_large_integers_are_understood() -> None:
    options = parse(["--steps", str(2**63 - 1), "--seed", "9" * 400])
    assert (options.steps, options.seed) == (2**63 - 1, 10**400 - 1)


@pytest.mark.parametrize("words", [["--picture", ""], ["--no-picture"], ["--picture", "p.png", "--no-picture"]])
def test_no_picture_if_none_is_wanted(words: list[str]) -> None:
    assert parse(words).picture is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rate", "-1"], "--rate: must be a number > 0, got '-1'"),
        (["--rate", "0"], "--rate: must be a number > 0, got '0'"),
        (["--rate", "nan"], "--rate: must be a number > 0, got 'nan'"),
        (["--rate", "inf"], "--rate: must be a number > 0, got 'inf'"),
        (["--rate", "fast"], "--rate: must be a number > 0, got 'fast'"),
        (["--steps", "0"], "--steps: must be an integer >= 1, got '0'"),
        (["--hidden", "0"], "--hidden: must be an integer >= 1, got '0'"),
        (["--batch", "0"], "--batch: must be an integer >= 1, got '0'"),
        (["--batch", "2.5"], "--batch: must be an integer >= 1, got '2.5'"),
        (["--steps", "9" * 400], "--steps: must be an integer >= 1 and < 2**63, got '999999999999...9999999999999'"),
        (["--steps", "9" * 5000], "--steps: must be an integer >= 1 and < 2**63, got '999999999999...9999999999999'"),
        (["--batch", str(2**63)], "--batch: must be an integer >= 1 and < 2**63, got '9223372036854775808'"),
        (["--seed", "9" * 5000], "--seed: must be an integer >= 0, got '999999999999...9999999999999'"),
        (["--seed", "-1"], "--seed: must be an integer >= 0, got '-1'"),
        (["--activation", "step"], "--activation: invalid choice: 'step'"),
        (["--data"], "--data: expected one argument"),
        (["--step", "5"], "unrecognized arguments: --step 5"),
        (["five"], "unrecognized arguments: five"),
        (["two\nlines"], "unrecognized arguments: two lines"),
    ],
)
def test_bad_words_are_refused_in_one_line(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("chainrule: ")
    assert said.err.count("\n") == 1
    assert reason in said.err


def test_a_refusal_can_be_caught_as_what_it_is() -> None:
    with pytest.raises(UsageError, match="unrecognized"):
        parse(["--nonsense"])


def test_help_names_every_option_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    words = "--data --hidden --activation --steps --batch --rate --seed --picture --no-picture --quiet"
    assert all(word in said for word in words.split())
    assert "exit status: 0" in said
