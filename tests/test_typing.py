"""What type checkers say: nothing of `typing/accept.py`, and something of each marked line of `typing/reject.py`.

They run with no settings but strictness, over the package as it is installed, as in a project that uses it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

FOLDER = Path(__file__).parent / "typing"
ACCEPT, REJECT = FOLDER / "accept.py", FOLDER / "reject.py"
MARK = "  # rejected: "

Errors: TypeAlias = dict[tuple[Path, int], list[str]]
"""What a checker says, by file and line."""


def output(*arguments: str | Path) -> str:
    """What a module prints that is run as a program."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pyright asks the first python3
    command = [sys.executable, "-m", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, check=False, cwd=FOLDER, env=os.environ | {"PATH": path})
    assert run.stdout, run.stderr
    return run.stdout.decode()


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Errors:
    options = ("--config-file=", "--strict", "--cache-dir", tmp_path_factory.mktemp("mypy"), "--output=json")
    errors: Errors = {}
    for found in map(json.loads, output("mypy", *options, ACCEPT, REJECT).splitlines()):
        if found["severity"] == "error":
            errors.setdefault((FOLDER / found["file"], found["line"]), []).append(found["message"])
    return errors


@pytest.fixture(scope="module")
def pyright() -> Errors:
    report = json.loads(output("pyright", "--project", FOLDER, "--outputjson"))
    assert report["summary"]["filesAnalyzed"] == 2
    errors: Errors = {}
    for found in report["generalDiagnostics"]:
        line = found["range"]["start"]["line"] + 1
        errors.setdefault((Path(found["file"]), line), []).append(found["message"])
    return errors


@pytest.fixture(params=["mypy", "pyright"])
def errors(request: pytest.FixtureRequest) -> Errors:
    found: Errors = request.getfixturevalue(request.param)
    return found


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def marked() -> set[int]:
    """The numbers of the lines that must be rejected."""
    return {number for number, line in enumerate(lines(REJECT), start=1) if MARK in line}


def test_code_as_users_write_it_is_accepted(errors: Errors) -> None:
    assert [f"{file.name}:{line}: {said}" for (file, line), said in errors.items() if file != REJECT] == []


def test_no_check_is_switched_off() -> None:
    for file in (ACCEPT, REJECT):
        for switch in ("type: ignore", "pyright:", "mypy:", "cast("):
            assert switch not in file.read_text(encoding="utf-8")


def test_each_mistake_is_found(errors: Errors) -> None:
    found = {line for file, line in errors if file == REJECT}
    assert len(marked()) >= 100
    assert [f"{REJECT.name}:{line}: {lines(REJECT)[line - 1].strip()}" for line in sorted(marked() - found)] == []


def test_nothing_else_is_reported(errors: Errors) -> None:
    reports = {line: said for (file, line), said in errors.items() if file == REJECT}
    assert [f"{REJECT.name}:{line}: {reports[line]}" for line in sorted(reports.keys() - marked())] == []


def said_of(errors: Errors, mistake: str) -> str:
    """What is said of the line in which a mistake stands."""
    (number,) = (number for number in marked() if mistake in lines(REJECT)[number - 1])
    return "\n".join(errors[REJECT, number])


def test_wrong_parameters_are_shown_beside_the_right_ones(errors: Errors) -> None:
    message = said_of(errors, "network.forward((one, one, one), x)")
    assert "tuple[Affine, Affine, Affine]" in message
    assert "tuple[Affine, tuple[()], Affine]" in message or "tuple[Affine, Unit, Affine]" in message


def test_mypy_counts_to_the_layer_that_does_not_fit(mypy: Errors) -> None:
    message = said_of(mypy, "seam: ")
    assert 'Argument 2 to "sequential" has incompatible type "Layer[Affine, AffineCache]"' in message
    assert 'expected "Layer[tuple[()], ReluCache]"' in message


def test_pyright_names_the_layer_that_does_not_fit(pyright: Errors) -> None:
    message = said_of(pyright, "sequential(affine, relu, affine.forward)")
    assert 'parameter "a2" of type "Layer[P2@sequential, C2@sequential]"' in message


def test_mypy_names_what_the_halves_of_a_layer_do_not_share(mypy: Errors) -> None:
    assert 'type parameter "P" of "Layer"' in said_of(mypy, "Layer(forward, backward_to_an_array)")
    assert 'type parameter "C" of "Layer"' in said_of(mypy, "Layer(forward, backward_of_params)")


def test_every_public_type_is_known() -> None:
    report = json.loads(output("pyright", "--verifytypes", "chainrule", "--ignoreexternal", "--outputjson"))
    public = [symbol for symbol in report["typeCompleteness"]["symbols"] if symbol["isExported"]]
    assert len(public) > 100
    assert [symbol["name"] for symbol in public if not symbol["isTypeKnown"]] == []
    assert report["typeCompleteness"]["completenessScore"] == 1
