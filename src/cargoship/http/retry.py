"""Which failures are worth another try, after how long, and how often: the only place that decides it.

`with_retries` tries again where trouble may pass. `CONTENTION` is the policy where several processes write the same at
once: how long one that was too late waits before it looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from cargoship.errors import CargoshipError
from cargoship.http.budget import Budget

T = TypeVar("T")
_TRANSIENT = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""499 is nginx's, 520 to 524 are Cloudflare's, of a server behind it that does not answer it."""


class Transient(Exception):
    """A failure that may pass. `error` is what to raise when it does not; `wait_s` is what the registry asked for.

    `connection` says that there was no answer at all: a registry that is down is given up sooner than one that
    asks for patience. `status` is that of the answer, if there was one. Never seen outside `registry`.
    """

    def __init__(
        self, error: CargoshipError, *, wait_s: float | None = None, connection: bool = False, status: int | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s
        self.connection = connection
        self.status = status


class RetryPolicy(Struct, frozen=True):
    """How often and how long: waits grow from `first_s` by `factor` to `longest_s`, each shortened at random.

    What stays of a wait at least is `share` of it.
    """

    tries: int = 6
    connection_tries: int = 4
    first_s: float = 0.4
    factor: float = 2.0
    longest_s: float = 20.0
    share: float = 0.5
    asked_longest_s: float = 300.0
    """The longest Retry-After that is honoured; past it the registry's refusal is final."""

    def wait_s(self, failures: int, jitter: float) -> float:
        """Seconds after the `failures`th failure (from 1); `jitter` from 0 to 1 spreads clients apart."""
        whole = min(self.first_s * self.factor ** (failures - 1), self.longest_s)
        return whole * (self.share + jitter * (1.0 - self.share))


CONTENTION = RetryPolicy(tries=40, first_s=0.05, longest_s=2.0, share=0.0)
"""For what several write at once: many short waits, for those who have collided should not meet again."""


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _TRANSIENT


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110 section 10.2.3), or None.

    It is a number, or a date: that is compared with the answer's own Date, for our clock may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if not text:
        return None
    import email.utils  # noqa: PLC0415 - large, and registries rather give numbers

    try:
        until = email.utils.parsedate_to_datetime(text)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):  # no date, or one with a time zone and one without
        return None


def with_retries(attempt: Callable[[], T], *, budget: Budget, retry_policy: RetryPolicy) -> T:
    """Call `attempt` until it does not raise Transient; gives up with that failure's error."""
    failures = broken = 0
    while True:
        budget.check()
        try:
            return attempt()
        except Transient as failure:
            failures += 1
            broken += failure.connection
            asked = failure.wait_s or 0.0
            wait_s = max(retry_policy.wait_s(failures, budget.jitter()), asked)
            hopeless = failures >= retry_policy.tries or broken >= retry_policy.connection_tries
            if hopeless or asked > retry_policy.asked_longest_s or wait_s >= budget.remaining_s:
                raise failure.error from failure.__cause__
            # slept outside of the handler, so that an interrupt there does not show this failure as its context
        budget.sleep(wait_s)
