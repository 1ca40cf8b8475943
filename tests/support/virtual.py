"""Time that passes when somebody waits, and not otherwise."""

from __future__ import annotations

from cargoship.http.budget import Budget


class VirtualBudget(Budget):
    """A budget whose waits take no time; `elapsed_s` is how long they would have taken."""

    def __init__(self, total_s: float) -> None:
        self.elapsed_s = 0.0
        super().__init__(total_s, clock=lambda: self.elapsed_s, jitter=lambda: 0.5)

    def sleep(self, seconds: float) -> None:
        self.check()
        self.pass_by(min(seconds, max(self.remaining_s, 0.0)))
        self.check()

    def pass_by(self, seconds: float) -> None:
        """Let time pass, whatever the budget says."""
        self.elapsed_s += seconds
