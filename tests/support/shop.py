"""A workspace on a described machine: everything that a build needs is there, and nothing is compiled by anybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.context import Context
from cargoship.events import Event
from cargoship.oci.platform import Platform
from cargoship.plan import Output, Selection
from cargoship.process import Command, Completed
from support.deploying import metadata
from support.elf_files import elf_file
from support.images import AMD64, ARM64
from support.installations import MUSL_TRIPLES, Machine
from support.scripted import ScriptedRunner, said

PROGRAMS = {AMD64: elf_file("EM_X86_64"), ARM64: elf_file("EM_AARCH64")}
BY_TRIPLE = dict(zip(MUSL_TRIPLES.values(), (AMD64, ARM64), strict=True))


@dataclass
class Shop:
    """A workspace with packages, on a machine that has all that a build needs; nothing is compiled by anybody."""

    root: Path
    packages: Mapping[str, Sequence[str]]
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    makes: dict[Platform, bytes] = field(default_factory=lambda: dict(PROGRAMS))
    """What comes out of the compiler."""
    compiler: Callable[[Command], Completed] | None = None
    rust_version: str | None = None
    """The Rust that its packages are for."""
    about_units: str = "error: unexpected argument '--unit-graph' found"
    """What cargo says instead of its units."""
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Machine(self.root)
        self.machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
        for name in ("", *self.packages):
            folder = self.machine.project / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "Cargo.toml").touch()
        (self.machine.project / "Cargo.lock").write_text("version = 4\n")
        self.runner = ScriptedRunner(
            {
                **self.machine.answers,
                ("metadata",): lambda _: said(
                    metadata(self.machine.project, dict(self.packages), self.settings, self.rust_version)
                ),
                ("json-render-diagnostics", "--release"): self._compile,
            }
        )

    @property
    def compiled(self) -> list[Command]:
        return [each for each in self.runner.commands if "--release" in each.argv and "--unit-graph" not in each.argv]

    def context(self, *, verify: bool = True, **env: str) -> Context:
        around = {
            "PATH": ":".join(map(str, self.machine.path)),
            "CARGOSHIP_CACHE_DIR": str(self.machine.cache),
            "HOME": str(self.root),
            **env,
        }
        return Context(env=around, cwd=self.machine.project, runner=self.runner, emit=self.events.append, verify=verify)

    def selection(self, **overrides: object) -> Selection:
        return Selection(self.machine.project, overrides={"cache": False, **overrides})

    def layout(self, name: str = "out") -> Output:
        return Output.parse(f"oci:{name}", cwd=self.root)

    def files(self, **programs: bytes) -> dict[Platform, tuple[Path, ...]]:
        """Programs of these names for both platforms, as somebody else has compiled them; empty: what may run there."""
        made: dict[Platform, tuple[Path, ...]] = {}
        for platform, program in PROGRAMS.items():
            folder = self.root / "given" / platform.architecture
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in programs.items():
                (folder / name).write_bytes(data or program)
            made[platform] = tuple(sorted(folder.iterdir()))
        return made

    def _compile(self, command: Command) -> Completed:
        if "--unit-graph" in command.argv:
            return said(code=101, stderr=f"{self.about_units}\n")
        return self.compile(command) if self.compiler is None else self.compiler(command)

    def compile(self, command: Command) -> Completed:
        targets = [word for word in command.argv if word in BY_TRIPLE]
        lines = []
        for package, binaries in self.packages.items():
            for triple in targets:
                for name in binaries:
                    path = self.machine.project / "target" / triple / "release" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self.makes[BY_TRIPLE[triple]])
                    lines.append(
                        {
                            "reason": "compiler-artifact", "fresh": False, "executable": str(path),
                            "package_id": f"path+file://{self.machine.project}/{package}#{package}@1.2.3",
                            "target": {"name": name, "kind": ["bin"]}, "filenames": [str(path)],
                        }
                    )  # fmt: skip
        return said("".join(json.dumps(line) + "\n" for line in lines))
