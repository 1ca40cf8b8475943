"""A site: a workspace in git, and what surrounds it, made so that its program prints everything that it was made of.

Each probe is one way in which a build reads something. It adds a fact to what the program prints, and the edits that
change that fact. A program that prints an old fact is a wrong program.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.programs import program

Edit = Callable[[], str]
"""Changes something and says what."""
# Git repositories of this machine are asked, whatever the cargo at hand was built with; registries are vendored.
ONLINE = {"CARGO_NET_OFFLINE": "false", "CARGO_NET_GIT_FETCH_WITH_CLI": "true"}
# Most sites: half of the time of a build went into what no program prints. The others have paths in what is compiled.
_QUICK = 0.8
_LITTLE = {"OPT_LEVEL": "0", "DEBUG": "0", "STRIP": "none"}
TARGET_DIRS = ("target", "target-elsewhere")

_PACKAGE = '[package]\nname = "{name}"\nversion = "0.1.{patch}"\nedition = "2021"\n'
_GIT = {
    **{
        f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "a"), ("EMAIL", "a@b"))
    },
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass
class Site:
    """A folder with a workspace in `work`, and the environment and options that its builds get."""

    root: Path
    chance: random.Random
    profile: str = "release"
    env: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    """Further options of cargo, such as `--features`."""
    edits: list[Edit] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    """Rust expressions whose values can be displayed, by name."""
    dependencies: dict[str, str] = field(default_factory=dict)
    members: list[str] = field(default_factory=lambda: ["app"])
    manifest: dict[str, str] = field(default_factory=dict)
    """Tables of the workspace's manifest, by their headings."""
    configuration: dict[str, str] = field(default_factory=dict)
    """Parts of the workspace's `.cargo/config.toml`; what belongs to no table has the name ""."""
    target_dir: str = "target"
    """Where the configuration puts what is compiled, below the workspace."""
    target: str = ""
    """The target that the configuration names."""
    _count: int = 0

    @property
    def work(self) -> Path:
        """The workspace's folder."""
        return self.root / "work"

    @property
    def made_in(self) -> Path:
        """The folder of the target directory that has the profile's programs."""
        return Path(self.target) / ("debug" if self.profile == "dev" else self.profile)

    def write(self, name: str, text: str) -> Path:
        """Write a file below the site."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def word(self) -> str:
        """A word that was not there before, always of the same length."""
        self._count += 1
        return f"w{self._count:05}"

    def package(self, name: str, more: str = "", *, place: str | None = None, patch: int = 0) -> Path:
        """Begin a package, a member of the workspace where `place` names no other folder; returns its folder."""
        folder = place or f"work/{name}"
        if place is None:
            self.members.append(name)
        self.write(f"{folder}/Cargo.toml", _PACKAGE.format(name=name, patch=patch) + more)
        return self.root / folder

    def depend(self, name: str, text: str) -> None:
        """Let the program depend on a package, as its manifest says it."""
        self.dependencies[name] = text

    def finish(self) -> None:
        """Write the program, the workspace's manifest and the lock file, and commit all of it."""
        lines = [f'    println!("{name} {{}}", {fact});' for name, fact in self.facts.items()]
        self.write("work/app/src/main.rs", "fn main() {\n" + "\n".join(lines) + "\n}\n")
        head = _PACKAGE.format(name="app", patch=0) + 'description = "d0"\n[features]\nloud = []\n[dependencies]\n'
        wanted = "".join(f"{name} = {text}\n" for name, text in self.dependencies.items())
        self.write("work/app/Cargo.toml", head + wanted + "[lints]\nworkspace = true\n")
        self.edits.append(_Earlier(self))
        members = ", ".join(f'"{name}"' for name in self.members)
        tables = {"[workspace.lints.rust]": "", **self.manifest}
        text = f'[workspace]\nmembers = [{members}]\nresolver = "2"\n'
        self.write("work/Cargo.toml", text + "".join(f"{name}\n{body}\n" for name, body in tables.items()))
        if self.configuration:
            parts = sorted(self.configuration.items())
            self.write("work/.cargo/config.toml", "".join(text for _, text in parts))
        self.write("work/.gitignore", "".join(f"{name}\n" for name in TARGET_DIRS))
        self.git("init", "-q", "-b", "main")
        self.commit()

    def git(self, *words: str, folder: Path | None = None) -> None:
        """Run git in the workspace, or in another folder."""
        argv = (program("git"), "-C", str(folder or self.work), "-c", "commit.gpgsign=false", *words)
        subprocess.run(argv, check=True, env={**os.environ, **_GIT}, capture_output=True)

    def commit(self) -> None:
        """Commit everything as it is."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", self.word())

    def copy(self, place: Path, *, times: bool) -> Path:
        """A fresh checkout of all of it, as another machine has it; returns its workspace. `times`: kept."""
        # as git has them: files that can be started can be so in a checkout
        how = shutil.copy2 if times else shutil.copy
        shutil.copytree(self.root, place, symlinks=True, copy_function=how, ignore=shutil.ignore_patterns(*TARGET_DIRS))
        return place / "work"


class _Earlier:
    """An edit: everything becomes what it was before, and then what it was in between, in turns."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._number = 0
        self._state = self._now()

    def __call__(self) -> str:
        """Keep the present state, and bring back the one that was kept."""
        site = self._site
        kept, self._number = self._number, self._number + 1
        site.copy(self._place(self._number), times=True)
        state = self._now()
        if kept:
            self._clear()
            how = site.chance.choice((shutil.copy2, shutil.copy))
            shutil.copytree(self._place(kept), site.root, symlinks=True, copy_function=how, dirs_exist_ok=True)
            shutil.rmtree(self._place(kept))
            env, options, site.target_dir, site.target = self._state
            site.env.clear()
            site.env.update(env)
            site.options[:] = options
        self._state = state
        return "what it was before, everything" if kept else "nothing"

    def _now(self) -> tuple[dict[str, str], list[str], str, str]:
        return dict(self._site.env), list(self._site.options), self._site.target_dir, self._site.target

    def _place(self, number: int) -> Path:
        return self._site.root.parent / f"kept-{number}"

    def _clear(self) -> None:
        for path in (*self._site.root.iterdir(), *self._site.work.iterdir()):
            if path == self._site.work or path.name in TARGET_DIRS:
                continue
            remove(path)


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def rewrite(path: Path, text: str, *, time: bool = False, moved_s: int = 0) -> None:
    """Put other content into a file, by a new file in its place.

    `time`: with the old one's time; `moved_s`: so many seconds from now.
    """
    stat = path.stat() if path.is_file() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".aside")
    aside.write_text(text)
    if path.is_dir():
        remove(path)
    aside.replace(path)
    if time and stat is not None:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif moved_s:
        now = clock.time() + moved_s
        os.utime(path, (now, now))


def replaced(path: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file."""
    rewrite(path, change(path.read_text()))


def made(root: Path, seed: int, probes: Mapping[str, Callable[[Site], None]], count: int) -> Site:
    """A site with `count` of the probes, chosen by the seed."""
    chance = random.Random(seed)  # noqa: S311 - the same again for the same seed
    site = Site(root, chance, chance.choice(("release", "release", "dev")))
    if chance.random() < _QUICK:
        site.env |= {f"CARGO_PROFILE_{site.profile.upper()}_{name}": value for name, value in _LITTLE.items()}
    root.mkdir(parents=True)
    for name in sorted(chance.sample(sorted(probes), min(count, len(probes)))):
        probes[name](site)
        site.probes.append(name)
    site.finish()
    return site
