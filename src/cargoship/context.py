"""What a run may use of the world: environment, folders, programs, registries, and who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cargoship.events import Emit, ignore

if TYPE_CHECKING:
    from cargoship.debian.mirror import MirrorConfig
    from cargoship.http.exchange import Transport
    from cargoship.process import Runner
    from cargoship.registry.client import RegistryClient
    from cargoship.registry.mount_sources import RememberedMountSources
    from cargoship.registry.options import Access


@dataclass(frozen=True)
class Context:
    """What a run may use of the world."""

    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    runner: Runner
    emit: Emit = ignore
    verify: bool = True
    """Whether programs that cannot start on their base are refused."""
    colour: str | None = None
    """Whether cargo's words are to have colours, in cargo's own terms (`always`, `never`); None: as cargo decides."""
    clock: Callable[[], float] | None = None
    """The time in seconds since 1970, for what says when something was made; None: it is not said."""

    @property
    def cache_dir(self) -> Path:
        """CARGOSHIP_CACHE_DIR, else the user's cache folder."""
        named = self.env.get("CARGOSHIP_CACHE_DIR")
        if named:
            return self.cwd / named
        import platformdirs

        return platformdirs.user_cache_path("cargoship")

    @property
    def mount_sources(self) -> RememberedMountSources:
        """What registries are known to have."""
        from cargoship.registry.mount_sources import RememberedMountSources

        return RememberedMountSources(self.cache_dir / "registries")

    def open_transport(self) -> Transport:
        """Connections to anything else than a registry; who asks for them closes them."""
        from cargoship.http.metered import Meter
        from cargoship.registry.connect import open_transport

        return open_transport(self.env, meter=Meter(self.emit, "packages"))

    def mirror_config(self, mirror: str) -> MirrorConfig:
        """Where Debian's packages are looked for, and whose signatures count."""
        from cargoship.debian.mirror import DEFAULT_SNAPSHOTS, MirrorConfig

        snapshots, keys = (self.env.get(f"CARGOSHIP_DEBIAN_{name}") for name in ("SNAPSHOTS", "KEYS"))
        return MirrorConfig(mirror, snapshots or DEFAULT_SNAPSHOTS, self.cwd / keys if keys else None)

    def connect(self, registry: str, access: Access | None = None) -> RegistryClient:
        """A client of a registry with the user's credentials, to read (None) or more; who asks for it closes it."""
        from cargoship.registry.connect import connect
        from cargoship.registry.options import Access

        access = access or Access.PULL
        return connect(registry, env=self.env, runner=self.runner, emit=self.emit, access=access)
