"""All that a release is held to: one version everywhere, and the words that go with it."""

import re
import subprocess
import sys
from pathlib import Path

import assets
import licences
import pytest
from mkdocs.utils.yaml import yaml_load  # pyright: ignore[reportUnknownVariableType] (mkdocs: IO of anything)

import versions
from versions import Release

ROOT = Path(__file__).parents[1]
RIGHT = Release(version="0.2.0", entry="0.2.0", date="2027-01-31", tags=("v0.2.0",), changed=False)


def git(folder: Path, *command: str) -> None:
    """A command of git that knows nobody's settings."""
    said = ["user.name=a", "user.email=a@example.org", "commit.gpgsign=false", "tag.gpgsign=false"]
    settings = [part for setting in said for part in ("-c", setting)]
    subprocess.run(["git", *settings, *command], check=True, cwd=folder, capture_output=True)  # noqa: S607  # as users do


def checkout(folder: Path, version: str, heading: str) -> None:
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', "utf-8")
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n## 0.0.9 (2026-01-01)\n", "utf-8")


def test_version_changelog_and_tag_agree() -> None:
    release = versions.read()
    faults = [fault for fault in release.faults if "files differ" not in fault]  # as while one works
    assert faults == []


def test_the_version_stands_in_one_place() -> None:
    version = re.escape(versions.project()["version"])
    places = [*ROOT.glob("src/**/*.py"), ROOT / "CITATION.cff", ROOT / "README.md", ROOT / "mkdocs.yml"]
    assert [path for path in places if re.search(rf"(?<![\d.]){version}(?![\d.])", path.read_text("utf-8"))] == []
    assert [path for path in places if "__version__" in path.read_text("utf-8")] == []


def test_a_release_that_agrees_has_no_faults() -> None:
    assert RIGHT.faults == []
    assert Release("0.2.0", "0.2.0", "unreleased", (), changed=True).faults == []


@pytest.mark.parametrize(
    ("release", "fault"),
    [
        (Release("0.2.0", "0.1.0", "unreleased", (), changed=False), "says 0.2.0, and the top of CHANGELOG.md 0.1.0"),
        (
            Release("0.2.0", "0.2.0", "2027-01-31", ("v0.3.0",), changed=False),
            "the tag is v0.3.0, and the version 0.2.0",
        ),
        (Release("0.2.0", "0.2.0", "unreleased", ("v0.2.0",), changed=False), "calls 0.2.0 unreleased"),
        (Release("0.2.0", "0.2.0", "31 January", (), changed=False), "dates 0.2.0 '31 January'"),
        (Release("0.2.0", "0.2.0", "2027-01-31", ("v0.2.0",), changed=True), "files differ"),
    ],
)
def test_what_does_not_agree_is_named(release: Release, fault: str) -> None:
    assert [each for each in release.faults if fault in each] == release.faults != []


def test_versions_and_tags_are_read_where_they_stand(tmp_path: Path) -> None:
    checkout(tmp_path, "0.2.0", "## 0.2.0 (2027-01-31)")
    assert versions.read(tmp_path) == Release("0.2.0", "0.2.0", "2027-01-31", (), changed=False)  # no repository
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "First")
    git(tmp_path, "tag", "v0.2.0")
    git(tmp_path, "tag", "remembered")
    assert versions.read(tmp_path) == RIGHT
    checkout(tmp_path, "0.3.0", "## 0.3.0 (unreleased)")
    assert versions.read(tmp_path) == Release("0.3.0", "0.3.0", "unreleased", ("v0.2.0",), changed=True)


def test_a_missing_address_is_named(tmp_path: Path) -> None:
    checkout(tmp_path, "0.2.0", "## 0.2.0 (unreleased)")
    (tmp_path / "CITATION.cff").write_text("title: a\n", "utf-8")
    (tmp_path / "SECURITY.md").write_text("https://example.org\n\n## How to report\n\nTell us.\n", "utf-8")
    assert versions.missing(tmp_path) == [
        *(f"pyproject.toml: [project.urls] has no {name}" for name in versions.LINKS),
        "CITATION.cff: repository-code is not there",
        "SECURITY.md: How to report has no address",
    ]
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("".join(["[project.urls]\n", *(f'{name} = "https://example.org"\n' for name in versions.LINKS)]))
    (tmp_path / "CITATION.cff").write_text("title: a\nrepository-code: https://example.org\n", "utf-8")
    (tmp_path / "SECURITY.md").write_text("## How to report\n\nhttps://example.org\n", "utf-8")
    assert versions.missing(tmp_path) == []


def test_the_citation_has_what_its_format_demands_and_says_what_pyproject_says() -> None:
    with (ROOT / "CITATION.cff").open("rb") as file:
        said = yaml_load(file)
    project = versions.project()
    assert {"cff-version", "message", "title", "authors"} <= said.keys()  # demanded by the Citation File Format 1.2.0
    assert (said["cff-version"], said["type"]) == ("1.2.0", "software")
    assert [author.keys() for author in said["authors"]] == [{"name"}]  # an entity, and no person
    assert [author["name"] for author in said["authors"]] == [author["name"] for author in project["authors"]]
    assert (said["title"], said["license"]) == (project["name"], project["license"])
    assert (said["abstract"], said["keywords"]) == (project["description"], project["keywords"])
    assert said.get("repository-code") == project.get("urls", {}).get("Source")


def test_every_package_that_the_site_carries_is_on_the_page_of_licences() -> None:
    page = (ROOT / "docs" / "licences.md").read_text("utf-8")
    for package in assets.PACKAGES:
        assert package.name in page.lower()
        assert "LICENSE" in package.parts
    named = [name for name in licences.texts() if name not in page]
    assert named == ["mkdocs.txt", "mkdocstrings.txt"]  # which the page names together
    assert [path for path in licences.texts().values() if not path.is_file()] == []


def test_a_readme_that_does_not_do_what_it_shows_is_refused(tmp_path: Path) -> None:
    program = ROOT / "release" / "readme.py"
    for text, status in [
        ("```python\nx = 1\n```\n\n```python\n>>> x + 1\n2\n```\n", 0),
        ("```python\n>>> 1 + 1\n3\n```\n", 1),
        ("```python\nraise ValueError\n```\n", 1),
        ("Words.\n", 1),
    ]:
        (tmp_path / "README.md").write_text(text, "utf-8")
        run = subprocess.run([sys.executable, "-I", program, tmp_path / "README.md"], check=False, capture_output=True)
        assert run.returncode == status, text


def test_the_workflow_for_other_systems_tests_the_oldest_and_the_newest_python() -> None:
    with (ROOT / ".github" / "workflows" / "test.yml").open("rb") as file:
        matrix = yaml_load(file)["jobs"]["test"]["strategy"]["matrix"]
    named = [line.split(" :: ")[2] for line in versions.project()["classifiers"] if " :: Python :: 3." in line]
    assert matrix["python"] == [named[0], named[-1]]
    assert {"macos-latest", "windows-latest"} <= set(matrix["os"])
