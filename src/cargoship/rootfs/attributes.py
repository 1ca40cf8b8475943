"""Extended attributes (xattr(7)) that Linux refuses to set, and with them the layer that has them. Pure.

Engines pass over attributes that a file system does not know (ENOTSUP), and end with any other error.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAME_BYTES_MAX = 255
_VALUE_BYTES_MAX = 1 << 16
"""XATTR_NAME_MAX and XATTR_SIZE_MAX (linux/limits.h)."""
_FAMILIES = frozenset({"user.", "trusted.", "security."})
_CAPABILITY = "security.capability"
_CAPABILITY_BYTES = {2: 20, 3: 24}
"""By revision (linux/capability.h); the first one is not taken any more."""
_EFFECTIVE = 1
_LISTS = frozenset({"system.posix_acl_access", "system.posix_acl_default"})
_LIST_VERSION = 2
_LIST_ENTRY_BYTES = 8


def refused_attribute(attributes: Mapping[str, str]) -> str | None:
    """The first of an entry's attributes that cannot be set, with the reason; None where all can."""
    for name, text in attributes.items():
        # an empty value takes a record of a header for all entries back (pax(1))
        if text and (why := _objection(name, text.encode("utf-8", "surrogateescape"))) is not None:
            return f"{name[:_NAME_BYTES_MAX]!r} {why}"
    return None


def _objection(name: str, value: bytes) -> str | None:
    if not name or name in _FAMILIES:
        return "that has no name"
    if len(name.encode("utf-8", "surrogateescape")) > _NAME_BYTES_MAX:
        return f"whose name has more than {_NAME_BYTES_MAX} bytes"
    if len(value) > _VALUE_BYTES_MAX:
        return f"with more than {_VALUE_BYTES_MAX} bytes"
    if name == _CAPABILITY and not _is_capability(value):
        return "that is no set of capabilities"
    if name in _LISTS and not _is_list(value):
        return "that is no list of rights"
    return None


def _is_capability(value: bytes) -> bool:
    """See cap_convert_nscap in security/commoncap.c."""
    magic = int.from_bytes(value[:4], "little")
    revision, flags = magic >> 24, magic & 0xFFFFFF
    return len(value) == _CAPABILITY_BYTES.get(revision) and flags in {0, _EFFECTIVE}


def _is_list(value: bytes) -> bool:
    """See posix_acl_from_xattr in fs/posix_acl.c."""
    header, entries = value[:4], len(value) - 4
    return int.from_bytes(header, "little") == _LIST_VERSION and entries >= 0 and not entries % _LIST_ENTRY_BYTES
