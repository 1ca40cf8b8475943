"""Machines with Rust installations that are only described: what their programs say is in a table."""

from __future__ import annotations

from pathlib import Path

from cargoship.events import Event
from cargoship.platforms import Libc, row
from cargoship.process import Command
from cargoship.toolchain.locate import Toolchain, Wanted, locate
from support.scripted import Answer, ScriptedRunner, said

MUSL_TRIPLES = {"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}


class Machine:
    """A machine with Rust installations that a test describes, all in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.project.mkdir()
        self.cache = root / "cache"
        self.answers: dict[tuple[str, ...], Answer] = {}
        self.path: list[Path] = []
        self.events: list[Event] = []
        self.streamed: list[Command] = []

    def rust(
        self, name: str, *, std: tuple[str, ...] = (), self_contained: bool = True, sources: bool = False,
        rustup: Answer | None = None,
    ) -> Path:  # fmt: skip
        """Install a toolchain and put it at the end of PATH; the folder of its sysroot."""
        sysroot = self.root / ("toolchains" if rustup else "distributions") / name
        self._program(sysroot / "bin" / "rustc")
        self._program(sysroot / "bin" / "cargo")
        for triple in std:
            self.add_std(sysroot / "lib" / "rustlib" / triple, self_contained=self_contained)
        if sources:
            library = sysroot / "lib" / "rustlib" / "src" / "rust" / "library" / "std"
            library.mkdir(parents=True)
            (library / "Cargo.toml").touch()
        if rustup:
            proxies = self.root / "proxies" / name
            self._program(proxies / "rustc")
            self._program(proxies / "rustup")
            self.answers[f"{name}/rustup", "add"] = rustup
            self.answers[f"{proxies.name}/rustc", "sysroot"] = said(f"{sysroot}\n")
            self.path.append(proxies)
        else:
            self.path.append(sysroot / "bin")
        self.answers[f"{name}/bin/rustc", "sysroot"] = said(f"{sysroot}\n")
        version = f"rustc 1.99.0\nrelease: 1.99.0\nhost: x86_64-unknown-linux-gnu\ncommit-hash: {name}\n"
        self.answers[f"{name}/bin/rustc", "-vV"] = said(version)
        return sysroot

    def add_std(self, folder: Path, *, self_contained: bool = True) -> None:
        (folder / "lib" / "self-contained").mkdir(parents=True)
        (folder / "lib" / "libstd-0123.rlib").touch()
        if self_contained:
            (folder / "lib" / "self-contained" / "crt1.o").touch()

    def wanted(self, *platforms: str, libc: str = "musl") -> Wanted:
        chosen = tuple(row(name).platform for name in platforms or ("amd64", "arm64"))
        return Wanted(chosen, Libc.parse(libc), self.project, self.cache)

    def locate(self, wanted: Wanted | None = None, **env: str) -> Toolchain:
        def stream(command: Command) -> int:
            self.streamed.append(command)
            return 101

        environment = {"PATH": ":".join(map(str, self.path)), **env}
        return locate(
            wanted or self.wanted(),
            runner=ScriptedRunner(self.answers), stream=stream, env=environment, emit=self.events.append,
        )  # fmt: skip

    def _program(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # no script: such a one would stand around the real one
        path.write_bytes(b"\x7fELF")
        path.chmod(0o755)
