"""Commented settings for a Cargo.toml that has none; every byte that is there stays. Pure."""

from __future__ import annotations

import textwrap
from pathlib import Path

from cargoship.decoding import Undecodable, decode_toml
from cargoship.errors import ManifestInvalid, SettingsInvalid
from cargoship.settings.fields import BY_KEY

_SHOWN = ("tags", "platforms", "base", "expose", "env", "include", "user", "labels", "healthcheck")
"""What people set first, in the order in which they do."""
_COLUMNS = 100


def read_manifest(data: bytes, path: Path) -> str:
    """The text of a manifest that can have settings; raises ManifestInvalid, which names `path`."""
    try:
        text = data.decode()
        table = decode_toml(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestInvalid(
            f"{path}:{line} is no UTF-8", hint="save it as UTF-8: cargo reads nothing else"
        ) from error
    except Undecodable as error:
        raise ManifestInvalid(f"{path} is no TOML: {error}", hint="`cargo metadata` shows the place") from error
    if not table.keys() & {"package", "workspace"}:
        raise ManifestInvalid(f"{path} has neither [package] nor [workspace]", hint="`cargo init` makes a package")
    return text


def has_table(manifest: str, section: str) -> bool:
    """Whether `[package]` (or workspace) is there; the manifest is one that `read_manifest` has taken."""
    return section in decode_toml(manifest)


def has_settings(manifest: str, section: str) -> bool:
    """Whether `[package.metadata.cargoship]` (or workspace) is there; `read_manifest` has taken the manifest."""
    section_table = decode_toml(manifest).get(section, {})
    metadata = section_table.get("metadata", {}) if isinstance(section_table, dict) else {}
    return isinstance(metadata, dict) and "cargoship" in metadata


def with_settings(manifest: str, section: str, examples: dict[str, str]) -> str:
    """The manifest with a table of commented settings at its end.

    `examples` has what is known better than the documentation's own, by key, as TOML. Raises SettingsInvalid where the
    table cannot follow what is there.
    """
    newline = "\r\n" if "\r\n" in manifest else "\n"
    text = manifest if manifest.endswith("\n") or not manifest else manifest + newline
    added = newline.join(["", *_lines(section, examples), ""])
    wanted = decode_toml(manifest)
    try:
        wanted.setdefault(section, {}).setdefault("metadata", {})["cargoship"] = {}
        made = decode_toml(text + added)
    except (Undecodable, TypeError, AttributeError):
        made = {}
    if made != wanted:
        raise SettingsInvalid(
            f"[{section}.metadata.cargoship] cannot be written behind what is in Cargo.toml",
            hint=f"write {section}.metadata as a table of its own, [{section}.metadata]",
        )
    return text + added


def _lines(section: str, examples: dict[str, str]) -> list[str]:
    lines = [
        "# How cargoship makes images of it. None is needed; take away the # of what is to be different.",
        f"[{section}.metadata.cargoship]",
    ]
    for key in _SHOWN:
        spec = BY_KEY[key].spec
        sentence = spec.doc.split(". ")[0].rstrip(".") + "."
        lines += textwrap.wrap(sentence, _COLUMNS, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"#{key} = {examples.get(key, spec.example)}")
    return lines
