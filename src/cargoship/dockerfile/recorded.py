"""The first line of what is generated: that it is, by which version, and from which options."""

from __future__ import annotations

import shlex

from cargoship.dockerfile.model import DockerfileOptions
from cargoship.dockerfile.words import without_controls

_MARK = "# Made by cargoship "
_COMMAND = "cargoship dockerfile"


def head(wishes: DockerfileOptions) -> str:
    """Return the line; the command in it makes the file again."""
    words = (*_COMMAND.split(), *wishes.arguments)
    return f"{_MARK}{wishes.version}: {without_controls(shlex.join(words), 'an option')}"


def is_ours(text: str) -> bool:
    """Whether a file was generated, and may be generated again."""
    return text.startswith(_MARK)


def recorded(text: str) -> tuple[str, ...]:
    """The options that a generated file was made with."""
    _, _, command = text.partition("\n")[0].removeprefix(_MARK).partition(": ")
    try:
        words = shlex.split(command)
    except ValueError:
        return ()
    return tuple(words[2:])
