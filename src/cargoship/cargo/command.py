"""cargo's command line for a build, as a value."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

MESSAGE_FORMAT = "json-render-diagnostics"
"""Messages as JSON lines on stdout, compiler diagnostics rendered on stderr as ever."""


class CargoBuild(Struct, frozen=True):
    """One cargo invocation for every image and every target.

    `cwd` is where cargo runs, so that the project's .cargo/config.toml and rust-toolchain.toml count. `targets` are
    Rust triples; for cargo-zigbuild they may carry a glibc version, such as x86_64-unknown-linux-gnu.2.17.
    """

    manifest: Path
    cwd: Path
    packages: tuple[str, ...] = ()
    """Package id specifications, such as web@0.1.0."""
    names: tuple[str, ...] = ()
    """The names of these packages."""
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
    target_dir: Path | None = None
    """Where cargo puts what it makes, if not where the project says."""
    config: tuple[str, ...] = ()
    """Values for cargo's own --config: KEY=VALUE in TOML, or a file."""
    processor: str | None = None
    """What rustc compiles for (`target-cpu`), where that is more than the triples stand for: see `target_flags`."""

    def with_targets(self, *targets: str) -> CargoBuild:
        """Return the same build for other targets."""
        return replace(self, targets=targets)

    def arguments(self, subcommand: str = "build") -> tuple[str, ...]:
        """Return what follows the program: cargo (`build`) or cargo-zigbuild (`zigbuild`)."""
        profile = ("--release",) if self.profile == "release" else option_with("--profile", self.profile)
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
            *(option_with("--features", ",".join(self.features)) if self.features else ()),
            *_flag("--all-features", given=self.all_features),
            *_flag("--no-default-features", given=self.no_default_features),
            # --frozen is --locked and --offline together
            *_flag("--frozen", given=self.frozen),
            *_flag("--locked", given=self.locked and not self.frozen),
            *_flag("--offline", given=self.offline and not self.frozen),
            *(() if self.jobs is None else ("--jobs", str(self.jobs))),
            *(() if self.target_dir is None else option_with("--target-dir", str(self.target_dir))),
            *_each("--config", self.config),
        )


def option_with(option: str, value: str) -> tuple[str, ...]:
    """An option with its value, as words that cargo takes for nothing else whatever the value is.

    A name in a manifest, or in a recipe, may begin with a hyphen: `--bin --config=...` would be two options.
    """
    return (f"{option}={value}",) if value.startswith("-") else (option, value)


def _each(option: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in option_with(option, value))


def _flag(option: str, *, given: bool) -> tuple[str, ...]:
    return (option,) if given else ()
