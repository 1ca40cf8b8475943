"""Honest input, changed as somebody would who means harm: by its structure, not byte by byte alone."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

NASTY = (
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\x1b[31m",
    "\x1b]0;x\x07",
    "\x9b2J",
    "\x7f",
    "\ud800",
    "\udcff",
    "\ufeff",
    "\u202eabc",
    "\u2028",
    "\u200b",
    "é",
    "e\u0301",
    "ﬀ",
    "٣",
    "\U0001d7d7",
    "İ",
    "ß",
    "🚢",
    "..",
    "../x",
    "../../../../etc/passwd",
    "/",
    "//",
    "/etc/passwd",
    "./",
    "a/../b",
    "-",
    "--",
    "-v",
    "--config=x",
    "-o/etc/x",
    "$(id)",
    "`id`",
    "${HOME}",
    "${{ github.token }}",
    "{{ x }}",
    "%s",
    "%n",
    "{0}",
    "\\",
    "\\\n",
    "'",
    '"',
    "'\"'",
    ";id",
    "|id",
    "&",
    "#",
    "*",
    "~",
    "~root",
    "null",
    "true",
    "NaN",
    "1e999",
    "-0",
    "0x10",
    "0777",
    "1_000",
    "9" * 400,
    "-1",
    "18446744073709551616",
    "sha256:",
    "sha256:" + "0" * 64,
    "sha256:" + "A" * 64,
    "sha512:" + "a" * 128,
    "latest",
    "localhost:5000/a",
    "a@b:c@d",
    "http://127.0.0.1/",
    "https://u:p@h/",
    "file:///etc/passwd",
    "x" * 300,
    "x/" * 200,
    "a" * 5000,
    "(" * 300,
    "[" * 300,
    "<<",
    "&a",
    "*a",
    "!!python/object:os.system",
    "cargoship://app",
    "CON",
    ".git",
    "..\\..\\x",
    "%2e%2e%2f",
    "[::1]",
    "[fe80::1%25eth0]",
    "1,1,1",
    "=",
    "==",
    ":",
    "::",
    ",",
    "\x85",
    "\x0b",
    "Infinity",
    "0 ",
    "+1",
    "1.5",
    "1e3",
)
NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    8,
    255,
    256,
    4095,
    65535,
    65536,
    1 << 31,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63),
    -(1 << 63) - 1,
    10**30,
    10**400,
    1.5,
    -0.0,
    1e300,
    float("nan"),
    float("inf"),
    float("-inf"),
)


class Chance(Random):
    """What is drawn, for one input: the same for the same seed, kind and number."""

    def word(self) -> str:
        """Something that programs trip over."""
        word = self.choice(NASTY)
        while self.random() < 0.2:
            word += self.choice(NASTY)[:60]
        return word

    def often(self, share: float = 0.5) -> bool:
        """True in that share of cases."""
        return self.random() < share

    def number(self) -> float:
        """A number at the edge of something."""
        return self.choice(NUMBERS)

    def few(self, most: int = 3) -> int:
        """1 more often than 2, and so on."""
        count = 1
        while count < most and self.random() < 0.4:
            count += 1
        return count

    def any_value(self, depth: int = 2) -> Any:  # noqa: ANN401 - that is the point
        """Any value that JSON or TOML may hold, where another was meant to be."""
        flat = (lambda: None, self.often, self.number, self.word, self.word, self.word)
        holders = (
            lambda: [self.any_value(depth - 1) for _ in range(self.randrange(3))],
            lambda: {self.word(): self.any_value(depth - 1) for _ in range(self.randrange(3))},
            self.deep,
        )
        return self.choice((*flat, *holders) if depth else flat)()

    def deep(self) -> Any:  # noqa: ANN401
        """Something inside of something, many times."""
        value: Any = self.word()
        for _ in range(self.choice((3, 40, 400))):
            value = [value] if self.often(0.7) else {"a": value}
        return value


def changed(value: T, chance: Chance) -> T:
    """A JSON-like value with one to three of its places changed; the value itself stays."""
    made = copy.deepcopy(value)
    for _ in range(chance.few()):
        places = list(_places(made))
        if not places:
            return made
        holder, key = chance.choice(places)
        _change(holder, key, chance)
    return made


def _places(value: Any) -> Any:  # noqa: ANN401
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _change(holder: Any, key: Any, chance: Chance) -> None:  # noqa: ANN401
    old = holder[key]
    match chance.randrange(10):
        case 0:
            del holder[key]
        case 1:
            holder[key] = None
        case 2 if isinstance(old, str):
            holder[key] = changed_text(old, chance)
        case 3 if isinstance(old, int | float):
            holder[key] = chance.number()
        case 4 if isinstance(holder, list):
            holder.extend(holder[:50] * chance.choice((1, 2, 20)))
        case 4 | 5 if isinstance(holder, dict):
            holder[chance.word()] = old
        case 6 if isinstance(old, str):
            holder[key] = chance.word()
        case 7:
            holder[key] = [old] if chance.often() else {"x": old}
        case _:
            holder[key] = chance.any_value()


def as_json(value: object, chance: Chance) -> bytes:
    """A document of it, which is now and then no good JSON."""
    text = json.dumps(value, ensure_ascii=chance.often(0.7), separators=(",", ":") if chance.often() else None)
    if chance.often(0.8):
        return text.encode("utf-8", "surrogatepass")
    match chance.randrange(8):
        case 0:
            text = "\ufeff" + text
        case 1:
            text = text[: chance.randrange(len(text) + 1)]
        case 2 if text.startswith("{") and len(text) > 2:
            # every key twice
            text = text[:-1] + "," + text[1:]
        case 3:
            text = '{"a":' * 3000 + text + "}" * 3000
        case 4:
            text = text + text
        case 5:
            text = changed_text(text, chance)
        case 6:
            return changed_bytes(text.encode("utf-8", "surrogatepass"), chance)
        case _:
            text = text.replace('"', '"\\ud800', 1)
    return text.encode("utf-8", "surrogatepass")


def changed_text(text: str, chance: Chance) -> str:
    """Words put in, lines twice, parts gone."""
    for _ in range(chance.few()):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 1, 2, 5, 20)))
        match chance.randrange(8):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + text[at:end] * chance.choice((2, 3, 50)) + text[end:]
            case 2:
                lines = text.split("\n")
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
                text = "\n".join(lines)
            case 3:
                text = text[:at]
            case 4:
                text = text[:at] + text[at:end].swapcase() + text[end:]
            case 5:
                text = text[:at] + chr(chance.randrange(256)) + text[end:]
            case _:
                text = text[:at] + chance.word() + text[end:]
    return text


def changed_bytes(data: bytes, chance: Chance, *, near: Sequence[int] = ()) -> bytes:
    """Numbers at edges, bits, parts gone or twice; `near` are places where the format has numbers."""
    made = bytearray(data)
    for _ in range(chance.few(5)):
        if not made:
            break
        at = chance.choice(near) if near and chance.often(0.7) else chance.randrange(len(made))
        match chance.randrange(9):
            case 0:
                made[at % len(made)] ^= 1 << chance.randrange(8)
            case 1:
                made[at % len(made)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x2F))
            case 2 | 3 | 4:
                form = chance.choice(("B", "<H", "<I", "<Q", ">H", ">I", ">Q"))
                bits = 8 * struct.calcsize(form)
                number = chance.choice(
                    (0, 1, 2, 255, 1 << 15, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62, len(made), -1)
                )
                piece = struct.pack(form, number % (1 << bits))
                made[at : at + len(piece)] = piece
            case 5:
                del made[at : at + chance.choice((1, 4, 60, 512))]
            case 6:
                piece = bytes(made[at : at + chance.choice((1, 8, 64, 512))])
                made[at:at] = piece * chance.choice((1, 2, 20))
            case 7:
                del made[at:]
            case _:
                made[at : at + 8] = bytes(8)
    return bytes(made)


def changed_file(data: bytes, chance: Chance) -> bytes:
    """Text as text now and then, anything else as bytes."""
    if chance.often(0.7):
        try:
            return changed_text(data.decode(), chance).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            pass
    return changed_bytes(data, chance)


class Sure(Chance):
    """No chance: what is made by it is as it should be."""

    def often(self, share: float = 0.5) -> bool:
        """Whether the usual is done: always."""
        del share
        return True


SURE = Sure(0)
