"""Which record of a build is meant, where commands look back at one."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

target_argument = click.argument(
    "target", required=False, type=click.Path(path_type=Path), default=".", metavar="[PATH|RECORD]"
)
