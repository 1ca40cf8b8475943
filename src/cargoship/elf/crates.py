"""Which crate, or which source file in C, a symbol of a program comes from: by its name, and by what lies beside it.

Names of Rust are mangled in one of two ways. Symbol mangling v0 (https://doc.rust-lang.org/rustc/symbol-mangling/v0.html)
says the crate plainly. The legacy one is C++'s with rustc's own escapes, and says the module: an implementation is of
the crate of its type or of its trait, and where one of them is the standard library's, of the other.
"""

from __future__ import annotations

import re

_ROOT = re.compile(r"C(?:s[0-9A-Za-z]*_)?(?P<length>\d+)_?")
_V0 = re.compile(r"_?_R\d*")
_BACK = re.compile(r"B(?P<number>[0-9A-Za-z]*)_")
_DISAMBIGUATOR = re.compile(r"s[0-9A-Za-z]*_")
_LIFETIME = re.compile(r"L[0-9A-Za-z]*_")
_TAGS = frozenset("IYRQPOSATFD")
_HOPS_MAX = 64
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LEGACY = re.compile(r"_?_ZN(?P<path>.+)17h[0-9a-f]{16}E")
_LENGTH = re.compile(r"\d+")
_ESCAPES = {"$LT$": "<", "$GT$": ">", "$u20$": " ", "$RF$": "&", "$BP$": "*", "$C$": ",", "$LP$": "(", "$RP$": ")"}
_ESCAPE = re.compile("|".join(map(re.escape, _ESCAPES)))
_CRATE = re.compile(r"(?<![\w.$:])([A-Za-z_]\w*)(?=::)")
_STANDARD = frozenset({"core", "alloc", "std"})

_CODEGEN_UNIT = re.compile(r"(?P<crate>[A-Za-z_]\w*)\.[0-9a-z]+-cgu\.\d+(?:\.rcgu\.o)?")
_SOURCE = re.compile(r"[^/\\]+\.(?:c|cc|cpp|cxx|C|S|s|asm|lto)", re.IGNORECASE)


def crate_of_symbol(name: str) -> str | None:
    """The crate of a mangled name, with the underscores that crates have in code; None for what is not Rust's."""
    if (v0 := _V0.match(name)) is not None:
        return _v0_crate(name, v0.end())
    if (legacy := _LEGACY.match(name)) is not None:
        return _legacy_crate(legacy["path"])
    return None


def source_of_file_symbol(name: str) -> tuple[str, bool] | None:
    """What a symbol of the kind FILE says: a crate, or a source file (and then True); None where it says nothing."""
    if (unit := _CODEGEN_UNIT.fullmatch(name)) is not None:
        return unit["crate"], False
    if _SOURCE.fullmatch(name) is not None:
        return name, True
    return None


def _v0_crate(name: str, start: int) -> str | None:
    """Follow tags to the first crate's root: no identifier comes before it."""
    at = start
    for _ in range(_HOPS_MAX):
        root = _ROOT.match(name, at)
        if root is not None:
            return name[root.end() : root.end() + int(root["length"][:4])] or None
        after = _after_tag(name, at, start)
        if after is None:
            return None
        at = after
    return None


def _after_tag(name: str, at: int, start: int) -> int | None:
    """Where what a tag is for begins; None where the tag is none that leads to a crate."""
    tag = name[at : at + 1]
    if tag == "B":
        back = _BACK.match(name, at)
        target = -1 if back is None else start + _number(back["number"])
        return target if start <= target < at else None
    if tag == "L":
        lifetime = _LIFETIME.match(name, at)
        return None if lifetime is None else lifetime.end()
    if tag and tag in "MX":
        # an implementation has a number
        disambiguator = _DISAMBIGUATOR.match(name, at + 1)
        return at + 1 if disambiguator is None else disambiguator.end()
    if tag == "N":
        return at + 2
    # a basic type is of no crate: what a trait's method is for
    return at + 1 if tag in _TAGS or tag.islower() else None


def _number(text: str) -> int:
    """A number to the base of 62, as v0 has it; a little more than none is the number after the empty one."""
    if not text or len(text) > 8:  # noqa: PLR2004 - no name is that long
        return 0 if not text else -1
    value = 0
    for digit in text:
        value = value * len(_DIGITS) + _DIGITS.index(digit)
    return value + 1


def _legacy_crate(path: str) -> str | None:
    length = _LENGTH.match(path)
    if length is None:
        return None
    first = path[length.end() : length.end() + int(length[0][:6])]
    if "$" not in first and ".." not in first:
        return first or None
    plain = _ESCAPE.sub(lambda found: _ESCAPES[found[0]], first).replace("..", "::").removeprefix("_")
    of_type, _, of_trait = plain.partition(" as ")
    crates = [found[1] for part in (of_type, of_trait) if (found := _CRATE.search(part)) is not None]
    return next((crate for crate in crates if crate not in _STANDARD), crates[0] if crates else "core")
