"""What a check says, and what becomes of it."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from cargoship.errors import CannotStart
from cargoship.events import Emit, Level, Note

_PLATFORM = re.compile(r"\((linux/[a-z0-9/]+)\)")


class Severity(enum.Enum):
    """What a finding means."""

    ERROR = "error"
    """It cannot start."""
    WARNING = "warning"
    """It starts, and something in it will not work."""
    NOTE = "note"
    """Something was not checked."""


class Code(enum.Enum):
    """What is wrong, for programs that read findings; the names stay."""

    WRONG_MACHINE = "wrong-machine"
    NOT_A_PROGRAM = "not-a-program"
    PROCESSOR_BEYOND = "processor-beyond"
    INTERPRETER_MISSING = "interpreter-missing"
    LIBRARY_MISSING = "library-missing"
    VERSION_MISSING = "version-missing"
    ENTRYPOINT_MISSING = "entrypoint-missing"
    NOT_EXECUTABLE = "not-executable"
    USER_UNKNOWN = "user-unknown"
    FILES_CLASH = "files-clash"
    LAYER_REFUSED = "layer-refused"
    CONFIG_REFUSED = "config-refused"
    TOO_MANY_LAYERS = "too-many-layers"
    FOLDER_CLOSED = "folder-closed"
    WORKDIR_WRONG = "workdir-wrong"
    VARIABLE_INVALID = "variable-invalid"
    CERTIFICATES_MISSING = "certificates-missing"
    HEALTHCHECK_MISSING = "healthcheck-missing"
    NOTHING_TO_START = "nothing-to-start"
    SMOKE_FAILED = "smoke-failed"
    NOT_CHECKED = "not-checked"


class Finding(Struct, frozen=True):
    """One thing that was found: a sentence without a full stop, and what would mend it."""

    severity: Severity
    code: Code
    text: str
    hint: str | None = None
    library: str | None = None
    """The library that is missing: who knows packages can say which of them has it."""


def error(code: Code, text: str, hint: str | None = None, *, library: str | None = None) -> Finding:
    """What keeps an image from starting."""
    return Finding(Severity.ERROR, code, text, hint, library)


def refuse(findings: Iterable[Finding], emit: Emit) -> None:
    """Tell of warnings and notes, then raise CannotStart for the errors: the first, with the others below it."""
    errors = []
    for finding in findings:
        if finding.severity is Severity.ERROR:
            errors.append(finding)
        else:
            level = Level.WARNING if finding.severity is Severity.WARNING else Level.VERBOSE
            emit(Note(finding.text + (f" ({finding.hint})" if finding.hint else ""), level))
    if errors:
        first, *others = _merged([each.text for each in errors])
        hints = [each.hint for each in errors if each.hint is not None]
        raise CannotStart(first, hint="; ".join(dict.fromkeys(hints)) or None, details="\n".join(others) or None)


def _merged(texts: Sequence[str]) -> list[str]:
    """The texts in their order; those that differ in their platform alone are one, with all of their platforms."""
    platforms: dict[str, dict[str, None]] = {}
    for text in texts:
        match = _PLATFORM.search(text)
        common = text if match is None else f"{text[: match.start(1)]}\0{text[match.end(1) :]}"
        platforms.setdefault(common, {})[match[1] if match else ""] = None
    return [common.replace("\0", ", ".join(each)) for common, each in platforms.items()]
