"""Programs that were built elsewhere, each for the binary of a plan that it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cargoship.errors import UsageError
from cargoship.events import Emit, Level, Note
from cargoship.oci.platform import Platform
from cargoship.plan.model import ImagePlan, Plan


def given_programs(
    made: Plan, binaries: Mapping[Platform, Sequence[Path]], emit: Emit
) -> list[dict[Platform, dict[str, Path]]]:
    """For each image of a plan the files for its binaries, by platform and name; what no image has is noted.

    Raises UsageError where a binary has no file, or two.
    """
    alone = len(made.images) == 1
    programs = [{at: _given(image, at, binaries[at], alone=alone) for at in made.platforms} for image in made.images]
    for at in made.platforms:
        taken = {path for each in programs for path in each[at].values()}
        for path in binaries[at]:
            if path not in taken:
                has = ", ".join(sorted({each.name for image in made.images for each in image.bins}))
                emit(Note(f"{path} for {at} is in no image: they have {has}", Level.WARNING))
    return programs


def _given(image: ImagePlan, platform: Platform, paths: Sequence[Path], *, alone: bool) -> dict[str, Path]:
    """The files for an image's binaries, by their names; the only file is the only binary's, whatever its name."""
    names = [each.name for each in image.bins]
    if alone and len(names) == len(paths) == 1:
        return {names[0]: paths[0]}
    by_name: dict[str, Path] = {}
    for path in paths:
        if by_name.setdefault(path.name, path) != path:
            raise UsageError(
                f"two files are given for {path.name} on {platform}: {by_name[path.name]} and {path}",
                hint="give the one that is meant",
            )
    missing = [name for name in names if name not in by_name]
    if missing:
        raise UsageError(
            f"there is no --binary for {', '.join(missing)} on {platform}",
            hint=f"give files of these names: {', '.join(names)}",
        )
    return {name: by_name[name] for name in names}
