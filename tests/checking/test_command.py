"""`python -m chainrule check`: what it takes, what it prints, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.checking.command import main

CASES = '''
"""Cases for the checker."""

import numpy as np

from chainrule import Affine, Layer, affine, mean_squared_error, own, relu, sgd

rng = np.random.default_rng(0)
x = rng.standard_normal((4, 3))
right = relu, (), x


def half():
    return Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (dout * cache, ())), (), x


def at_kink():
    return relu, (), np.full((4, 3), np.nan)


def straight():
    return Layer(lambda params, x: (np.sign(x), ()), lambda cache, dout: (dout.copy(), ())), (), x


def loss():
    return mean_squared_error, x, x + 1


def network():
    return affine, mean_squared_error, Affine.init(rng, 3, 2, dtype=np.float64), x, x[:, :2].copy()


def optimizer():
    return sgd(0.1), rng.standard_normal(4), rng.standard_normal(4)


def tanh_of(x, scale):
    return np.tanh(x) * scale


def kernel(off=1):
    def backward(cache, dout):
        x, scale = cache
        return dout * scale * off * (1 - np.tanh(x) ** 2), (dout * np.tanh(x)).sum(0)

    pair = Layer(lambda scale, x: (tanh_of(x, scale), (own(x), own(scale))), backward)
    return pair, tanh_of, x.astype(np.float32), x[0].astype(np.float32)


def wrong_kernel():
    return kernel(off=2)


def wide_kernel():
    return kernel()[:2] + (x, x[0])


def fails():
    raise RuntimeError("first line\\nsecond line")


def number():
    return 3


def pair():
    return relu, ()


class Cases:
    relu = right
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with cases, in the current directory; each test has one of its own name."""
    name = f"cases_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    (tmp_path / f"{name}.py").write_text(CASES, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return name


@pytest.mark.parametrize("case", ["right", "Cases.relu", "loss", "network", "optimizer"])
def test_what_is_right_is_printed_as_a_table_with_status_0(
    module: str, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"{module}:{case}"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith("hold")
    assert not err


def test_what_is_wrong_has_status_1(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{module}:half"]) == 1
    assert "a missing factor of 2?" in capsys.readouterr().out


def test_a_kernel_is_checked_against_its_formula(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{module}:kernel"]) == 0
    assert main([f"{module}:wrong_kernel"]) == 1
    assert "\nWRONG gradients          dx " in capsys.readouterr().out


def test_what_cannot_be_told_has_status_3(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{module}:at_kink", "--law", "derivative"]) == 3
    assert capsys.readouterr().out.startswith("cannot tell derivative")


def test_a_surrogate_is_right_where_it_is_declared(module: str) -> None:
    assert main([f"{module}:straight"]) == 1
    assert main([f"{module}:straight", "--surrogate"]) == 0


def test_json_is_the_report(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{module}:half", "--json", "--law", "derivative"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [(each["law"], each["field"], each["ok"]) for each in report["verdicts"]] == [("derivative", "dx", False)]


def test_a_seed_gives_the_same_report_again(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    for seed in ("3", "3", "4"):
        main([f"{module}:half", "--seed", seed, "--law", "derivative"])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "the following arguments are required: MODULE:NAME"),
        (["{module}"], "expected MODULE:NAME, such as mylayers:scale_case, got '{module}'"),
        (
            ["./mylayers.py:case"],
            "expected a module as it is imported, such as mylayers, and no file, got './mylayers.py'",
        ),
        (["{module}:right", "--seed", "-1"], "argument --seed: must be an integer >= 0, got '-1'"),
        (["{module}:right", "--law", "gravity"], "--law: 'gravity' is none of its laws, which are"),
        (["{module}:half", "--law", "one_pass"], "--law: one_pass says nothing about {module}:half"),
        (["no_such_module:case"], "no_such_module:case: ModuleNotFoundError: No module named 'no_such_module'"),
        (["{module}:missing"], "{module}:missing: AttributeError: module '{module}' has no attribute 'missing'"),
        (["{module}:fails"], "{module}:fails: RuntimeError: first line second line"),
        (["{module}:number"], "{module}:number: expected (layer, params, x), "),
        (["{module}:pair"], "or (optimizer, params, grads), got (Layer, a tuple of 0)"),
        (["{module}:kernel", "--law", "rows"], "{module}:kernel: --law, --surrogate and --effort are not for a kernel"),
        (["{module}:wide_kernel"], "{module}:wide_kernel: check_against: x is float64, "),
        (["{module}:loss", "--surrogate"], "{module}:loss: surrogate: only a layer can have a surrogate"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_line_with_status_2(
    module: str, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(module=module) for word in words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("chainrule check: ")
    assert err.count("\n") == 1
    assert reason.format(module=module) in err


def test_help_names_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    assert "3 no law is broken, but one could not" in " ".join(capsys.readouterr().out.split())


def test_from_the_shell_modules_of_the_current_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CASES, "utf-8")
    command = [sys.executable, "-m", "chainrule", "check", "mine:half", "--law", "derivative"]
    run = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, text=True)
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.startswith("WRONG derivative  dx")


def test_nobody_reads_is_a_status_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CASES, "utf-8")
    script = f"'{sys.executable}' -m chainrule check mine:right | true; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=False, cwd=tmp_path, text=True)  # noqa: S607  # the bash of this machine
    assert run.returncode in {0, 141}  # 0 if the pipe took all of it before its end was closed
    assert not run.stderr
