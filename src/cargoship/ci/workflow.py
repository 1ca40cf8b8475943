"""What a workflow has to know of a project, whatever host it is for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cargoship.cargo.suggest import did_you_mean
from cargoship.errors import UsageError
from cargoship.plan import Plan

TAGS = ("{git.short}", "{branch?}", "{git.tag?}", "{latest}")
"""What images are tagged with where the settings say nothing: the commit always, the rest where there is one."""
HEAD = "Builds the images for every platform and pushes them. Written by `cargoship init`; it is yours now."


class Matrix(enum.Enum):
    """What each of several jobs builds."""

    PLATFORM = "platform"
    PACKAGE = "package"

    @classmethod
    def parse(cls, text: str) -> Matrix:
        """Parse a name; raises UsageError."""
        known = [each.value for each in cls]
        if text not in known:
            raise UsageError(f"{text!r} is no matrix{did_you_mean(text, known)}", hint="platform or package")
        return cls(text)


@dataclass(frozen=True)
class Job:
    """One job of a matrix: a key that every host takes for a name, and what it builds."""

    key: str
    arguments: str


@dataclass(frozen=True)
class Workflow:
    """A pipeline that builds and pushes a project's images."""

    version: str
    """Of cargoship."""
    folder: PurePosixPath
    """The project in the repository."""
    branch: str
    several: bool
    """Whether there is more than one image."""
    own_tags: bool
    """Whether the settings say where images go."""
    jobs: tuple[Job, ...] = ()
    """Of a matrix; none: one job builds everything."""

    @property
    def in_root(self) -> bool:
        """Whether the project is the repository."""
        return self.folder == PurePosixPath()

    def tags(self, image: str) -> list[str]:
        """The options that name images, for a shell that knows the repository as `image`; none: the settings do."""
        if self.own_tags:
            return []
        if self.jobs:
            return [f'-t "{image}{self.suffix}"']
        return [f'-t "{image}{self.suffix}:{tag}"' for tag in TAGS]

    @property
    def suffix(self) -> str:
        """What keeps several images apart."""
        return "/{name}" if self.several else ""

    @property
    def merged_tags(self) -> list[str]:
        """The options that name what the jobs of a matrix have pushed."""
        return [f"-t '{{repository}}:{tag}'" for tag in TAGS]


def workflow_of(plan: Plan, matrix: Matrix | None, *, version: str, folder: PurePosixPath, branch: str) -> Workflow:
    """The workflow of a project; raises UsageError where a matrix would have one job."""
    jobs = () if matrix is None else _jobs(plan, matrix)
    if matrix is not None and len(jobs) < 2:  # noqa: PLR2004 - a matrix has several jobs
        raise UsageError(f"there is one {matrix.value} alone, and nothing to spread", hint="leave --matrix out")
    return Workflow(
        version=version,
        folder=folder,
        branch=branch,
        several=len(plan.images) > 1,
        own_tags=all(image.settings.tags for image in plan.images),
        jobs=jobs,
    )


def _jobs(plan: Plan, matrix: Matrix) -> tuple[Job, ...]:
    match matrix:
        case Matrix.PLATFORM:
            names = [str(platform) for platform in plan.platforms]
            keys = [name.removeprefix("linux/").replace("/", "-") for name in names]
            return _paired(keys, [f"--platform {name}" for name in names])
        case Matrix.PACKAGE:
            packages = list(dict.fromkeys(image.package.name for image in plan.images))
            return _paired(packages, [f"--package {name}" for name in packages])


def _paired(keys: Sequence[str], arguments: Sequence[str]) -> tuple[Job, ...]:
    return tuple(Job(key, words) for key, words in zip(keys, arguments, strict=True))


def folded(command: str, options: Sequence[str], indent: int) -> list[str]:
    """Lines of a shell command, with an option on each after the first."""
    lines = [command, *(f"  {option}" for option in options)]
    return [" " * indent + line + (" \\" if line is not lines[-1] else "") for line in lines]
