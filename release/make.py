"""Build an sdist and a wheel into dist/, and try both as those who install them would: `make release`.

What is built is tested: its metadata by twine, its contents by tests/test_package.py, and then each file in an empty
environment of every Python that the classifiers name and the machine has, where the code of the README runs.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import versions

ROOT, DIST = versions.ROOT, versions.ROOT / "dist"
README = ROOT / "release" / "readme.py", ROOT / "README.md"
NEEDED = {"attrs", "chainrule", "numpy"}
LISTED = "from importlib.metadata import distributions; print(*(each.name for each in distributions()))"


def main() -> None:
    """Make a release, or rehearse one: without a tag, all but the addresses must be right as well."""
    release, missing = versions.read(), versions.missing()
    named = f"tagged {' '.join(release.tags)}" if release.tags else "not tagged: a rehearsal"
    print(f"version   {release.version}, {release.date} in CHANGELOG.md, {named}")
    for line in missing:
        print(f"missing   {line}")
    if release.faults or (release.tags and missing):
        raise SystemExit("\n".join([*release.faults, *(missing if release.tags else ())]))

    wheel, sdist = build(release.version)
    for file in (wheel, sdist):
        print(f"built     dist/{file.name}, {file.stat().st_size:,} bytes")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    print("metadata  twine finds nothing to mend")
    tested = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_package.py"]
    print(f"contents  {run(*tested, DIST=str(DIST)).splitlines()[-1]}")

    untried: list[str] = []
    for python, path in pythons():
        if not path:
            untried.append(python)
            continue
        for file in (wheel, sdist):
            print(f"installed {file.name} on Python {python}: {installed(path, file)}", flush=True)
    if untried:
        print(f"untried   Python {', '.join(untried)}: the classifiers name it, and this machine has none")


def build(version: str) -> tuple[Path, Path]:
    """The wheel and the sdist of this checkout, alone in dist/; the wheel is built from the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, ROOT)
    wheel, sdist = DIST / f"chainrule-{version}-py3-none-any.whl", DIST / f"chainrule-{version}.tar.gz"
    names = {path.name for path in DIST.iterdir()} - {".gitignore"}
    if names != {wheel.name, sdist.name}:
        raise SystemExit(f"dist/ should hold {wheel.name} and {sdist.name}, and holds {', '.join(sorted(names))}")
    return wheel, sdist


def pythons() -> list[tuple[str, str]]:
    """The releases that the classifiers name, and the interpreters of those that are here."""
    lines = run(ROOT / ".ci" / "pythons").splitlines()
    return [(release, path) for release, _, path in (line.partition(" ") for line in lines)]


def installed(python: str, file: Path) -> str:
    """Install a file where nothing is, and run the README there: what it says, and the seconds that it took."""
    start = time.monotonic()
    with TemporaryDirectory() as folder:
        run(python, "-m", "venv", folder)
        own = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", file)
        found = set(run(own, "-I", "-c", LISTED).split()) - {"pip", "setuptools"}  # which venv brings
        if found != NEEDED:
            raise SystemExit(f"{file.name} brings {', '.join(sorted(found))}: expected {', '.join(sorted(NEEDED))}")
        said = run(own, "-I", "-W", "error", *README, cwd=folder)
    return f"{said.strip()}, {time.monotonic() - start:.0f} s"


def run(*command: str | Path, cwd: str | Path = ROOT, **environment: str) -> str:
    """What a program prints. If it fails, all stops with what it said."""
    done = subprocess.run(  # noqa: S603  # programs of this file
        command, capture_output=True, check=False, cwd=cwd, env=os.environ | environment, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{_line(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _line(command: Sequence[str | Path]) -> str:
    return " ".join(map(str, command))


if __name__ == "__main__":
    main()
