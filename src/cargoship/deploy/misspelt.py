"""References whose scheme is nearly the right one: nothing would replace them, and no image is called so."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from cargoship.deploy.containers import images_of, values_in
from cargoship.deploy.documents import Format, ScannedFile
from cargoship.deploy.finding import json_texts
from cargoship.deploy.places import SCHEME
from cargoship.errors import ReferenceUnknown
from cargoship.events import Level, Note
from cargoship.printable import printable
from cargoship.suggest import nearest_word

_NAME = SCHEME.removesuffix("://")
_SEPARATOR = re.compile(r":(?:\\?/)+|(?:\\?/){2,}")
"""What may be written between the scheme and a name, with escapes as JSON has them."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_WORD_MAX = 2 * len(_NAME)
"""Characters before a separator that are looked at: a longer word is not near."""
_WANTED = re.compile(r"[\w./-]*")


def left_standing(found: ScannedFile) -> Iterator[Note]:
    """Refuse `CARGOSHIP://web` and `cargoship:/web` in a container's image, and warn of such a text elsewhere.

    Elsewhere it may be meant for somebody else, and one warning is enough for a file. Raises ReferenceUnknown with the
    place.
    """
    if next(_slips(found.page.text), None) is None:
        return
    texts = [(start, value) for start, value in _texts(found) if next(_slips(value), None) is not None]
    images = {image for value in (values_in(found) if texts else ()) for image in images_of(value)}
    for start, value in texts:
        if value in images:
            name = max((_WANTED.findall(value, slip.end())[0] for slip in _slips(value)), key=len)
            raise ReferenceUnknown(
                f"{found.page.place(start)}: {printable(value)} is no reference to a binary",
                hint=f"write {SCHEME}{name or 'BINARY'}",
            )
    for start, value in texts:
        # `cargoship:/data` is a volume of that name
        slip = next((each for each in _slips(value) if each[0] == "://"), None)
        if slip is not None:
            word = _word_before(value, slip)
            place = start if found.format is not Format.TEXT else slip.start() - len(word)
            yield Note(
                f"{found.page.place(place)}: {word}:// is left as it stands: references begin with {SCHEME}",
                Level.WARNING,
            )
            return


def _slips(text: str) -> Iterator[re.Match[str]]:
    """Separators behind a word that few slips make the scheme of; none behind the scheme itself."""
    for match in _SEPARATOR.finditer(text):
        if _is_near(_word_before(text, match).lower()) and not text.endswith(SCHEME, 0, match.end()):
            yield match


@functools.lru_cache(maxsize=1024)
def _is_near(word: str) -> bool:
    return bool(word) and nearest_word(word, (_NAME,)) is not None


def _word_before(text: str, separator: re.Match[str]) -> str:
    found = _WORD.search(text, max(0, separator.start() - _WORD_MAX), separator.start())
    return "" if found is None else found[0]


def _texts(found: ScannedFile) -> Iterator[tuple[int, str]]:
    """What the chosen documents of a file say as values, with where each begins; all of it for plain text."""
    text = found.page.text
    if found.format is Format.TEXT:
        yield 0, text
        return
    ends = [*(each.start for each in found.documents[1:]), len(text)]
    for document, chosen, end in zip(found.documents, found.chosen, ends, strict=True):
        if chosen and document.root is not None:
            yield from (
                (each.start + (each.style in {"'", '"'}), each.value) for each in document.root.scalars(every=True)
            )
        elif chosen and found.format is Format.JSON:
            yield from ((start + 1, value) for start, _, value in json_texts(text, document.start, end))
