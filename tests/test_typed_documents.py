"""Pages are typed: their code passes mypy, and the messages that one page quotes are what the checkers say."""

import json
import os
import re
import subprocess
import sys
from doctest import DocTestParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUOTING = ROOT / "docs" / "how-to" / "type-errors.md"
TYPED = [
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    ROOT / "docs" / "from-the-original.md",
    ROOT / "docs" / "explanation" / "gpt.md",
    ROOT / "docs" / "explanation" / "what-is-checked.md",
    ROOT / "docs" / "explanation" / "vanishing-gradients.md",
    *(
        ROOT / "docs" / "how-to" / f"{page}.md"
        for page in (
            "train",
            "classify-a-table",
            "resume",
            "images",
            "check-a-gradient",
            "check-in-tests",
            "wrong-gradient",
            "write-a-layer",
            "write-a-loss",
            "write-an-optimizer",
            "batch-norm",
            "save-and-load",
            "serve-with-onnx",
            "freeze-or-share",
            "fine-tune",
            "rates-and-decay",
            "train-to-use",
            "less-memory",
            "padding",
            "read-sequences",
            "copy-by-attention",
            "draw-attention",
            "accumulate-gradients",
            "average-parameters",
            "float16",
        )
    ),
]


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def script(page: Path, *, failing: bool) -> str:
    """The Python of a page: with the examples that raise, or without."""
    parts: list[str] = []
    for block in blocks(page, "python"):
        if ">>>" in block:
            examples = DocTestParser().get_examples(block)
            parts.extend(each.source for each in examples if failing or each.exc_msg is None)
        else:
            parts.append(block)
    return "\n".join(parts)


def said(*command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pyright asks the first python3
    run = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, check=False, cwd=ROOT, env=os.environ | {"PATH": path}
    )
    assert run.stdout, run.stderr
    return run.stdout.decode()


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command, with what mypy has found out about NumPy kept between calls."""
    untyped = "--disable-error-code=import-untyped"  # scikit-learn has no types: what comes from it is Any
    return "mypy", "--config-file=", "--strict", untyped, "--cache-dir", str(tmp_path_factory.mktemp("mypy"))


def test_pages_pass_mypy(mypy: tuple[str, ...], tmp_path: Path) -> None:
    for page in TYPED:
        name = "_".join(re.findall(r"\w+", page.relative_to(ROOT).as_posix()))
        (tmp_path / f"{name}.py").write_text(script(page, failing=False), "utf-8")
    assert said(*mypy, str(tmp_path)) == f"Success: no issues found in {len(TYPED)} source files\n"


def quoted(checker: str) -> list[str]:
    """The messages that the page says are the checker's, in order."""
    block = re.compile(rf"^{checker}:\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    text = "".join(block.findall(QUOTING.read_text("utf-8")))
    return [message.strip() for message in re.split(r"^error: ", text, flags=re.MULTILINE)[1:]]


def of_mypy(mypy: tuple[str, ...], file: Path) -> list[str]:
    found = [json.loads(line) for line in said(*mypy, "--output=json", str(file)).splitlines()]
    return [f"{each['message']}  [{each['code']}]" for each in found if each["severity"] == "error"]


def of_pyright(file: Path) -> list[str]:
    (file.parent / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', "utf-8")
    found = json.loads(said("pyright", "--project", str(file.parent), "--outputjson"))["generalDiagnostics"]
    messages = [f"{each['message']} ({each['rule']})" for each in found if each["severity"] == "error"]
    return [message.replace("\N{NO-BREAK SPACE}", " ").replace("\n", "\n  ") for message in messages]


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_checker_says_what_the_page_quotes(checker: str, mypy: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text(script(QUOTING, failing=True), "utf-8")
    messages = of_mypy(mypy, file) if checker == "mypy" else of_pyright(file)
    assert messages == quoted(checker)
    assert len(messages) >= 9
