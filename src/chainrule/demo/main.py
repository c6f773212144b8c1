"""The demo as a program: from a command line to an exit status, with errors in one line."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from chainrule.arrays.extras import pip_install
from chainrule.demo.errors import DivergenceError, UsageError
from chainrule.demo.extras import installed, one_thread
from chainrule.demo.options import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, and return the exit status.

    It is 0 if all is well, 1 if a gradient is wrong or training diverges, 2 if options, files or packages do not allow
    it, 130 if it is interrupted, and 141 if nobody reads the output any more.
    """
    try:
        options = parse(arguments)
        _need_rich()
        from chainrule.demo.run import run  # noqa: PLC0415  # it imports rich, which need not be there

        with one_thread():
            wrong = run(options)
    except (UsageError, DivergenceError) as reason:
        return _stop(str(reason), reason.status)
    except KeyboardInterrupt:
        return _stop("interrupted", 130)
    except BrokenPipeError:
        # Python flushes standard output once more as it exits, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _stop(str(error), 2)
    except MemoryError:
        return _stop("not enough memory: try a smaller --hidden or --batch", 2)
    return _stop(f"gradients are wrong: {', '.join(wrong)}", 1) if wrong else 0


def _need_rich() -> None:
    if not installed("rich"):
        raise UsageError(f"the demo needs rich: {pip_install('demo')}")


def _stop(reason: str, status: int) -> int:
    if sys.stderr is not None:  # it is None if the process was started without one
        with suppress(OSError):  # a full disk, say: the exit status is left to say it
            sys.stderr.write(f"chainrule: {' '.join(reason.splitlines())}\n")
    return status
