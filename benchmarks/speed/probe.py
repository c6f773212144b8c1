"""Fresh processes that measure themselves, and answer with a line of JSON."""

import json
import subprocess
from typing import Any

from speed.team import BENCHMARKS, FailureError, command
from speed.threads import ONE, environment


def fresh(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of this package in a process with one thread: what it says last.

    Raises
    ------
    FailureError
        If it ends with an error.
    """
    ran = subprocess.run(  # noqa: S603  # our own modules
        command(module, *arguments), env=environment(ONE), cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise FailureError((ran.stderr.strip().splitlines() or [f"status {ran.returncode}"])[-1])
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer
