"""cargo's command line for a build, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

MESSAGE_FORMAT = "json-render-diagnostics"
"""Messages as JSON lines on stdout, compiler diagnostics rendered on stderr as ever."""


@dataclass(frozen=True)
class CargoBuild:
    """One cargo invocation for every image and every target.

    `cwd` is where cargo runs, so that the project's .cargo/config.toml and rust-toolchain.toml count. `targets` are
    Rust triples; for cargo-zigbuild they may carry a glibc version, such as x86_64-unknown-linux-gnu.2.17.
    """

    manifest: Path
    cwd: Path
    packages: tuple[str, ...] = ()
    """Package id specifications, such as web@0.1.0."""
    bins: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    profile: str = "release"
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    locked: bool = False
    offline: bool = False
    frozen: bool = False
    jobs: int | None = None
    config: tuple[str, ...] = ()
    """Values for cargo's own --config: KEY=VALUE in TOML, or a file."""

    def with_targets(self, *targets: str) -> CargoBuild:
        """Return the same build for other targets."""
        return replace(self, targets=targets)

    def with_config(self, *config: str) -> CargoBuild:
        """Return the same build with these `--config` values after those it has."""
        return replace(self, config=(*self.config, *config))

    def arguments(self, subcommand: str = "build") -> tuple[str, ...]:
        """Return what follows the program: cargo (`build`) or cargo-zigbuild (`zigbuild`)."""
        profile = ("--release",) if self.profile == "release" else ("--profile", self.profile)
        return (
            subcommand,
            "--manifest-path",
            str(self.manifest),
            "--message-format",
            MESSAGE_FORMAT,
            *profile,
            *_each("--package", self.packages),
            *_each("--bin", self.bins),
            *_each("--target", self.targets),
            *(("--features", ",".join(self.features)) if self.features else ()),
            *_flag("--all-features", given=self.all_features),
            *_flag("--no-default-features", given=self.no_default_features),
            # --frozen is --locked and --offline together
            *_flag("--frozen", given=self.frozen),
            *_flag("--locked", given=self.locked and not self.frozen),
            *_flag("--offline", given=self.offline and not self.frozen),
            *(() if self.jobs is None else ("--jobs", str(self.jobs))),
            *_each("--config", self.config),
        )


def _each(option: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


def _flag(option: str, *, given: bool) -> tuple[str, ...]:
    return (option,) if given else ()
