"""The platform table: every row is whole, and a row that is added is known everywhere."""

from __future__ import annotations

import runpy
from importlib.resources import files
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship import platforms
from cargoship.checks.hwcaps import beyond, promised
from cargoship.checks.program import ProgramContext
from cargoship.errors import PlatformUnknown
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, Libc, March, PlatformSpec, every_row, kin, row
from cargoship.settings.sources import from_environment, merge_layers
from cargoship.toolchain.wrappers import bindgen_arguments
from support.programs import REPOSITORY

INCLUDE = Path(str(files("ziglang"))) / "lib" / "libc" / "include"
LOONG = PlatformSpec(
    platform=Platform("linux", "loong64"),
    aliases=("loong",),
    machines=("loongarch64",),
    elf_machine="EM_LOONGARCH",
    elf_bits=64,
    musl="loongarch64-unknown-linux-musl",
    gnu="loongarch64-unknown-linux-gnu",
    zig_musl="loongarch64-linux-musl",
    zig_gnu="loongarch64-linux-gnu",
    zig_headers=("loongarch64", "loongarch"),
    gnu_floor=(2, 36),
    gnu_loader="/lib64/ld-linux-loongarch-lp64d.so.1",
    hwcaps=("la464",),
    debian="loong64",
    multiarch="loongarch64-linux-gnu",
    debian_musl="loongarch64-linux-musl",
    qemu="loongarch64",
)


def test_no_two_rows_have_a_name_in_common() -> None:
    for field in ("musl", "gnu", "debian", "debian_musl"):
        found = [getattr(each, field) for each in TABLE if getattr(each, field)]
        assert len(set(found)) == len(found), field
    for fields in (("zig_musl", "zig_cpu"), ("zig_gnu", "zig_cpu"), ("qemu", "zig_cpu")):
        several = [tuple(getattr(each, field) for field in fields) for each in TABLE]
        assert len(set(several)) == len(several), fields
    names = [name for each in every_row() for name in set(each.names)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("each", [*TABLE, LOONG], ids=lambda each: str(each.platform))
def test_zig_has_the_headers_that_a_row_names(each: PlatformSpec) -> None:
    libc, kernel = each.zig_headers
    assert (INCLUDE / f"{libc}-linux-musl").is_dir()
    assert (INCLUDE / f"{kernel}-linux-any").is_dir()


@pytest.mark.parametrize("place", ["docs/platforms.md", "docs/settings.md"])
def test_the_documentation_names_every_platform(place: str) -> None:
    text = (REPOSITORY / place).read_text()
    assert [str(each.platform) for each in TABLE if str(each.platform) not in text] == []


def test_the_table_in_the_documentation_is_that_of_the_program() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "platform_table.py"))
    page = (REPOSITORY / "docs" / "platforms.md").read_text(encoding="utf-8")
    assert script["with_table"](page, every_row()) == page, "run scripts/platform_table.py"
    more = script["with_table"](page, (*every_row(), LOONG))
    (added,) = set(more.splitlines()) - set(page.splitlines())
    assert added.startswith("| `linux/loong64` | `loongarch64`, `loong` | `loongarch64-unknown-linux-musl` |")


def test_a_row_that_is_added_is_known_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlatformUnknown, match="loong64"):
        row("linux/loong64")
    monkeypatch.setattr(platforms, "TABLE", (*TABLE, LOONG))
    for spelling in ("linux/loong64", "loongarch64", "loong"):
        assert row(spelling) is LOONG
    layer, _ = from_environment({"CARGOSHIP_PLATFORMS": "loong64"})
    assert merge_layers([layer]).platforms == (LOONG.platform,)
    assert LOONG.triple(Libc.parse("gnu:2.36")) == "loongarch64-unknown-linux-gnu"
    assert "loongarch-linux-any" in bindgen_arguments(LOONG, Path("/zig/lib"))
    assert promised(LOONG.platform) == ()
    assert dict(beyond(LOONG.platform)) == {"la464": ("la464",)}
    assert ProgramContext(LOONG.platform, {}).row is LOONG


@pytest.mark.parametrize(
    ("platform", "debian"),
    [
        (Platform("linux", "arm", "v5"), "armhf"),
        (Platform("linux", "amd64", "v9"), "amd64"),
        (Platform("linux", "mips"), None),
    ],
    ids=str,
)
def test_the_kin_of_a_variant(platform: Platform, debian: str | None) -> None:
    found = kin(platform)
    assert (None if found is None else found.debian) == debian


def test_only_what_differs_has_to_be_written() -> None:
    assert replace(LOONG, hwcaps=()).march is March.KEEP
    assert LOONG.little_endian
