"""Which image brings the project's Rust, with its exact version."""

from __future__ import annotations

import re
from collections.abc import Callable

from cargoship.decoding import Undecodable, decode_toml
from cargoship.dockerfile.model import BuilderImage
from cargoship.errors import ManifestInvalid, UsageError

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_DATED = re.compile(r"(nightly|beta)-\d{4}-\d{2}-\d{2}")
_DEBIAN = "rust:{}-slim-bookworm"
_ALPINE = "rust:{}-alpine"
_OLDEST = (1, 67)
"""The first Rust that has an image on Debian 12; earlier ones stand on a Debian whose Python is too old."""


def choose_builder(
    *,
    image: str | None,
    rust: str | None,
    toolchain: tuple[str, str] | None,
    installed: Callable[[], str | None],
    alpine: bool,
) -> BuilderImage:
    """The official image of the Rust that the project is built with, or the one that was asked for.

    `rust` is a version that was asked for, `toolchain` the name and text of the project's toolchain file, `installed`
    finds the version of the Rust here (None: there is none). Raises UsageError where no exact version is known, and
    ManifestInvalid for a toolchain file that cannot be read.
    """
    file = None if toolchain is None else toolchain[0]
    if image is not None:
        if rust is not None:
            raise UsageError("--rust and --builder do not go together", hint="the builder's Rust is its own")
        return BuilderImage(image, toolchain_file=file)
    if rust is not None and not _VERSION.fullmatch(rust):
        raise UsageError(f"--rust {rust!r} is not a version", hint="such as --rust 1.96.0; or name an image: --builder")
    channel = _channel(*toolchain) if toolchain is not None else None
    tagged = _ALPINE if alpine else _DEBIAN
    _check_age(rust, channel)
    if channel is not None and channel != "stable":
        if _VERSION.fullmatch(channel):
            return BuilderImage(tagged.format(rust or channel), toolchain_file=file)
        if not _DATED.fullmatch(channel):
            raise UsageError(
                f"{file} names {channel}, which is another Rust every day",
                hint=f"pin it there, such as {channel}-2026-01-31, or name an image with --builder",
            )
        version = rust or installed()
        if version is None or not _VERSION.fullmatch(version):
            raise UsageError(
                f"{file} names {channel}, for which there is no official image",
                hint="--rust VERSION names the image whose rustup installs it; or name one with --builder",
            )
        return BuilderImage(tagged.format(version), toolchain_file=file)
    version = rust or installed()
    if version is None or not _VERSION.fullmatch(version):
        raise UsageError(
            f"there is no official image of Rust {version}" if version else "no Rust was found to pin",
            hint="name a version with --rust, such as --rust 1.96.0, or an image with --builder",
        )
    # a channel that moves is pinned to what it is now
    return BuilderImage(tagged.format(version), channel=version if channel == "stable" else None)


def _check_age(rust: str | None, channel: str | None) -> None:
    """Raise UsageError where the image would have to be of a Rust that there is none of."""
    version = rust or channel
    if version is not None and _VERSION.fullmatch(version) and tuple(map(int, version.split(".")[:2])) < _OLDEST:
        wayout = "" if rust else "--rust 1.96.0 names an image whose rustup installs it; or "
        raise UsageError(
            f"there is no official image of Rust {version} on Debian 12", hint=f"{wayout}name one with --builder"
        )


def _channel(name: str, text: str) -> str | None:
    """The channel of a toolchain file, in either of its two forms; None where it names a path."""
    if name == "rust-toolchain" and "[" not in text:
        channel: object = text.strip()
    else:
        try:
            parsed = decode_toml(text).get("toolchain")
        except Undecodable as error:
            raise ManifestInvalid(f"{name} cannot be read: {error}") from error
        channel = parsed.get("channel", "stable") if isinstance(parsed, dict) else "stable"
    if not isinstance(channel, str) or not channel:
        raise ManifestInvalid(f"{name} has no channel", hint='such as channel = "1.96.0"')
    # a channel may carry the host, as in 1.96.0-x86_64-unknown-linux-gnu
    found = re.match(rf"{_VERSION.pattern}(?![\w.])|{_DATED.pattern}|[a-z]+", channel)
    return found[0] if found else channel
