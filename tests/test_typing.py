"""Type checkers accept code as users write it, and reject each marked line.

The cases stand in `typing/accept.py` and `typing/reject.py`, and those of one layer in its own test file, as the text
`TYPED`. The checkers run with no settings but strictness, over the package as it is installed, as in a project that
uses it.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copy
from typing import TypeAlias

import pytest

TESTS = Path(__file__).parent
FOLDER = TESTS / "typing"
MARK = "  # rejected: "

Errors: TypeAlias = dict[tuple[str, int], list[str]]
"""The messages of a checker, by file and line."""


def typed(path: Path) -> str | None:
    """The typing cases in a test file, if it has some."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TYPED":
            return str(ast.literal_eval(node.value))
    return None


def cases() -> dict[str, str]:
    """The files that checkers are run on, by their names."""
    files = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.py"))}
    for path in sorted(TESTS.glob("*/**/test_*.py")):
        if (text := typed(path)) is not None:
            files[path.name.removeprefix("test_")] = text
    return files


CASES = cases()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("typing")
    copy(FOLDER / "pyrightconfig.json", made)
    for name, text in CASES.items():
        (made / name).write_text(text, "utf-8")
    return made


def output(folder: Path, *arguments: str | Path) -> str:
    """The output of a module that is run as a program."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pyright asks the first python3
    command = [sys.executable, "-m", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=os.environ | {"PATH": path})
    assert run.stdout, run.stderr
    return run.stdout.decode()


@pytest.fixture(scope="module")
def mypy(folder: Path) -> Errors:
    options = ("--config-file=", "--strict", "--cache-dir", folder / ".cache", "--output=json")
    errors: Errors = {}
    for found in map(json.loads, output(folder, "mypy", *options, *CASES).splitlines()):
        if found["severity"] == "error":
            errors.setdefault((Path(found["file"]).name, found["line"]), []).append(found["message"])
    return errors


@pytest.fixture(scope="module")
def pyright(folder: Path) -> Errors:
    report = json.loads(output(folder, "pyright", "--project", folder, "--outputjson"))
    assert report["summary"]["filesAnalyzed"] == len(CASES)
    errors: Errors = {}
    for found in report["generalDiagnostics"]:
        line = found["range"]["start"]["line"] + 1
        errors.setdefault((Path(found["file"]).name, line), []).append(found["message"])
    return errors


@pytest.fixture(params=["mypy", "pyright"])
def errors(request: pytest.FixtureRequest) -> Errors:
    found: Errors = request.getfixturevalue(request.param)
    return found


def marked() -> set[tuple[str, int]]:
    """The lines that must be rejected."""
    return {
        (name, number)
        for name, text in CASES.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if MARK in line
    }


def shown(place: tuple[str, int]) -> str:
    """A line, and where it stands."""
    name, number = place
    return f"{name}:{number}: {CASES[name].splitlines()[number - 1].strip()}"


def test_no_check_is_switched_off() -> None:
    for text in CASES.values():
        for switch in ("type: ignore", "pyright:", "mypy:", "cast("):
            assert switch not in text


def test_each_mistake_is_found(errors: Errors) -> None:
    assert len(marked()) >= 100
    assert [shown(place) for place in sorted(marked() - errors.keys())] == []


def test_code_as_users_write_it_is_accepted(errors: Errors) -> None:
    assert [f"{shown(place)}: {errors[place]}" for place in sorted(errors.keys() - marked())] == []


def said_of(errors: Errors, mistake: str) -> str:
    """The messages on the line in which a mistake stands."""
    (place,) = (place for place in marked() if mistake in shown(place))
    return "\n".join(errors[place])


def test_wrong_parameters_are_shown_beside_the_right_ones(errors: Errors) -> None:
    message = said_of(errors, "network.forward((one, one, one), x)")
    assert "tuple[Affine, Affine, Affine]" in message
    assert "tuple[Affine, tuple[()], Affine]" in message or "tuple[Affine, Unit, Affine]" in message


def test_mypy_counts_to_the_layer_that_does_not_fit(mypy: Errors) -> None:
    message = said_of(mypy, "seam: ")
    assert 'Argument 2 to "sequential" has incompatible type "Layer[Affine, AffineCache]"' in message
    assert 'expected "Layer[tuple[()], Saved]"' in message


def test_pyright_names_the_layer_that_does_not_fit(pyright: Errors) -> None:
    message = said_of(pyright, "sequential(affine, relu, affine.forward)")
    assert 'parameter "a2" of type "Layer[P2@sequential, C2@sequential]"' in message


def test_mypy_names_what_the_halves_of_a_layer_do_not_share(mypy: Errors) -> None:
    assert 'type parameter "P" of "Layer"' in said_of(mypy, "Layer(forward, backward_to_an_array)")
    assert 'type parameter "C" of "Layer"' in said_of(mypy, "Layer(forward, backward_of_params)")


def test_every_public_type_is_known() -> None:
    report = json.loads(output(TESTS, "pyright", "--verifytypes", "chainrule", "--ignoreexternal", "--outputjson"))
    public = [symbol for symbol in report["typeCompleteness"]["symbols"] if symbol["isExported"]]
    assert len(public) > 100
    assert [symbol["name"] for symbol in public if not symbol["isTypeKnown"]] == []
    assert report["typeCompleteness"]["completenessScore"] == 1
