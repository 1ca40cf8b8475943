"""Pictures of a build for the documentation, in docs/images: the page of `cargoship report`, and `cargoship timings`.

    cargoship build --no-cache examples/web-service
    .venv/bin/python scripts/pictures.py examples/web-service/target/cargoship/.records/RECORD.json

Each is made for light and for dark. Needs Chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1200, 640
# the picture fetches no font
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main(record: Path) -> None:
    """Write all of them."""
    page_pictures(record)
    terminal_pictures(record)


def page_pictures(record: Path) -> None:
    """The top of the page, as a browser shows it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("pictures: chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        _cargoship("report", str(record), "-o", str(page))
        for name, scheme in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])):
            subprocess.run(  # noqa: S603 - our own words
                [
                    chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                    f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}", *scheme,
                    f"--screenshot={IMAGES / f'report-{name}.png'}", f"file://{page}",
                ],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip


def terminal_pictures(record: Path) -> None:
    """What a terminal shows."""
    shown = Text.from_ansi(_cargoship("timings", "--color", "always", str(record)))
    for name, theme in (("light", DEFAULT_TERMINAL_THEME), ("dark", SVG_EXPORT_THEME)):
        console = Console(record=True, file=io.StringIO(), width=120, force_terminal=True, color_system="truecolor")
        console.print("$ cargoship timings", shown, sep="\n")
        svg = console.export_svg(title="cargoship timings", theme=theme, code_format=_FORMAT, unique_id="timings")
        (IMAGES / f"timings-{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def _cargoship(*words: str) -> str:
    command = [sys.executable, "-m", "cargoship", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words


if __name__ == "__main__":
    main(Path(sys.argv[1]))
