"""What is known of a project before anything is decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Package, Project
from cargoship.events import Note
from cargoship.settings.model import Settings
from cargoship.settings.sources import Origins


class ProjectFacts(Struct, frozen=True):
    """A project, its packages that were chosen, and what their settings and git say."""

    project: Project
    packages: Sequence[Package]
    """Those that `choose_packages` returned."""
    settings: Mapping[str, Settings]
    """Of each package, by its name."""
    git: GitFacts | None
    epoch: int = 0
    """See `choose_epoch`."""
    origins: Mapping[str, Origins] = field(default_factory=dict)
    """Where the settings of each package come from, by its name."""
    notes: Sequence[Note] = ()
    """What was noticed on the way, to be passed on with the plan."""

    @property
    def common(self) -> Settings:
        """The settings of the first package: what holds for the whole build is the same in all of them."""
        return self.settings[self.packages[0].name]
