"""Whether engines can read an image's config at all: Go's types are stricter about some values than they look.

Docker and podman do not load an image whose times are none, or whose health check has words for numbers. What
cargoship refuses itself when it reads a config is not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cargoship.checks.finding import Code, Finding, error
from cargoship.oci.config import ConfigFile, is_time

_NUMBERS = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
"""Durations are in nanoseconds (moby, api/types/container/config.go, HealthConfig)."""


def check_config(config: ConfigFile, *, said: str) -> Iterator[Finding]:
    """What of a config keeps engines from loading the image; `said` is what the image is called."""
    for text in [config.created, *(step.get("created") for step in config.steps)]:
        if text is not None and not is_time(text):
            yield _refused(said, f"its config has {text!r} for a time", "Docker and podman", "write times as RFC 3339")
            break
    if config.platform.os != "linux" == config.platform.os.lower():
        what = f"its config has {config.platform.os!r} for an operating system"
        yield _refused(said, what, "Docker without containerd's image store", "write linux in small letters")
    wrong = None if config.run.healthcheck is None else _wrong_in(config.run.healthcheck)
    if wrong is not None:
        yield _refused(
            said,
            f"its health check has {config.run.healthcheck[wrong]!r} for {wrong}" if config.run.healthcheck else "",
            "Docker and podman",
            "a test is a list of words, and durations are numbers of nanoseconds",
        )
    if len(config.history) > len(config.diff_ids):
        yield _refused(
            said,
            f"its history has {len(config.history)} steps that made a layer, and it has {len(config.diff_ids)} layers",
            "Docker",
            "mark the steps that made none with empty_layer",
        )


def _wrong_in(healthcheck: Mapping[str, Any]) -> str | None:
    """The first of its fields that engines cannot read."""
    named = {name.casefold(): name for name in healthcheck}
    for key in _NUMBERS:
        name = named.get(key.casefold(), "")
        value = healthcheck.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            return name
    name = named.get("test", "")
    test = healthcheck.get(name)
    right = test is None or (isinstance(test, list) and all(word is None or isinstance(word, str) for word in test))
    return None if right else name


def _refused(said: str, what: str, who: str, hint: str) -> Finding:
    return error(Code.CONFIG_REFUSED, f"{said} cannot be loaded: {what}, which {who} cannot read", hint)
