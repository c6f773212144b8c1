"""The demo as its own process: pipes, terminals, signals."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-W", "error", "-m", "chainrule", "--hidden", "8"]
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"}
}


def test_a_pipe_gets_plain_lines_and_a_picture(tmp_path: Path) -> None:
    ended = subprocess.run([*COMMAND, "--steps", "30"], cwd=tmp_path, env=PLAIN, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"\x1b" not in ended.stdout
    assert b"\r" not in ended.stdout.replace(os.linesep.encode(), b"\n")
    assert ended.stdout.count(b"\nstep ") == 10
    assert [path.name for path in tmp_path.iterdir()] == ["chainrule.png"]


def test_a_closed_pipe_ends_it_without_a_word(tmp_path: Path) -> None:
    command = [*COMMAND, "--steps", "3000", "--no-picture"]
    with subprocess.Popen(command, cwd=tmp_path, env=PLAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert b"chainrule" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(("words", "status"), [("'--bogus'", 2), ("'--help'", 0)])
def test_without_streams_the_exit_status_is_the_same(words: str, status: int) -> None:
    """As in `python -m chainrule >&- 2>&-`: Python then has no sys.stdout and no sys.stderr."""
    without = "import sys; sys.stdout = sys.stderr = None"
    run = f"from chainrule.demo.main import main; raise SystemExit(main([{words}]))"
    assert subprocess.run([sys.executable, "-c", f"{without}; {run}"], check=False).returncode == status


def test_an_interrupt_ends_it_in_one_line(tmp_path: Path) -> None:
    # A shell may have started the tests in the background, where interrupts are ignored from birth.
    hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    run = "from chainrule.demo.main import main; raise SystemExit(main(['--steps', '100000000', '--no-picture']))"
    command = [sys.executable, "-W", "error", "-c", f"{hear}; {run}"]
    with subprocess.Popen(command, cwd=tmp_path, env=PLAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert b"chainrule" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"chainrule: interrupted\n"
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("variables", "bar", "colours"),
    [
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_gets_a_bar_if_it_can_show_one(
    variables: dict[str, str], bar: bool, colours: bool, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "--steps", "50", "--no-picture"]
    with subprocess.Popen(command, cwd=tmp_path, env=PLAIN | variables, stdout=theirs, stderr=subprocess.PIPE) as run:
        os.close(theirs)
        said = b""
        while piece := _read(ours):
            said += piece
        assert run.stderr
        assert run.stderr.read() == b""
    os.close(ours)
    assert run.returncode == 0
    assert (b"50/50" in said) == bar
    assert (b"\x1b[" in said) == bar
    assert (b"\x1b[38;" in said or b"\x1b[3" in said) == colours
    assert b"accuracy  " in said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other side is closed
        return b""
