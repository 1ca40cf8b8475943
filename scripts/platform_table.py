"""Writes the table of platforms in docs/platforms.md, from the rows of `cargoship.platforms`.

.venv/bin/python scripts/platform_table.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cargoship.platforms import PlatformSpec, every_row

PAGE = Path(__file__).parents[1] / "docs" / "platforms.md"
BEGIN, END = "<!-- table of platforms -->", "<!-- end of platforms -->"


def with_table(page: str, rows: Iterable[PlatformSpec]) -> str:
    """The page with its table as it is to be, between two comments."""
    before, rest = page.split(BEGIN)
    table = "\n".join(_table(rows))
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}"


def _table(rows: Iterable[PlatformSpec]) -> Iterator[str]:
    heads = (
        "platform",
        "other names",
        "Rust's target with musl",
        "with glibc",
        "lowest glibc",
        "loader of glibc",
        "Debian",
        "QEMU",
    )
    yield f"| {' | '.join(heads)} |"
    yield "| --- " * len(heads) + "|"
    for row in rows:
        glibc = (_code(row.gnu), "{}.{}".format(*row.gnu_floor), _code(row.gnu_loader))
        cells = (
            _code(str(row.platform)),
            ", ".join(
                _code(name) for name in dict.fromkeys(row.names) if not str(row.platform).endswith((f"/{name}", name))
            ),
            "none" if row.musl is None else _code(row.musl),
            *(("none", "", "") if row.is_wasm else glibc),
            _code(row.debian),
            "" if row.is_wasm else _code(f"qemu-{row.qemu}-static"),
        )
        yield f"| {' | '.join(cells)} |".replace("  ", " ")


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), every_row()), encoding="utf-8")
