"""What a run may use of the world: environment, folders, programs, registries, and who listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from cargoship.events import Emit, ignore
from cargoship.process import Runner
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.known import KnownBlobs


@dataclass(frozen=True)
class Context:
    """What a run may use of the world."""

    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    runner: Runner
    emit: Emit = ignore
    verify: bool = True
    """Whether programs that cannot start on their base are refused."""

    @property
    def cache_dir(self) -> Path:
        """CARGOSHIP_CACHE_DIR, else the user's cache folder."""
        named = self.env.get("CARGOSHIP_CACHE_DIR")
        return self.cwd / named if named else platformdirs.user_cache_path("cargoship")

    @property
    def known(self) -> KnownBlobs:
        """What registries are known to have."""
        return KnownBlobs(self.cache_dir / "registries")

    def connect(self, registry: str, access: Access = Access.PULL) -> RegistryClient:
        """A client of a registry with the user's credentials; who asks for it closes it."""
        return connect(registry, env=self.env, runner=self.runner, emit=self.emit, access=access)
