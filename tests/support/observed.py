"""What an engine did with an image, remembered on this machine: it does the same with the same bytes the next time.

An answer counts for one engine as it is: its version and what it stands on, the kernel, the words that start an image.
Some are asked for again each day, so that a memory that has become wrong does not stay unseen.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.image_corpus import Case
from support.kept import kept_root

_DAYS = 10
"""Within so many days each case is tried again."""


class Observed:
    """The answers of one engine, which `words` tell apart from others of its name."""

    def __init__(self, name: str, words: Iterable[str]) -> None:
        self._path = kept_root() / "observed" / f"{name.replace(' ', '-')}.json"
        self._engine = hashlib.sha256("\0".join([*words, os.uname().release]).encode()).hexdigest()
        self._answers: Mapping[str, bool] = {}
        try:
            found = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        if found["engine"] == self._engine:
            self._answers = found["answers"]

    def answers(self, cases: Mapping[str, Case]) -> dict[str, bool]:
        """What is remembered of these, by their names; those whose day it is are not."""
        today = dt.datetime.now(tz=dt.UTC).date().toordinal()
        known = {name: _digest(case) for name, case in cases.items()}
        return {
            name: self._answers[digest]
            for name, digest in known.items()
            if digest in self._answers and int(digest[:8], 16) % _DAYS != today % _DAYS
        }

    def remember(self, cases: Mapping[str, Case], answers: Mapping[str, bool]) -> None:
        """Keep the answers for these alone."""
        document = {"engine": self._engine, "answers": {_digest(cases[name]): each for name, each in answers.items()}}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            json.dump(document, file)
        Path(file.name).replace(self._path)


def _digest(case: Case) -> str:
    """Of all that an engine is given; what a case is called stands in its config."""
    digest = hashlib.sha256(f"{case.architecture}\0".encode() + case.config())
    for blob in case.blobs():
        digest.update(f"\0{blob.media_type}\0{hashlib.sha256(blob.data).hexdigest()}".encode())
    return digest.hexdigest()
