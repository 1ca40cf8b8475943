"""Text of unknown origin, made fit for terminals."""

from __future__ import annotations

import re

_STYLE = re.compile(r"(\x1b\[[0-9;:]*m|\x1b\]8;[^\x07\x1b]*(?:\x07|\x1b\\))")
"""Colours, and links (OSC 8): all that others may send to a terminal."""


_PLACE = re.compile(r"[^:]*(?::\d*)?|\[[0-9A-Fa-f:.%]*\](?::\d*)?")
"""A host, and perhaps a port."""
_USER = re.compile(r"(?i)\b((?:https?|ftp|socks[a-z0-9]*)://)[^/\s'\"<>]*@")


def without_passwords(text: str) -> str:
    """Text whose addresses say no more who asks there: a user of one may be a token, and a password is in many."""
    return _USER.sub(r"\1...@", text) if "@" in text else text


def without_user(url: str) -> str:
    """An address as others may see it: without its user and password, also where that has slashes in it."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = rest.partition("/")
    if not _PLACE.fullmatch(host.rpartition("@")[2]):
        # a password with a slash
        return scheme + mark + rest.rpartition("@")[2]
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def printable(text: str) -> str:
    """What is not printable becomes visible: a terminal would obey escape sequences."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def styled(text: str) -> str:
    """The same for lines that may have colours, links and tabs; nothing else of them is obeyed."""
    if text.isprintable():
        return text
    return "".join(
        part if number % 2 else "\n".join("\t".join(map(printable, line.split("\t"))) for line in part.split("\n"))
        for number, part in enumerate(_STYLE.split(text))
    )


def printable_json(text: str) -> str:
    """The same for a JSON document, which stays the same document."""
    if text.isprintable():
        return text
    return "\n".join(map(_json_line, text.split("\n")))


def _json_line(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else _units(each) for each in line)


def _units(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
