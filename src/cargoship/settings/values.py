"""Values that settings hold, each parsed from text by a function that raises ValueError saying what is wrong."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from msgspec import Struct

from cargoship.bom.formats import SbomFormat
from cargoship.debian.suites import DebianSpec
from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.reference import Reference
from cargoship.settings import trust
from cargoship.settings.base import parse_base_spec
from cargoship.settings.cache import StoreSpec, size_of

_USER_PART = re.compile(r"[0-9]+|[A-Za-z_][A-Za-z0-9_-]*\$?")
_ID_MAX = 4294967294
_PORT_MAX = 65535
_PROTOCOLS = ("tcp", "udp", "sctp")
_CONTACT = re.compile(r"[^\s@<>()\"',;:/]{1,64}@[A-Za-z0-9.-]{1,253}|https?://[^\s@<>\"']{1,2000}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SIGNALS = frozenset(
    {
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "KILL",
        "PIPE",
        "PROF",
        "PWR",
        "QUIT",
        "SEGV",
        "STKFLT",
        "STOP",
        "SYS",
        "TERM",
        "TRAP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "USR1",
        "USR2",
        "VTALRM",
        "WINCH",
        "XCPU",
        "XFSZ",
    }
)
_REALTIME = re.compile(r"RTM(?:IN(?:\+(?:[1-9]|1[0-5]))?|AX(?:-(?:[1-9]|1[0-4]))?)")
_SIGNAL_MAX = 64
_DURATION = re.compile(r"(?:(?P<h>[0-9]+)h)?(?:(?P<m>[0-9]+)m)?(?:(?P<s>[0-9]+(?:\.[0-9]+)?)s)?(?:(?P<ms>[0-9]+)ms)?")
_ARCHIVE_MODE_MAX = 0o7777
_PATH_BYTES_MAX = 4095
_NAME_BYTES_MAX = 255
"""PATH_MAX of Linux, without the NUL at its end, and NAME_MAX."""
_TIME_NS_MAX = (1 << 63) - 1
"""Of Go's time.Duration, which engines read a health check's times as."""


class Include(Struct, frozen=True):
    """Files of the project that go into the image.

    `source` is a path or glob from the package's folder; `to` an absolute path in the image, a folder where it ends
    in "/" or `source` is a glob. `mode` None: 0644, or 0755 for what its owner may execute. `uid`, `gid`: the owner.
    """

    source: str
    to: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0


def parse_user(text: str) -> str:
    """Check `name`, `uid`, `name:group` or `uid:gid`."""
    parts = text.split(":")
    if len(parts) > 2 or not all(_USER_PART.fullmatch(part) for part in parts):  # noqa: PLR2004 - user and group
        raise ValueError(f"{text!r} is not a user: write a name or number, with :group after it if wanted")
    for part in parts:
        if part.isdigit() and int(part) > _ID_MAX:
            raise ValueError(f"{part} is too large for a user or group")
    return text


def parse_port(text: str) -> str:
    """Check `8080` or `53/udp`; the answer always names the protocol, and ranges are not allowed."""
    number, slash, protocol = text.partition("/")
    if not (number.isascii() and number.isdigit() and 0 < int(number) <= _PORT_MAX):
        raise ValueError(f"{text!r} is not a port: write a number from 1 to {_PORT_MAX}, with /udp after it for UDP")
    if slash and protocol not in _PROTOCOLS:
        raise ValueError(f"{protocol!r} is not a protocol: use {', '.join(_PROTOCOLS)}")
    return f"{int(number)}/{protocol or 'tcp'}"


def parse_signal(text: str) -> str:
    """Check a Linux signal: `SIGTERM`, `TERM` or a number; names come back with SIG before them."""
    if text.isascii() and text.isdigit():
        if 0 < int(text) <= _SIGNAL_MAX:
            return str(int(text))
        raise ValueError(f"{text} is not a signal: numbers go from 1 to {_SIGNAL_MAX}")
    name = text.upper().removeprefix("SIG")
    if name in _SIGNALS or _REALTIME.fullmatch(name):
        return "SIG" + name
    raise ValueError(f"{text!r} is not a signal that Linux has, such as SIGTERM or SIGINT")


def parse_variable(text: str) -> str:
    """Check the name of an environment variable."""
    if not _VARIABLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a name for an environment variable")
    return text


def parse_container_path(text: str) -> str:
    """Check an absolute path inside the image; a trailing slash is kept, for it means a folder."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} must be an absolute path, starting with /")
    if "\0" in text or "\n" in text:
        raise ValueError(f"{text!r} has characters that a path must not have")
    if ".." in text.split("/"):
        raise ValueError(f"{text!r} must not contain ..")
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in text.split("/")]
    if max(sizes) > _NAME_BYTES_MAX or sum(sizes) + len(sizes) > _PATH_BYTES_MAX:
        raise ValueError(f"'{text[:60]}...' is longer than a path can be: {_NAME_BYTES_MAX} bytes for each name in it")
    clean = "/" + "/".join(part for part in PurePosixPath(text).parts if part.strip("/"))
    return clean + "/" if text.endswith("/") and clean != "/" else clean


