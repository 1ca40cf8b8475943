"""What shows a server who asks: headers from the environment, and from a credential helper.

- CARGOSHIP_REMOTE_HEADERS: `name=value,name=value`, percent-encoded where need be, as OTEL_EXPORTER_OTLP_HEADERS is
- CARGOSHIP_REMOTE_CREDENTIAL_HELPER: a program that speaks the protocol of Bazel's credential helpers:
  https://github.com/EngFlow/credential-helper-spec

Nothing of it is ever shown.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import RemoteFailed, ToolMissing, UsageError
from cargoship.process import Command, Runner

HEADERS_VARIABLE = "CARGOSHIP_REMOTE_HEADERS"
HELPER_VARIABLE = "CARGOSHIP_REMOTE_CREDENTIAL_HELPER"
Headers = tuple[tuple[str, str], ...]

# gRPC over HTTP/2, "Custom-Metadata": lower case; `grpc-` is the protocol's own, `-bin` takes bytes
_NAME = re.compile(r"(?!grpc-)[0-9a-z_.-]{1,100}(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]{0,16384}")
_HEADERS_MAX = 50
_HELPER_S = 60.0
_FRESH_S = 300.0
"""How long an answer is used that does not say when it ends."""
_EARLY_S = 30.0


class HeaderSource(Protocol):
    """Gives the headers for the next call."""

    def headers(self, *, anew: bool = False) -> Headers:
        """What to send; with `anew` the last ones were refused. Raises RemoteFailed, UsageError."""
        ...


class _Answer(msgspec.Struct):
    headers: dict[str, list[str]] = {}
    expires: dt.datetime | None = None


@dataclass
class _Remembered:
    lock: threading.Lock = field(default_factory=threading.Lock)
    headers: Headers | None = None
    until: float = 0.0


@dataclass(frozen=True)
class EnvironmentHeaders:
    """Headers of a user's environment for the server at `url`. `now_s` is the time in seconds since 1970.

    Where nobody knows the time, a helper is asked again after some minutes, by `clock`.
    """

    env: Mapping[str, str] = field(repr=False)
    runner: Runner = field(repr=False)
    url: str
    clock: Callable[[], float]
    now_s: Callable[[], float] | None = None
    remembered: _Remembered = field(default_factory=_Remembered, repr=False)

    def headers(self, *, anew: bool = False) -> Headers:
        """See HeaderSource."""
        fixed = parse_headers(self.env.get(HEADERS_VARIABLE, ""))
        helper = shlex.split(self.env.get(HELPER_VARIABLE, ""))
        if not helper:
            return fixed
        with self.remembered.lock:
            if anew or self.remembered.headers is None or self.clock() >= self.remembered.until:
                self.remembered.headers, lasts_s = self._ask(tuple(helper))
                self.remembered.until = self.clock() + lasts_s
            return fixed + self.remembered.headers

    def _ask(self, helper: tuple[str, ...]) -> tuple[Headers, float]:
        command = Command((*helper, "get"), env=self.env)
        shown = f"the credential helper {helper[0]}"
        try:
            done = self.runner.run(command, stdin=msgspec.json.encode({"uri": self.url}), timeout_s=_HELPER_S)
        except ToolMissing as error:
            raise RemoteFailed(f"{shown} cannot be run: {error.message}", hint=error.hint) from error
        if done.code != 0:
            ended = "took too long" if done.code < 0 else f"failed with exit code {done.code}"
            raise RemoteFailed(f"{shown} {ended}", hint=f"it was asked for {self.url}")
        try:
            answer = decode_json(done.stdout, _Answer)
            found = tuple((name.lower(), value) for name, values in answer.headers.items() for value in values)
        except Undecodable:
            raise RemoteFailed(f"{shown} gave an answer that is not its protocol") from None
        lasts_s = _FRESH_S
        if answer.expires is not None and answer.expires.tzinfo is not None and self.now_s is not None:
            lasts_s = max(answer.expires.timestamp() - self.now_s() - _EARLY_S, 0.0)
        return _checked(found, shown), lasts_s


def parse_headers(text: str) -> Headers:
    """Read the variable; raises UsageError, which does not show what is in it."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(mark for _, mark, _ in pairs):
        raise UsageError(f"{HEADERS_VARIABLE} is no list of headers", hint="write NAME=VALUE,NAME=VALUE")
    found = tuple((name.strip().lower(), unquote(value.strip())) for name, _, value in pairs)
    try:
        return _checked(found, HEADERS_VARIABLE)
    except RemoteFailed as error:
        raise UsageError(error.message, hint="write NAME=VALUE,NAME=VALUE") from error


def _checked(headers: Headers, where: str) -> Headers:
    if len(headers) > _HEADERS_MAX or not all(
        _NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers
    ):
        raise RemoteFailed(f"{where} has a header that cannot be sent")
    return headers
