"""Edits of a site one after the other: what cargoship ships after each, beside what a clean cargo builds."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.fuzzing.declared import DECLARED
from support.fuzzing.dependencies import DEPENDENCIES
from support.fuzzing.instructions import INSTRUCTIONS
from support.fuzzing.probes import MACROS, SCRIPTS
from support.fuzzing.settings import SETTINGS
from support.fuzzing.site import ONLINE, Site, made
from support.programs import CARGOSHIP, distribution_rust, program

FAILED = "(the build failed)"
_LEFT = ("RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER", "CARGOSHIP_CACHE_TO")
# Mostly one: another edit compiles again what would have been the same wrong program as a whole.
_AT_ONCE = (1, 1, 2, 3, 4)
_WAYS = (*(("programs",),) * 4, ("image",), ("image", "programs"))
"""How a site is shipped: each new way costs a cold build."""


@dataclass(frozen=True)
class Verdict:
    """What became of an edit, or of a few that were made at once."""

    seed: int
    number: int
    """How many edits the site has had, with these; 0 is the site as it was made."""
    edits: int
    profile: str
    edit: str
    right: str
    shipped: dict[str, str]
    """What the shipped program printed, by how it was shipped."""
    possible: int
    """The units that cargo itself calls fresh, and rightly, in a build directory of its own that outlives the edits."""
    missed: tuple[str, ...]
    """Those of them that were compiled in the fresh checkout."""

    @property
    def restored(self) -> int:
        """How many units were spared of those that could be."""
        return self.possible - len(self.missed)

    @property
    def wrong(self) -> dict[str, str]:
        """Those that printed something else."""
        return {how: said for how, said in self.shipped.items() if said != self.right}

    def __str__(self) -> str:
        head = f"seed {self.seed}, edit {self.number}, {self.profile}: {self.edit}"
        lines = [f"{head} ({self.restored} of {self.possible} units spared)"]
        right = self.right.splitlines()
        for how, said in self.wrong.items():
            other = [line for line in said.splitlines() if line not in right]
            wanted = [line for line in right if line not in said.splitlines()]
            lines.append(f"  {how}: {' | '.join(other) or said} instead of {' | '.join(wanted) or self.right}")
        if self.missed:
            lines.append(f"  compiled, though cargo left it as it was: {', '.join(self.missed)}")
        return "\n".join(lines)


@dataclass
class Judge:
    """Ships and compares; everything is kept in one cache that all of it shares."""

    folder: Path
    cache: Path
    seed: int
    only: str = ""
    """What the names of probes have in them that the site is made of; all of those then, and not four of all."""
    rates: bool = True
    """Whether units are counted that could be spared, and are: one build more for each verdict."""
    _copies: int = 0
    _fresh: frozenset[str] | None = None
    """Of the last build: the units that cargo called fresh; None where cargo was not started."""
    _base: dict[str, str] = field(default_factory=dict)
    _ways: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._base = {name: value for name, value in os.environ.items() if name not in _LEFT and name[:3] != "FZ_"}
        self._base |= {**distribution_rust(), "CARGO_TERM_COLOR": "never", "CARGO_NET_OFFLINE": "true"}

    def verdicts(self, edits: int, probes: int = 4) -> Iterator[Verdict]:
        """Make a site and edit it so often; the first verdict is that of the site as it was made."""
        chance = random.Random(self.seed)  # noqa: S311 - the same again for the same seed
        known = {**SCRIPTS, **MACROS, **DECLARED, **INSTRUCTIONS, **DEPENDENCIES, **SETTINGS}
        chosen = {name: probe for name, probe in known.items() if self.only in name}
        site = made(self.folder / "site", self.seed, chosen, len(chosen) if self.only else probes)
        lock = (self._cargo(site), "generate-lockfile")
        subprocess.run(lock, cwd=site.work, env={**self._env(site), **ONLINE}, check=True, capture_output=True)
        site.commit()
        self._ways = chance.choice(_WAYS)
        yield self._judged(site, 0, [])
        number = 0
        while number < edits:
            done = [edit() for edit in chance.sample(site.edits, min(chance.choice(_AT_ONCE), edits - number))]
            number += len(done)
            yield self._judged(site, number, done)

    def _judged(self, site: Site, number: int, edits: Sequence[str]) -> Verdict:
        way = site.chance.choice(self._ways)
        right = self._cleanly(site)
        shipped = {f"in place, as {way}": self._ship(site, site.work, way)}
        possible = self._fresh_in_place(site, way, right) if self.rates and right != FAILED else frozenset()
        self._copies += 1
        # debug information has the folder's path: other folders have units of their own
        places = ("site-copy",) if site.profile == "dev" else ("site-copy", f"copy{self._copies}")
        place = self.folder / site.chance.choice(places)
        fresh = site.copy(place, times=site.chance.random() < 0.5)
        shipped[f"from a fresh checkout, as {way}"] = self._ship(site, fresh, way)
        shutil.rmtree(place)
        missed = tuple(sorted(possible - self._fresh)) if self._fresh is not None else ()
        edit = " and ".join(edits) or "nothing"
        return Verdict(self.seed, number, len(edits), site.profile, edit, right, shipped, len(possible), missed)

    def _cleanly(self, site: Site) -> str:
        target = self.folder / "clean"
        shutil.rmtree(target, ignore_errors=True)
        argv = (self._cargo(site), "build", "--profile", site.profile, "--target-dir", str(target), *site.options)
        return self._says(argv, site, site.work, target / site.made_in / "app")

    def _fresh_in_place(self, site: Site, way: str, right: str) -> frozenset[str]:
        """The units that cargo rightly calls fresh in a build directory of its own, after the edit.

        An image has other units than programs for this machine, so each way of shipping has such a directory.
        """
        own = self.folder / f"own-{way}"
        target = ("--target-dir", str(own), "--message-format", "json")
        argv = (self._cargo(site), "build", "--profile", site.profile, *target, *site.options)
        done = subprocess.run(argv, cwd=site.work, env=self._env(site), check=False, capture_output=True, text=True)
        made_at = own / site.made_in / "app"
        if (
            done.returncode != 0
            or subprocess.run((made_at,), check=True, capture_output=True, text=True).stdout != right
        ):
            # an edit that nobody has declared to cargo
            shutil.rmtree(own)
            return frozenset()
        lines = map(json.loads, done.stdout.splitlines())
        return frozenset(
            f"{_package(each['package_id'])} {each['target']['name']}" for each in lines if each.get("fresh")
        )

    def _ship(self, site: Site, work: Path, way: str) -> str:
        cache = ("--progress", "json", "--cache-to", f"dir:{self.cache}")
        if way == "programs":
            words = ("build", "--profile", site.profile, *site.options)
            argv = (str(CARGOSHIP), "cargo", "--programs", *cache, "--", *words)
            return self._says(argv, site, work, work / site.target_dir / site.made_in / "app")
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        options = ("--profile", site.profile, "-p", "app", *site.options)
        words = ("build", "--platform", "linux/amd64", "-o", f"rootfs:{out}", *options)
        return self._says((str(CARGOSHIP), *words, *cache), site, work, out / "linux/amd64/app/app")

    def _says(self, argv: Sequence[str], site: Site, cwd: Path, made_at: Path) -> str:
        """Build, and run what was made."""
        done = subprocess.run(argv, cwd=cwd, env=self._env(site), check=False, capture_output=True, text=True)
        finished = [line for line in done.stderr.splitlines() if line.startswith('{"event":"unit-finished"')]
        units = [each for each in map(json.loads, finished) if each["fresh"]]
        self._fresh = frozenset(f"{each['package']} {each['target']}" for each in units) if finished else None
        if done.returncode != 0:
            return FAILED
        return subprocess.run((str(made_at),), check=True, capture_output=True, text=True).stdout

    def _env(self, site: Site) -> dict[str, str]:
        return {**self._base, **site.env}

    def _cargo(self, site: Site) -> str:
        return self._env(site).get("CARGO") or program("cargo")


def _package(package_id: str) -> str:
    """The name of a package, in the two forms of cargo's ids of which one leaves it to the folder."""
    place, _, reported = package_id.partition("#")
    return reported.partition("@")[0] if "@" in reported else place.rpartition("/")[2]