def parse_folder(text: str) -> str:
    """Check an absolute path inside the image that is a folder in any case."""
    return parse_container_path(text).rstrip("/") or "/"


def parse_mode(value: object) -> int:
    """Check a file mode in octal digits: "0644", "755"."""
    text = value if isinstance(value, str) else ""
    digits = text.removeprefix("0o")
    if not re.fullmatch(r"[0-7]{3,5}", digits) or int(digits, 8) > _ARCHIVE_MODE_MAX:
        raise ValueError(f'{value!r} is not a file mode: write octal digits in quotes, such as "0644"')
    return int(digits, 8)


def parse_owner(text: str) -> tuple[int, int]:
    """Check `uid`, `uid:gid`, `root` or `nonroot`."""
    known = {"root": (0, 0), "nonroot": (65532, 65532)}
    if text in known:
        return known[text]
    first, colon, second = text.partition(":")
    numbers = (first, second if colon else first)
    if not all(part.isascii() and part.isdigit() and int(part) <= _ID_MAX for part in numbers):
        raise ValueError(f"{text!r} is not an owner: write uid:gid, root or nonroot")
    return int(numbers[0]), int(numbers[1])


def parse_duration_ns(text: str) -> int:
    """Check a length of time such as `30s`, `1m30s` or `500ms`."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f'{text!r} is not a length of time: write it as "30s", "1m30s" or "500ms"')
    hours, minutes, seconds, millis = (match[name] or "0" for name in ("h", "m", "s", "ms"))
    whole, _, fraction = seconds.partition(".")
    nanos = int((fraction + "0" * 9)[:9])
    time_ns = (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 10**9 + nanos + int(millis) * 10**6
    if time_ns > _TIME_NS_MAX:
        raise ValueError(f"{text!r} is longer than engines count")
    return time_ns


def parse_base(text: str) -> str:
    """Check a base, see `settings.base`; a release of Debian comes back by its code name."""
    spec = parse_base_spec(text)
    return str(spec) if isinstance(spec, DebianSpec) else text


def parse_store(text: str) -> str:
    """Check where units are kept: `dir:PATH`, `registry:HOST/REPOSITORY:TAG`, `s3://BUCKET/PREFIX`."""
    return str(StoreSpec.parse(text))


def trusted_text(text: str) -> str:
    """Check whose units are taken: a public key, `env://NAME`, `IDENTITY by ISSUER`."""
    trust.parse_trusted(text)
    return text


def parse_sbom(text: str) -> SbomFormat:
    """Check the format of an SBOM: `cyclonedx`, `spdx`, ..."""
    try:
        return SbomFormat(text)
    except ValueError:
        formats = [each.value for each in SbomFormat]
        raise ValueError(f"{text!r} is not one of {', '.join(formats)}") from None


def parse_contact(text: str) -> str:
    """Check a mail address or the URL of a page."""
    if _CONTACT.fullmatch(text) is None:
        raise ValueError(f"{text!r} is neither a mail address nor a URL that begins with https://")
    return text


def parse_size(text: str) -> str:
    """Check a number of bytes, such as `10GiB`."""
    size_of(text)
    return text


def parse_debian_package(text: str) -> str:
    """Check what is asked of Debian: `libpq5`, or `libpq5=15.13-0+deb12u1`."""
    from cargoship.debian.relations import parse_request

    try:
        parse_request(text)
    except ContentInvalid as error:
        raise ValueError(error.message) from error
    return text


def parse_mirror(text: str) -> str:
    """Check the address of a mirror of Debian."""
    if not re.fullmatch(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?", text):
        raise ValueError(f"{text!r} is not the address of a mirror, such as https://deb.debian.org")
    return text.rstrip("/")


def repository(text: str) -> str:
    """Check a registry with the beginning of a repository, such as `ghcr.io/me`."""
    plain = text.rstrip("/")
    try:
        found = Reference.parse(plain.replace("{name}", "name"))
    except UsageError as error:
        raise ValueError(error.message) from error
    if found.tag or found.digest:
        raise ValueError(f"{text!r} has a tag or digest, and is the beginning of a name")
    return plain


def parse_image_name(text: str) -> str:
    """Check the name of an image, as it appears in a repository."""
    if not re.fullmatch(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", text):
        raise ValueError(f"{text!r} is not a name for an image: lower-case letters, digits, and . _ - between them")
    return text
