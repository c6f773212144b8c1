"""A picture is written whole or not at all, and where it cannot be this is said before training."""

from pathlib import Path

import pytest

from chainrule.demo import output_file
from chainrule.demo.errors import UsageError


def test_looking_at_a_place_leaves_no_trace(tmp_path: Path) -> None:
    there = tmp_path / "there.png"
    there.write_bytes(b"old")
    output_file.check(there)
    output_file.check(tmp_path / "new.png")
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]
    assert there.read_bytes() == b"old"


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    for content in (b"one", b"two"):
        output_file.write(path, content)
        assert path.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/p.png", "No such file or directory"),
        ("file/p.png", "Not a directory"),
        ("folder.png", "Is a directory"),
        ("p.jpg", "must end in .png"),
        ("p", "must end in .png"),
        (f"{'long' * 100}.png", "File name too long"),
        ("p\0.png", "null"),
    ],
)
def test_a_place_that_takes_no_picture_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=reason):
        output_file.check(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))  # whoever runs the tests may be allowed everything

    monkeypatch.setattr(Path, "touch", denied)
    with pytest.raises(UsageError, match=r"cannot write .*p\.png: Permission denied: choose another --picture"):
        output_file.check(tmp_path / "p.png")


def test_a_full_disk_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        write(self, content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left on device"):
        output_file.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
