"""The settings that say what is said of an image, and who signs it; `model` has the others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cargoship.settings import kinds
from cargoship.settings.build import BuildSettings
from cargoship.settings.spec import DESCRIPTION, SettingScope, setting

_FROM_ENVIRONMENT = "env://"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMATS = ("bundle", "cosign-2")


def parse_signer(text: str) -> str:
    """Check what signs: `keyless`, `env://NAME`, or the path of a key; raises ValueError."""
    if not text:
        raise ValueError("must not be empty: a key's path, env://NAME, or keyless")
    if text.lstrip().startswith("-----BEGIN"):
        # a key in a file that others read; and it is not repeated here
        raise ValueError("must name a key, not be one: write env://NAME, and put it into that variable")
    name = text.removeprefix(_FROM_ENVIRONMENT)
    if name != text and not _VARIABLE.fullmatch(name):
        raise ValueError(f"{text!r} names no variable")
    if "://" in text and name == text:
        raise ValueError(f"{text!r} is no key that is known here: use a file, env://NAME, or keyless")
    return text


@dataclass(frozen=True)
class AttestSettings(BuildSettings):
    """Provenance and signatures."""

    provenance: bool = setting(
        kinds.FLAG,
        default=True,
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown="true",
        example="false",
        doc="Whether images in registries get a statement about their build: source, compilers, base, parameters, "
        "builder (SLSA, version 1). It does not change their digests. See [provenance.md](provenance.md).",
    )
    sign: str | None = setting(
        kinds.text(parse_signer, "a key"),
        None,
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown="none",
        example='"env://COSIGN_PRIVATE_KEY"',
        doc="Who signs what is pushed: the file of a private key (cosign's, or PKCS#8), from the folder that cargoship "
        "runs in; `env://NAME` for one in a variable; `keyless` for a CI job's own identity (with the extra `sign`). "
        "The password is in `COSIGN_PASSWORD`. See [signing.md](signing.md).",
    )
    signature_format: tuple[str, ...] = setting(
        kinds.texts(kinds.choice(*_FORMATS).parse, "formats", options=_FORMATS),
        ("bundle",),
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown='["bundle"]',
        example='["bundle", "cosign-2"]',
        doc="How signatures are attached: `bundle` as cosign 3 does and reads them, `cosign-2` as those before it do, "
        "under tags.",
    )
