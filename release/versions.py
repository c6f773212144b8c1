"""The version: pyproject.toml says it, the changelog heads its list with it, and a release is tagged with it."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).parents[1]
LINKS = ("Homepage", "Documentation", "Source", "Issues", "Changelog")


@frozen
class Release:
    """A version as the files of a checkout and the tags of its commit say it."""

    version: str
    """That of pyproject.toml: there is no other."""
    entry: str
    """The version at the top of CHANGELOG.md."""
    date: str
    """What stands beside it: a date, or `unreleased`."""
    tags: tuple[str, ...]
    """The tags of this commit that name versions."""
    changed: bool
    """Whether files differ from those of the commit."""

    @property
    def faults(self) -> list[str]:
        """What does not agree, a line each."""
        found: list[str] = []
        if self.entry != self.version:
            found.append(f"pyproject.toml says {self.version}, and the top of CHANGELOG.md {self.entry}")
        found += [
            f"the tag is {tag}, and the version {self.version}: the tag would be v{self.version}"
            for tag in self.tags
            if tag != f"v{self.version}"
        ]
        if not re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", self.date):
            found.append(f"CHANGELOG.md dates {self.entry} {self.date!r}: a day such as 2027-01-31, or unreleased")
        elif self.tags and self.date == "unreleased":
            found.append(f"the commit is tagged, and CHANGELOG.md calls {self.entry} unreleased: the day stands there")
        if self.tags and self.changed:
            found.append("the commit is tagged, and files differ from it: what is released is what is tagged")
        return found


def read(root: Path = ROOT) -> Release:
    """Read the version of a checkout, wherever it stands."""
    heading = re.search(r"^## (\S+) \(?([^)\n]*)\)?$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    if heading is None:
        raise SystemExit("CHANGELOG.md has no heading such as: ## 0.1.0 (unreleased)")
    tags = _git(root, "tag", "--points-at", "HEAD", "v[0-9]*").split()
    return Release(project(root)["version"], heading[1], heading[2], tuple(tags), bool(_git(root, "status", "-s")))


def project(root: Path = ROOT) -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def missing(root: Path = ROOT) -> list[str]:
    """What a first release needs and only those who publish it can say: addresses."""
    links = project(root).get("urls", {})
    found = [f"pyproject.toml: [project.urls] has no {name}" for name in LINKS if name not in links]
    if "\nrepository-code:" not in (root / "CITATION.cff").read_text("utf-8"):
        found.append("CITATION.cff: repository-code is not there")
    report = (root / "SECURITY.md").read_text("utf-8").partition("## How to report")[2]
    if not re.search(r"https://|mailto:", report):
        found.append("SECURITY.md: How to report has no address")
    return found


def _git(root: Path, *command: str) -> str:
    """What git prints; nothing where there is no git, or no repository, as in an unpacked sdist."""
    try:
        run = subprocess.run(["git", *command], capture_output=True, check=False, cwd=root, text=True)  # noqa: S603, S607  # as users run it
    except FileNotFoundError:
        return ""
    return run.stdout if run.returncode == 0 else ""
