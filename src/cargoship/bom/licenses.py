"""Licences as SPDX expressions (SPDX specification 2.3, annex D), out of what manifests say.

cargo does not look at them: older manifests have `MIT/Apache-2.0`, some have names that nobody knows.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from license_expression import LicenseExpression, Licensing  # type: ignore[import-untyped]

_EXPRESSION_MAX = 1000
_WORD = re.compile(r"[\w.+-]+")
_WITH_PLUS = re.compile(r"([\w.-]+)\+(?=[\s)]|\Z)")
_SAYS_WHICH = re.compile(r"-(?:only|or-later)\Z", re.IGNORECASE)
_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
"""A licence that SPDX does not list, by a name of somebody's own (annex D.2, "license-ref")."""
_WITH_EXCEPTION = {
    name.casefold(): expression
    for name, expression in (
        ("GPL-2.0-with-autoconf-exception", "GPL-2.0-only WITH Autoconf-exception-2.0"),
        ("GPL-2.0-with-bison-exception", "GPL-2.0-only WITH Bison-exception-2.2"),
        ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("GPL-2.0-with-font-exception", "GPL-2.0-only WITH Font-exception-2.0"),
        ("GPL-2.0-with-GCC-exception", "GPL-2.0-only WITH GCC-exception-2.0"),
        ("GPL-3.0-with-autoconf-exception", "GPL-3.0-only WITH Autoconf-exception-3.0"),
        ("GPL-3.0-with-GCC-exception", "GPL-3.0-only WITH GCC-exception-3.1"),
    )
}
"""Names that SPDX has given up for expressions (https://spdx.org/licenses, "Deprecated License Identifiers"): by a name
of its own, a licence would not be known for one of the GPL."""


@cache
def expression_of(said: str) -> str:
    """The SPDX expression that a manifest means, written as SPDX does; empty where it is none."""
    found = parsed_expression(said)
    return "" if found is None else str(found)


@cache
def parsed_expression(said: str) -> LicenseExpression | None:
    """The same as a tree of licences; None where it is none."""
    text = said.strip()
    if not text or len(text) > _EXPRESSION_MAX:
        return None
    # cargo's manual, "The license and license-file fields": a slash used to mean OR
    text = " OR ".join(part.strip() for part in text.split("/"))
    text = _WORD.sub(lambda found: _WITH_EXCEPTION.get(found[0].casefold(), found[0]), text)
    from license_expression import ExpressionError, ExpressionParseError  # noqa: PLC0415 - half a second of licences

    text = _WITH_PLUS.sub(lambda found: _or_later(found[1]) or found[0], text)
    try:
        # strict: an exception is no licence, and a licence no exception
        found = _spdx().parse(text, strict=True)
        unknown = _spdx().unknown_license_keys(found)
    except (ExpressionError, ExpressionParseError, AttributeError, TypeError, RecursionError):
        return None
    return found if all(_OWN.fullmatch(name) or _or_later(name.removesuffix("+")) == name for name in unknown) else None


@cache
def _or_later(name: str) -> str | None:
    """`MPL-2.0+` for `MPL-2.0`: this version or a later one (annex D.2, "simple-expression"), written as SPDX does.

    None for what SPDX has another word for (`GPL-2.0+`), and for what is no licence.
    """
    if _spdx().validate(f"{name}+").errors == [] or _SAYS_WHICH.search(name):
        return None
    found = _spdx().validate(name, strict=True)
    return None if found.errors else f"{found.normalized_expression}+"


def has_plus(expression: str) -> bool:
    """Whether an expression has a `+` behind a licence, which some readers of SPDX 2.3 take for another name."""
    return "+" in expression


def own_licenses(expression: str) -> list[str]:
    """The licences of an expression that SPDX does not list, such as LicenseRef-Acme."""
    return sorted(set(_OWN.findall(expression)))


def is_own(expression: str) -> bool:
    """Whether an expression names no licence but such, as that of a project that is nobody else's."""
    left = _OWN.sub("", expression)
    return left != expression and not re.sub(r"\b(?:AND|OR)\b|[()\s]", "", left)


@cache
def _spdx() -> Licensing:
    from license_expression import get_spdx_licensing  # noqa: PLC0415 - see above

    return get_spdx_licensing()
