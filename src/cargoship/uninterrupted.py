"""A step that no signal's exception can break off in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_GRACE_S = 5.0


class Uninterrupted(Generic[_T]):
    """A step in a thread of its own.

    A signal's exception arises in the main thread wherever that is. In the middle of a step it would leave something
    that nobody knows of, such as a program that runs; here it cannot arise, and what there is is known whatever
    happened meanwhile.
    """

    def __init__(self, step: Callable[[], _T]) -> None:
        self._step = step
        self._begun = False
        self._settled = threading.Event()
        self._result: _T | None = None
        self._error: BaseException | None = None

    def result(self) -> _T:
        """Do it; raises what the step raises."""
        self._begun = True
        threading.Thread(target=self._run, daemon=True).start()
        self._settled.wait()
        if self._result is None:
            raise self._error or RuntimeError("nothing came of it")
        return self._result

    def known(self) -> _T | None:
        """What came of it so far, if anything; waits for a step that is under way."""
        if self._begun:
            self._settled.wait(_GRACE_S)
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._step()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self._settled.set()
