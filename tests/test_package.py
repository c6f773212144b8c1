"""The distributions: an sdist with all that tests need, and a wheel with the package alone, which needs two others."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SDIST = {
    "CHANGELOG.md",
    "CHANGELOG.zh.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "CONTRIBUTING.zh.md",
    "LICENSE",
    "Makefile",
    "PKG-INFO",
    "README.md",
    "README.zh.md",
    "SECURITY.md",
    "benchmarks",
    "docs",
    "docs-zh",
    "examples",
    "mkdocs.yml",
    "mkdocs.zh.yml",
    "pyproject.toml",
    "release",
    "src",
    "tests",
}

TRAIN = """
import sys
started = set(sys.modules)

import numpy as np
from chainrule import sgd, softmax_cross_entropy, training_step, two_layer
from chainrule.datasets import digits

train = digits().train
params = two_layer.init(np.random.default_rng(0), 64, 16, 10, std=0.1)
first = float(two_layer.loss(params, train.x, train.labels))
step, state = training_step(two_layer.network, softmax_cross_entropy, sgd(0.5)), sgd(0.5).init(params)
for _ in range(20):
    params, state, loss = step(params, state, train.x, train.labels)
assert loss < first

loaded = {name.partition(".")[0] for name in sys.modules.keys() - started if hasattr(sys.modules[name], "__file__")}
print(*sorted(loaded - sys.stdlib_module_names))
"""


def files(folder: str) -> set[str]:
    """The files in a folder of the repository, without caches."""
    found = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
    caches = {path for path in found if any(part == "__pycache__" or part.startswith(".") for part in path.parts)}
    return {path.as_posix() for path in found if path not in caches}


def printed(python: str | Path, code: str) -> str:
    """The output of a program in an interpreter that knows its own packages only; warnings are errors."""
    run = subprocess.run([python, "-I", "-W", "error", "-c", code], capture_output=True, check=False, encoding="utf-8")
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel that is built from it; `make release` tests those that it has built."""
    if "DIST" in os.environ:
        return Path(os.environ["DIST"])
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    run = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    assert run.returncode == 0, run.stdout + run.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def bare(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel, NumPy and attrs, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    wheel.extractall(site)  # noqa: S202  # built here
    for name in ("numpy", "attr", "attrs"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        (site / name).symlink_to(package)
        libraries = package.with_name(f"{name}.libs")  # where NumPy's wheels keep BLAS
        if libraries.exists():
            (site / libraries.name).symlink_to(libraries)
    return Path(sysconfig.get_path("scripts", "venv", places)) / "python"


def test_the_wheel_holds_the_package_and_its_licences(wheel: zipfile.ZipFile) -> None:
    package = {name.removeprefix("src/") for name in files("src")}
    info = {name for name in wheel.namelist() if ".dist-info/" in name}
    assert set(wheel.namelist()) - info == package
    assert {"chainrule/py.typed", "chainrule/datasets/digits.npz", "chainrule/datasets/digits.LICENSE.txt"} <= package
    assert {name.partition("/")[2] for name in info} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "licenses/LICENSE",
        "licenses/src/chainrule/datasets/digits.LICENSE.txt",
    }


def test_what_is_downloaded_is_small(wheel: zipfile.ZipFile) -> None:
    assert sum(entry.compress_size for entry in wheel.infolist()) < 748_000


def test_the_sdist_holds_what_tests_and_documents_need_and_no_more(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in names} - {".gitignore"} == SDIST
    below = {name for name in names if "/" in name}
    kept = ("src", "tests", "docs", "docs-zh", "benchmarks", "examples", "release")
    assert below == set().union(*(files(folder) for folder in kept))
    assert [name for name in below if "ubyte" in name] == []  # MNIST is its authors'


def test_two_packages_are_required(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = wheel.read(path).decode().splitlines()
    required = [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    assert sorted(re.split(r"[ <>=~!;]+", line)[1] for line in required) == ["attrs", "numpy"]
    assert "Requires-Python: >=3.11" in lines


def test_a_network_trains_where_nothing_else_is_installed(bare: Path) -> None:
    assert printed(bare, TRAIN).split() == ["attr", "attrs", "chainrule", "numpy"]


def test_nothing_else_is_loaded_where_all_is_installed() -> None:
    assert find_spec("mpmath") is not None
    assert find_spec("array_api_compat") is not None
    assert printed(sys.executable, TRAIN).split() == ["attr", "attrs", "chainrule", "numpy"]


def test_numpy_random_is_imported_where_numbers_are_drawn_and_not_before(bare: Path) -> None:
    loaded = "print('numpy.random' in sys.modules)"
    assert printed(bare, f"import sys, numpy\n{loaded}\nimport chainrule\n{loaded}").split() == ["False", "False"]


def test_importing_it_prints_nothing_and_draws_no_random_number(bare: Path) -> None:
    state = "str(np.random.get_state(legacy=False))"
    assert printed(bare, f"import numpy as np\nbefore = {state}\nimport chainrule\nassert before == {state}") == ""
