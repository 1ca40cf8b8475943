"""A registry's refusals, as cargoship's errors: what was asked, the registry's own words, what to do next. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from msgspec import Struct

from cargoship.errors import Forbidden, RegistryError, RegistryRefused, Unauthorized

ERROR_BODY_BYTES = 64 * 1024
_TEXT_CHARACTERS = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_SERVER_ERROR = 500
_UNKNOWN = (400, 404)
_UNKNOWN_WORDS = ("blob_unknown", "blob unknown", "unknown blob", "manifest_unknown", "manifest unknown")
_TELLING = ("reason", "message", "error", "description")
"""Of a detail with names: what is written for people; others repeat the request."""
_DETAIL_CHARACTERS = 160
"""What is longer repeats the specification."""
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


class ContentUnknown(RegistryRefused):
    """A manifest names what the registry says it does not have: true, or not true yet of what was sent just now."""


class Refusal(Struct, frozen=True):
    """A registry's error answer: its status and, where it gave them, its own code and message."""

    status: int
    code: str = ""
    message: str = ""

    @classmethod
    def parse(cls, status: int, body: bytes) -> Refusal:
        """Read distribution-spec's error format, OAuth's, or a line of plain text; never fails."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            text = body.decode("utf-8", "replace")
            return cls(status, message="" if "<" in text else clean(text))
        if not isinstance(document, Mapping):
            return cls(status)
        errors = document.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
            first = errors[0]
            return cls(status, clean(first.get("code")), _message(first))
        code = document.get("error") if isinstance(document.get("error"), str) else ""
        words = document.get("details") or document.get("message") or document.get("error_description")
        return cls(status, clean(code), clean(words))

    def __str__(self) -> str:
        """Such as `TAG_INVALID: the tag is immutable (HTTP 400)`."""
        words = ": ".join(part for part in (self.code, self.message) if part)
        return f"{words} (HTTP {self.status})" if words else f"HTTP {self.status}"

    def mentions(self, *words: str) -> bool:
        """Whether the registry's code or message contains one of these (lower-case) words."""
        text = f"{self.code} {self.message}".lower()
        return any(word in text for word in words)


def warnings(header: str) -> tuple[str, ...]:
    """The texts of a Warning header (distribution-spec, "Warnings": 299 from nobody in particular; others are none)."""
    return tuple(clean(re.sub(r"\\(.)", r"\1", text)) for text in _WARNING.findall(header))


def clean(text: object) -> str:
    """Foreign text for a terminal: one line, printable, bounded; empty for what is no text."""
    if not isinstance(text, str):
        return ""
    flat = " ".join(text.split())
    printable = "".join(character for character in flat if character.isprintable())
    return printable if len(printable) <= _TEXT_CHARACTERS else printable[:_TEXT_CHARACTERS] + "..."


def _message(error: Mapping[str, object]) -> str:
    """What is said of an error: some put into the detail alone what is wrong (Nexus, Quay, zot)."""
    message, detail = clean(error.get("message")), error.get("detail")
    if isinstance(detail, Mapping):
        found = (text for name in _TELLING if isinstance(text := detail.get(name), str))
        detail = next((text for text in found if len(text) <= _DETAIL_CHARACTERS), "")
    more = clean(detail)
    if not more or more.lower() in message.lower():
        return message
    return f"{message}: {more}" if message else more


def refused(
    refusal: Refusal, *, registry: str, asked: str, credentials: str | None, lacking: bool = False
) -> RegistryError:
    """The error for an answer that is not the one that was hoped for.

    `asked` is what was asked for, as in "the upload of ..."; `credentials` says where those that were sent came
    from, None when none were. `lacking` says that they are good, but not for this: many registries tell that by a 401
    whose challenge speaks of an insufficient scope (RFC 6750 section 3.1).
    """
    said = f"{registry} refused {asked}: {refusal}"
    if refusal.status == _UNAUTHORIZED and lacking and credentials is not None:
        return Forbidden(said, hint=_rights_hint(registry, credentials))
    # an identity token that has ended is refused with 400 (RFC 6749 section 5.2)
    if refusal.status == _UNAUTHORIZED or refusal.code == "invalid_grant":
        return Unauthorized(said, hint=_login_hint(registry, credentials))
    if refusal.status == _FORBIDDEN and _hint_by_word(refusal) in {None, ABSENT}:
        return Forbidden(said, hint=_rights_hint(registry, credentials))
    kind = ContentUnknown if refusal.status in _UNKNOWN and refusal.mentions(*_UNKNOWN_WORDS) else RegistryRefused
    return kind(said, hint=_hint(refusal))


def _login_hint(registry: str, credentials: str | None) -> str:
    if credentials is None:
        ways = f"`cargoship login {registry}` or `docker login {registry}`"
        return f"no credentials for {registry} were found: log in with {ways}"
    return f"{registry} does not accept the credentials from {credentials}: log in again"


def _rights_hint(registry: str, credentials: str | None) -> str:
    if credentials is None:
        return f"no credentials for {registry} were found, and without any it does not allow this"
    return f"the credentials from {credentials} may not do this: check the repository's name and its rights"


def _hint_by_word(refusal: Refusal) -> str | None:
    return next((hint for words, hint in _HINTS_BY_WORD if refusal.mentions(*words)), None)


def _hint(refusal: Refusal) -> str | None:
    if (hint := _hint_by_word(refusal)) is not None:
        return hint
    if refusal.status >= _SERVER_ERROR:
        return "the registry has trouble of its own: try again later"
    return _HINTS_BY_STATUS.get(refusal.status)


ABSENT = "there is no such image: check the repository's name, and the tag"
NO_REPOSITORY = "check the repository's name; some registries want it to be created before the first push"
OTHER_KINDS = "it takes no manifests of this kind: some registries have those of OCI alone, and none of Docker (zot)"
IMMOVABLE = "that tag may not be moved: push under another one"
_HINTS_BY_WORD = (
    (
        ("name_unknown", "does not exist in the registry", "repositorynotfound"),
        "that repository does not exist, and some registries want it to be created before the first push: create it",
    ),
    # Artifact Registry speaks of immutability, Nexus of assets, Artifactory of rights to overwrite
    (
        ("immutab", "cannot be overwritten", "tagalreadyexists", "not allow updating", "to overwrite", "/overwrite"),
        IMMOVABLE,
    ),
    # Artifactory, of somebody who may write and not overwrite (GoogleContainerTools/kaniko#1095)
    (
        ("http 403 forbidden",),
        "the credentials may not do that; if the tag is there already, they may not overwrite it: push under another",
    ),
    # zot, of what a tag stood for before
    (
        ("changing manifest media-type",),
        "that tag stands for something of another kind there, and may not change it: push under another one",
    ),
    (
        ("to a proxy project",),
        "that project is a cache of another registry, into which nothing is pushed: name another project",
    ),
    (("operation is disallowed",), "the registry, the repository or the tag is locked there"),
    # Harbor's words are of a "configured upper limit"
    (
        ("quota", "storage limit", "upper limit"),
        "the registry's storage is used up: delete old images or raise its limit",
    ),
    (("manifest_unknown", "manifest unknown"), ABSENT),
)
_HINTS_BY_STATUS = {
    404: NO_REPOSITORY,
    407: "a proxy wants to know who asks: put a user and a password into its address, as http://USER:PASSWORD@HOST",
    415: OTHER_KINDS,
    413: "a blob is larger than the registry, or a proxy before it, allows",
    429: "the registry's rate limit is used up: wait, or log in for a higher one",
}
