"""Which licences a project takes from others: lists of the settings, held against SPDX expressions.

SPDX specification 2.3, annex D: of `A OR B` one has to do, of `A AND B` both. An exception (`WITH`) gives more rights
than the licence alone, so a licence that is allowed is allowed with any; one that is denied is denied with any that is
not allowed by name. `-or-later`, and `+`, leave the choice of a later version of the same licence.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from license_expression import LicenseExpression  # type: ignore[import-untyped]

    from cargoship.bom.crates import Crate

_VERSIONED = re.compile(r"(?P<family>.+?)-(?P<version>\d+(?:\.\d+)*)(?P<how>-only|-or-later|\+)?")
_WITH = " WITH "


class LicensePolicy(Struct, frozen=True):
    """What is allowed, what is denied, and the crates that need not ask, each with the reason why."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """By NAME or NAME@VERSION."""

    @property
    def is_said(self) -> bool:
        """Whether there is anything to hold a licence against."""
        return bool(self.allow or self.deny)

    def excuse(self, crate: Crate) -> str | None:
        """The name of the exception that a crate has, if any."""
        names = (f"{crate.name}@{crate.version.partition('+')[0]}", f"{crate.name}@{crate.version}", crate.name)
        return next((name for name in names if name in self.exceptions), None)

    def objection(self, crate: Crate) -> str | None:
        """Why a crate is refused; None where it is not.

        A crate of the project without a licence, or with one of its own, is nobody else's.
        """
        if not self.is_said or self.excuse(crate) is not None:
            return None
        if not crate.license:
            return None if crate.is_local else _unknown(crate)
        from cargoship.bom.licenses import is_own, parsed_expression

        if crate.is_local and is_own(crate.license):
            return None
        wrong = list(dict.fromkeys(self._wrong(parsed_expression(crate.license))))
        if not wrong:
            return None
        said = " and ".join(wrong)
        return said if [crate.license] == [each.partition(" is ")[0] for each in wrong] else f"{crate.license}: {said}"

    def _wrong(self, expression: LicenseExpression) -> Iterator[str]:
        """What keeps an expression from being met; nothing where it is."""
        if expression.isliteral:
            yield from self._objections(str(expression))
            return
        parts = [list(self._wrong(each)) for each in expression.args]
        if expression.operator.strip() == "OR" and not all(parts):
            return
        for each in parts:
            yield from each

    def _objections(self, term: str) -> Iterator[str]:
        named = _WITH in term and any(_matches(entry, term) for entry in self.allow if _WITH in entry)
        if not named and any(_denies(entry, term) for entry in self.deny):
            yield f"{term} is denied"
        elif self.allow and not any(_allows(entry, term) for entry in self.allow):
            yield f"{term} is not allowed"


def license_reason(text: str) -> str:
    """Why a crate may have its licence all the same; raises ValueError for no words."""
    if not any(each.isalnum() for each in text):
        raise ValueError("needs a reason: who has looked at the licence, and what for")
    return text.strip()


def license_entry(text: str) -> str:
    """One licence of a list, as SPDX writes it: `MIT`, `Apache-2.0 WITH LLVM-exception`, or a pattern such as `GPL-*`.

    Raises ValueError.
    """
    text = text.strip()
    if "*" in text:
        return text
    from cargoship.bom.licenses import parsed_expression

    expression = parsed_expression(text)
    if expression is None:
        raise ValueError(f"{text!r} is no SPDX licence (https://spdx.org/licenses), nor a pattern such as GPL-*")
    if not expression.isliteral:
        raise ValueError(f"{text!r} is an expression: list each licence of it by itself")
    return str(expression)


def _unknown(crate: Crate) -> str:
    if crate.license_text:
        return f"what it says of its licence is no SPDX expression: {crate.license_text}"
    return "it says nothing of a licence"


def _matches(entry: str, term: str) -> bool:
    return fnmatch.fnmatchcase(term.casefold(), entry.casefold())


def _allows(entry: str, term: str) -> bool:
    """Whether what is allowed covers a licence."""
    alone = term.partition(_WITH)[0] if _WITH not in entry else term
    if _matches(entry, alone):
        return True
    one, other = _version(entry), _version(alone)
    if one is None or other is None or one.family != other.family:
        return False
    # either leaves the choice of the other's version
    return (one.is_open and other.number >= one.number) or (other.is_open and one.number >= other.number)


def _denies(entry: str, term: str) -> bool:
    """Whether what is denied covers a licence."""
    alone = term.partition(_WITH)[0] if _WITH not in entry else term
    if _matches(entry, alone):
        return True
    one, other = _version(entry), _version(alone)
    if one is None or other is None or one.family != other.family:
        return False
    return other.number == one.number or (one.is_open and other.number > one.number)


class _Version(Struct, frozen=True):
    family: str
    number: tuple[int, ...]
    is_open: bool
    """Whether later versions will do as well."""


@cache
def _version(term: str) -> _Version | None:
    """The parts of a name such as `LGPL-2.1-or-later` or `MPL-2.0+`; None for one without them, or a pattern.

    Of others, such as Apache-2.0, each version is a licence of its own, as with `-only`.
    """
    found = _VERSIONED.fullmatch(term)
    if found is None:
        return None
    number = tuple(int(each) for each in found["version"].split("."))
    return _Version(found["family"].casefold(), number, found["how"] in {"-or-later", "+"})


def unused(policy: LicensePolicy, crates: Iterable[Crate]) -> list[str]:
    """Exceptions that no crate has."""
    used = {policy.excuse(crate) for crate in crates}
    return sorted(name for name in policy.exceptions if name not in used)
