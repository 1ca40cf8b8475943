"""The .dockerignore: what would only make the build context large, or change without changing the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import normpath

from cargoship.dockerfile.model import DockerfileOptions
from cargoship.dockerfile.recorded import head
from cargoship.plan import Plan


def dockerignore(plan: Plan, wishes: DockerfileOptions) -> str:
    """Return its text."""
    folders = (plan.target_dir, plan.build_dir)
    inside = [folder.relative_to(plan.root).as_posix() for folder in folders if folder.is_relative_to(plan.root)]
    built = list(dict.fromkeys(["target", *inside]))
    lines = [
        head(wishes),
        "",
        "# what cargo builds",
        *built,
        *_included(plan, built),
        "# a commit alone changes no program",
        ".git",
        # nothing of these gets into the program, but a change of them would compile it again
        "# what only Docker reads",
        wishes.file,
        f"{wishes.file}.dockerignore",
        ".dockerignore",
        "recipe.json",
        "# secrets of the person who builds",
        ".cargo/credentials",
        ".cargo/credentials.toml",
    ]
    return "\n".join(lines) + "\n"


def _included(plan: Plan, built: Sequence[str]) -> Iterator[str]:
    """Exceptions for what cargo has not built there, and the settings want in an image: the parts of a web page."""
    found: dict[str, None] = {}
    for image in plan.images:
        for each in image.settings.include:
            path = normpath(f"{image.package.root.as_posix()}/{each.source}").removeprefix(f"{plan.root.as_posix()}/")
            if any(path.startswith(f"{folder}/") for folder in built):
                found[f"!{path}"] = None
    if found:
        yield "# but what goes into an image"
        yield from found
