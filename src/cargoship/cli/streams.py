"""The standard streams of a process that was started without some of them, as daemons and cron's relatives may do.

The number of a stream that is closed is that of the next file that is opened: what is written to "standard error" by a
program that is started here would be in the middle of that file.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_FLAGS = {
    "stdin": os.O_RDONLY,
    # a result that nobody can get is an error, at the first write
    "stdout": os.O_RDONLY,
    # messages that nobody wants are none
    "stderr": os.O_WRONLY,
}


def open_closed_streams() -> None:
    """Open every standard stream that is closed: stdin is empty, stdout refuses writes, stderr swallows them."""
    for number, (name, flags) in enumerate(_FLAGS.items()):
        if getattr(sys, name) is not None:
            continue
        with suppress(OSError):
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # noqa: FBT003 - its only form
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace"))
