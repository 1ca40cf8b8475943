"""Flags that ask for the processor of the machine that compiles: an image is for others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cargoship.cargo.config import cargo_home, configuration_files, read_table, says_native, texts_of
from cargoship.cargo.manifest import MANIFEST
from cargoship.errors import UsageError
from cargoship.plan.model import Plan

_FLAGS = re.compile(r"CARGO_ENCODED_RUSTFLAGS|(?:CARGO_.*_)?RUSTFLAGS|(?:TARGET_)?C(?:XX|PP)?FLAGS(?:_.*)?")


def check_native(plan: Plan, env: Mapping[str, str]) -> None:
    """Raise UsageError where flags name no processor but say `native`, unless the settings allow it."""
    if all(image.settings.native_cpu for image in plan.images):
        return
    where = next((name for name, text in flags_of(plan, env) if says_native(text)), None)
    if where is not None:
        raise UsageError(
            f"{where} asks for the native processor, that of this machine: the image might not start elsewhere",
            hint="name the least that they have, such as -C target-cpu=x86-64-v3, or set native-cpu = true",
        )


def flags_of(plan: Plan, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Flags for what goes into the image, with the names of where they stand."""
    for name, value in env.items():
        if _FLAGS.fullmatch(name):
            yield name, value
    for path in configuration_files(plan.cargo.cwd, cargo_home(env)):
        # what is compiled for the host stays here
        table = {name: value for name, value in read_table(path).items() if name not in {"host", "alias"}}
        yield str(path), " ".join(texts_of(table))
    manifest = plan.root / MANIFEST
    yield str(manifest), " ".join(texts_of(read_table(manifest).get("profile")))


def flags_of_profiles(plan: Plan, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Flags of rustc in profiles, which come on top of those that cargo has for a target; with where they stand."""
    for path in (plan.root / MANIFEST, *configuration_files(plan.cargo.cwd, cargo_home(env))):
        text = " ".join(texts_of(read_table(path).get("profile")))
        if text:
            yield str(path), text
