"""The GPT on other engines has the losses that it has on NumPy, and says plainly where it was not measured."""

import re
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import gpt
import gpt_engines
import numpy as np
import pytest

from examples.programs import ran, refusal

SMALL = "--size", "8", "6", "8", "2"
FIGURE = r"losses differ from those of (\S+) by at most (.+); ms a step: \1 \S+(, \S+ \S+)+"


def differences(folder: Path, *engines: str) -> dict[str, float]:
    """The figures in the last line, for each engine but the first, after a table that has them too."""
    run = ran("gpt_engines", "--engine", *engines, *SMALL, folder=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    done, (_, *rows, last) = lines[: len(engines)], lines[len(engines) :]
    for name, line in zip(engines, done, strict=True):
        assert re.fullmatch(rf"{name} took \d+\.\d s for 20 steps", line)
    found = re.fullmatch(FIGURE, last)
    assert found, last
    figures = {name: float(figure) for name, figure in (each.split() for each in found[2].split(", "))}
    losses = np.array([[float(loss) for loss in row.split()[1:]] for row in rows])
    assert losses.shape == (20, len(engines))
    assert (losses[-1] < losses[0]).all()
    largest = abs(losses[:, 1:] - losses[:, :1]).max(axis=0)
    np.testing.assert_allclose([*figures.values()], largest, rtol=0, atol=1e-7)  # as far as they are printed
    return figures


def test_the_model_names_no_library() -> None:
    assert {*gpt.gpt.__code__.co_names}.isdisjoint({"np", "jax", "torch"})


def test_eight_devices_have_the_losses_of_one_and_of_numpy(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    figures = differences(tmp_path, "jax", "jax-sharded", "numpy")
    assert figures["jax-sharded"] <= 1e-6
    assert figures["numpy"] <= 2e-6  # eight roundings of a loss of two


def test_tensors_have_the_losses_of_numpy_compiled_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_COMPILE_DISABLE", "1")  # operations are listed, and run without kernels of their own
    figures = differences(tmp_path, "numpy", "torch", "torch-compile")
    assert max(figures.values()) <= 2e-6


def test_the_step_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    monkeypatch.setenv("JAX_LOG_COMPILES", "1")
    run = ran("gpt_engines", "--engine", "jax", "--steps", "3", *SMALL, folder=tmp_path)
    assert run.stderr.count("Finished XLA compilation of ") == 1


class CompilerMissingError(RuntimeError):
    """An error as that of torch where it finds no compiler of C++."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CompilerMissingError("no C++ compiler\n\nset CXX"), "no C++ compiler"),
        (ImportError("pip install array-api-compat"), "pip install array-api-compat"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_an_engine_that_fails_is_named_and_the_others_are_measured(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(step: object) -> Callable[..., object]:
        def compiled(*arguments: object) -> object:
            raise error

        return compiled

    def on_torch(options: Namespace) -> gpt_engines.Engine:
        return gpt_engines.Engine(compiled=failing)

    monkeypatch.setitem(gpt_engines.ENGINES, "torch", on_torch)
    gpt_engines.main(gpt_engines.read_options(["--engine", "torch", "numpy", "--steps", "2", *SMALL]))
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"torch was not measured: {said}"
    assert last.startswith("numpy was measured alone; ms a step: numpy ")


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is here")
def test_what_was_not_measured_is_named(tmp_path: Path) -> None:
    run = ran("gpt_engines", "--device", "gpu", "--engine", "numpy", "cupy", "--steps", "2", *SMALL, folder=tmp_path)
    assert run.returncode == 1
    done, said = run.stdout.splitlines()
    assert re.fullmatch(r"numpy took 0\.\d s for 2 steps", done)
    assert said == "cupy was not measured: No module named 'cupy': pip install 'chainrule[cupy]'"
    assert run.stderr == "nothing was measured on a GPU\n"


@pytest.mark.parametrize("option", ["--seed -1", "--steps 1", "--size 8 6 9 2"])
def test_bad_options_are_refused_in_a_sentence(tmp_path: Path, option: str) -> None:
    said = refusal("gpt_engines", *option.split(), folder=tmp_path)
    assert said.endswith("error: --seed must be >= 0, --steps >= 2, and the width of --size a multiple of its heads")


def test_a_batch_that_does_not_divide_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    run = ran("gpt_engines", "--engine", "jax-sharded", "--size", "9", "6", "8", "2", folder=tmp_path)
    assert run.stdout == (
        "jax-sharded was not measured: the rows of a batch must be a multiple of 8, the devices that there are\n"
    )
