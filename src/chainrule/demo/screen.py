"""The output of the demo: a terminal of any kind, a pipe or a file."""

import sys

from rich.console import Console


class Screen(Console):
    """A console that takes text as it is, and leaves a closed pipe to its caller, where rich would end the process."""

    def __init__(self) -> None:
        super().__init__(markup=False, highlight=False, emoji=False)

    @property
    def is_watched(self) -> bool:
        """True if the output is a terminal, which can show a moving bar. `FORCE_COLOR` does not make a pipe one."""
        return self.is_terminal and not self.is_dumb_terminal and sys.stdout.isatty()

    def say(self, line: str = "", style: str | None = None) -> None:
        """Print one line, never wrapped; characters that the encoding lacks are escaped."""
        known = line.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self.print(known, style=style, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Let the error that is being handled go on."""
        raise BrokenPipeError
