"""Values as a Dockerfile spells them (https://docs.docker.com/reference/dockerfile/, "Environment replacement").

Nothing in a value is ever taken for syntax: not `$`, not quotes, not a backslash. What has a line break is refused,
for a Dockerfile cannot hold it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from cargoship.errors import UsageError

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000}


def without_controls(value: str, what: str) -> str:
    """The value; raises UsageError for one with a line break or another control character."""
    if _CONTROL.search(value):
        raise UsageError(
            f"{what} has a line break or another control character, which a Dockerfile cannot hold",
            hint="change it, or build with `cargoship build`, which can",
        )
    return value


def quoted(value: str, what: str) -> str:
    """In double quotes, for ENV and LABEL."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", without_controls(value, what)) + '"'


def bare(value: str, what: str) -> str:
    """Without quotes, for WORKDIR and USER, which take the whole line; raises UsageError for blanks that they drop."""
    if value != value.strip():
        raise UsageError(
            f"{what} begins or ends with a blank, which Docker would drop",
            hint="change it, or build with `cargoship build`, which keeps it",
        )
    return re.sub(r"([\\$\"'])", r"\\\1", without_controls(value, what))


def words(values: Sequence[str], what: str) -> str:
    """A JSON list, for ENTRYPOINT, CMD and HEALTHCHECK: Docker takes its words as they are."""
    return json.dumps([without_controls(value, what) for value in values], ensure_ascii=False)


def volume_list(values: Sequence[str], what: str) -> str:
    """A JSON list for VOLUME, in which variables are replaced."""
    return json.dumps([bare(value, what) for value in values], ensure_ascii=False)


def assignments(instruction: str, values: Mapping[str, str]) -> Iterable[str]:
    """ENV or LABEL, one assignment a line; nothing for none."""
    written = []
    for key, value in values.items():
        what = f"{instruction.lower()} {key}"
        if "=" in key:
            raise UsageError(
                f"the name of {what} has a = in it, which ends a name in a Dockerfile",
                hint="change it, or build with `cargoship build`, which can have it",
            )
        name = key if _PLAIN_KEY.fullmatch(key) else quoted(key, what)
        written.append(f"{name}={quoted(value, what)}")
    if written:
        indent = " " * (len(instruction) + 1)
        yield f"{instruction} " + f" \\\n{indent}".join(written)


def command(*parts: str) -> str:
    """Words of a shell; `$NAME` in the generator's own text stays a variable, for it is not passed through here."""
    return " ".join(shlex.quote(without_controls(part, f"the name {part!r}")) for part in parts)


def docker_duration(ns: int) -> str:
    """Nanoseconds as Docker writes them: `1m30s`, `500ms`."""
    text = ""
    for unit, size in _NS.items():
        count, ns = divmod(ns, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
