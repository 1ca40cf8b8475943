"""What a unit depends on by what it was seen to read: files, what is not there, folders, links, variables, programs.

Paths below the workspace count relative to it. What lies in folders that keys know (the toolchain, sources of packages
that cannot change, what was compiled before) does not count, nor what the unit itself has made.

Of a package whose sources cannot change, only what is the user's counts: variables, and files of the workspace.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.file_digests import VARIABLE, WORKSPACE, FileDigests
from cargoship.unitcache.keys.probes import (
    ABSENT,
    ENVIRONMENT,
    HOST,
    LEADS,
    LINK,
    LISTED,
    PROGRAM,
    SEEN,
    UNSET,
    USER,
    found_as,
)
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.keys.variables import PRIMARY_PACKAGE, counts
from cargoship.unitcache.keys.ways import put_ns
from cargoship.unitcache.watching.c_sources import CSources
from cargoship.unitcache.watching.clocks import GITS_CLOCK, what_never_is_the_same
from cargoship.unitcache.watching.compilers import read_by_compiler
from cargoship.unitcache.watching.frames import passes_on, takes_all
from cargoship.unitcache.watching.library import Watcher
from cargoship.unitcache.watching.pseudo_files import is_device, read_from
from cargoship.unitcache.watching.records import ELSEWHERE, WHERE, BuildTrace, Event, UnitTrace
from cargoship.unitcache.watching.wrappers import AROUND, DRIVER, ITSELF, that_count

_READS_MAX = 4_000
_MARGIN_NS = 20_000_000
"""More than a kernel's clock for files may be behind."""
_OF_SYSTEM = frozenset(
    {"usr", "lib", "lib32", "lib64", "bin", "sbin", "etc", "opt", "proc", "sys", "dev", "nix", "snap"}
)
_OF_LINKERS = re.compile(
    r"/(?:etc|proc)/.*|.*/gcc/.*|.*/bfd-plugins/.*|.*/(?:crt[^/]*\.o|[^/]*crt1\.o|ld-[^/]*"
    r"|lib(?:c|m|mvec|dl|rt|util|pthread|gcc|gcc_s|gcc_eh|c_nonshared|resolv|anl|stdc\+\+|atomic|ssp_nonshared)[.-][^/]*)"
)
"""What every program of a system is linked with: keys say which system and which compiler that is."""
_TEMPORARY = tuple(f"/{name}" for name in ("tmp", "var/tmp", "usr/tmp"))
_KIND_OF_FILE = frozenset("OXM")
_QUESTIONS = {"E": ENVIRONMENT, "H": HOST, "P": USER}
_CHANGES_ALWAYS = frozenset("CRte")
_UNDERSTOOD = frozenset("KBIG" + WHERE)
UNSEEN = "nobody has seen what it reads: what cargo has started for it cannot be watched"
"""Why a unit is not kept of which nothing was noted."""


class Reads(Struct):
    """What was seen in one build."""

    records: BuildTrace
    watcher: Watcher
    _real: dict[str, str] = field(default_factory=dict)

    def of_questions(self, contents: FileDigests) -> dict[str, Digest]:
        """What the answers of a wrapper to cargo depend on, who asks about the compiler; raises NotKept, OSError."""
        asked = self.records.questions
        return self._inputs(asked, contents, pinned=True, of_script=False) if asked else {}

    def of_script(self, out_dir: str, *, contents: FileDigests, pinned: bool) -> dict[str, Digest]:
        """What the run of a build script depends on; raises NotKept, OSError."""
        own = self._inputs(self.records.scripts.get(out_dir, ()), contents, pinned=pinned, of_script=True)
        return own | self.of_questions(contents)

    def of_compiler(
        self, folder: str, crate: str, hash_: str, *, contents: FileDigests, pinned: bool
    ) -> dict[str, Digest]:
        """What compiling a crate depends on, with its procedural macros and its linker; raises NotKept, OSError.

        `folder` is where cargo keeps what belongs to the profile.
        """
        return self._inputs(self._of(folder, crate, hash_), contents, pinned=pinned, of_script=False)

    def where(self, folder: str, crate: str, hash_: str) -> str:
        """The cluster that has compiled a crate; nothing for this machine. Raises NotKept, OSError."""
        there = (each for each in self._of(folder, crate, hash_) if each.path.name.startswith(ELSEWHERE))
        return next((event.text for each in there for event in each.events() if event.kind == WHERE), "")

    def _of(self, folder: str, crate: str, hash_: str) -> list[UnitTrace]:
        return [
            record
            for (out, name, extra), records in self.records.compilers.items()
            if name == crate and extra in {f"-{hash_}", ""} and out.startswith(f"{folder}/")
            for record in records
        ]

    def _inputs(
        self, records: Sequence[UnitTrace], contents: FileDigests, *, pinned: bool, of_script: bool
    ) -> dict[str, Digest]:
        if not records:
            if pinned:
                return {}
            raise NotKept(UNSEEN)
        found: dict[str, Digest] = {}
        own: set[str] = set()
        # what a wrapper has written, rustc may read, and what rustc has, a linker
        for record in sorted(records, key=lambda record: (not record.wraps, record.links)):
            cannot_change = pinned and not record.wraps
            with _of_a_wrapper() if record.wraps else contextlib.nullcontext():
                if record.lives_on and not cannot_change:
                    raise NotKept("a program that it has started lives on, and may read and write more")
                found |= _Unit(self, contents, record, own, pinned=cannot_change, of_script=of_script).inputs()
        return found

    def real(self, path: str) -> str:
        """A path with all links on the way to its last part followed."""
        folder, _, name = path.rpartition("/")
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder or "/")
        real = self._real[folder]
        return f"{real}/{name}" if real != "/" else f"/{name}"


class _Unit:
    def __init__(
        self, reads: Reads, contents: FileDigests, record: UnitTrace, own: set[str], *, pinned: bool, of_script: bool
    ) -> None:
        self._reads = reads
        self._contents = contents
        self._record = record
        self._pinned = pinned
        self._of_script = of_script
        self._roots = tuple(dict.fromkeys((str(contents.root), os.path.realpath(contents.root))))
        self._of_tools = _folders(reads.watcher.covered)
        self._covered = (*_folders((contents.build_dir,)), *self._of_tools)
        self._trusted = {os.path.realpath(path) for path in reads.watcher.trusted}
        self._searched = frozenset(filter(None, (contents.env.get("PATH") or os.defpath).split(os.pathsep)))
        self._above = {path for root in self._roots for path in (root, *map(str, Path(root).parents))}
        self._above |= {contents.env.get("TMPDIR") or _TEMPORARY[0], *_TEMPORARY}
        # a shell asks whether these still are where it was told
        self._above |= {contents.env.get(name, "") for name in ("PWD", "OLDPWD")}
        self._sources = CSources(self._is_known_by_keys, is_dated=bool(contents.env.get("SOURCE_DATE_EPOCH")))
        self._own = own
        self._found: dict[str, Digest] = {}
        self._unset: set[str] = set()

    def inputs(self) -> dict[str, Digest]:
        """All of it; raises NotKept, OSError."""
        asked: dict[tuple[str, str], None] = {}
        events = self._record.events()
        for event in that_count(events) if self._record.wraps or self._record.links else events:
            self._take(event, asked)
        for kind, path in asked:
            self._ask(kind, path)
        if self._unset:
            name = UNSET + " ".join(sorted(self._unset))
            self._found[name] = self._now(name)
        if len(self._found) > _READS_MAX:
            raise NotKept(f"it reads more than {_READS_MAX} files")
        return self._found | self._written()

    def _written(self) -> dict[str, Digest]:
        """What the unit has put among the user's files: where that is missing or other, it has to be made again."""
        own = (path for path in self._own if self._is_inside(path) and "/.git/" not in path)
        there = [path for path in own if not self._is_covered(path) and os.path.isfile(path)]  # noqa: PTH113
        return {name: self._now(name) for name in map(self._name, there)}

    def _take(self, event: Event, asked: dict[tuple[str, str], None]) -> None:
        if event.kind in "WTOSADLQXYo":
            self._path(event, asked)
        elif event.kind == "V":
            self._variable(event.text)
        elif event.kind == "Z":
            self._compiler(event.text, asked)
        elif event.kind == ITSELF:
            self._before(self._contents.name(Path(event.text)))
        elif event.kind == DRIVER:
            self._driver(event.text)
        elif not self._pinned:
            self._ask_beyond(event)

    def _driver(self, path: str) -> None:
        """The compiler that a wrapper has started: keys say which one cargo was given."""
        compiler = self._reads.watcher.compiler
        if compiler is None or os.path.realpath(path) != os.path.realpath(compiler):
            self._found[path] = self._now(path)

    def _compiler(self, text: str, asked: dict[tuple[str, str], None]) -> None:
        try:
            for kind, path in read_by_compiler(text, self._trusted, self._sources):
                self._path(Event(kind, path), asked)
        except NotKept:
            # sources that cannot change read what they always read, and of the user's what is plain
            if not self._pinned:
                raise

    def _path(self, event: Event, asked: dict[tuple[str, str], None]) -> None:
        path = self._plain(event.text)
        if (event.kind == "o" and _OF_LINKERS.fullmatch(path)) or "/-" in event.text:
            return
        if event.kind in "WT":
            # what is made again over something that was there has nothing of it
            self._own.add(path)
        elif self._is_own(path) or self._is_covered(path):
            pass
        elif not self._pinned or self._is_inside(path):
            self._asked(event.kind.upper(), path, asked)

    def _asked(self, kind: str, path: str, asked: dict[tuple[str, str], None]) -> None:
        if kind in "AY" and is_device(path):
            return
        leads = read_from(path)
        if leads is None:
            pass
        elif leads.startswith(":"):
            self._found[leads] = self._now(leads)
        else:
            asked[kind, leads] = None

    def _plain(self, path: str) -> str:
        """Without `.` and `..`; a link that is climbed out of is followed."""
        if "/../" in f"{path}/":
            climbing, _, rest = f"{path}/".rpartition("/../")
            return os.path.normpath(f"{os.path.realpath(climbing + '/..')}/{rest}")
        return os.path.normpath(path)

    def _is_own(self, path: str) -> bool:
        if not self._own:
            return False
        return path in self._own or any(str(folder) in self._own for folder in Path(path).parents)

    def _is_covered(self, path: str) -> bool:
        real = self._reads.real(path)
        if f"{real}/".startswith(self._covered):
            # and a link there, that may lead to where it is not
            return f"{os.path.realpath(real)}/".startswith(self._covered) if os.path.islink(real) else True  # noqa: PTH114
        return False

    def _is_known_by_keys(self, path: str) -> bool:
        """Whether a text of this path needs no search: it cannot change. A copy in the build directory can."""
        if self._pinned and (self._is_covered(path) or not self._is_inside(path)):
            return True
        return f"{self._reads.real(path)}/".startswith(self._of_tools)

    def _is_inside(self, path: str) -> bool:
        return any(path.startswith(f"{root}/") or path == root for root in self._roots)

    def _name(self, path: str) -> str:
        """A path as entries have it; a place that moves with the workspace, and is outside of it, pins its folder."""
        for root in self._roots:
            if path == root:
                return "."
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
        first = path.split("/", 2)[1] if path.startswith("/") else ""
        home = self._contents.env.get("HOME") or "/"
        below = path.removeprefix(f"{home}/") if path.startswith(f"{home}/") else ""
        is_of_home = below.startswith(".") and not below.startswith((".git/", "../")) and below != ".git"
        if first not in _OF_SYSTEM and not is_of_home and any(root.split("/", 2)[1] == first for root in self._roots):
            self._found[WORKSPACE] = self._now(WORKSPACE)
        return path

    def _ask(self, kind: str, path: str) -> None:
        # what all is in is there
        if (kind in "SQL" and path in self._above) or self._is_program(kind, path):
            return
        name = self._name(path)
        if name.startswith(":") or "\n" in name or not _is_text(name):
            raise NotKept(f"it reads {name!r}, a name that cannot be kept")
        if kind in {"A", "Y"}:
            self._absent(kind, name, path)
        elif kind == "L":
            self._found[LINK + name] = self._before(LINK + name)
        elif kind == "Q":
            self._seen(name, path)
            if os.path.realpath(path) != path:
                self._found[LEADS + name] = self._now(LEADS + name)
        else:
            self._there(kind, name, path)

    def _is_program(self, kind: str, path: str) -> bool:
        """Whether what was asked is known by what the search path has under a name."""
        folder, _, name = path.rpartition("/")
        if folder not in self._searched or kind not in "AYSQXO":
            return False
        found = found_as(name, self._contents.env)
        if kind not in "AY" and str(found) != path:
            return False
        self._found[PROGRAM + name] = self._now(PROGRAM + name)
        return True

    def _there(self, kind: str, name: str, path: str) -> None:
        if os.path.isdir(path):  # noqa: PTH112 - text all the way: there are many
            if kind in {"O", "D"}:
                self._listed(name, path)
            else:
                self._seen(name, path)
        elif os.path.isfile(path):  # noqa: PTH113
            self._found[name] = self._contents.before(name, self._record.began_ns - _MARGIN_NS)
            if kind not in _KIND_OF_FILE:
                # whether it may be started is recorded too
                self._found[SEEN + name] = self._now(SEEN + name)
        elif self._is_own(path) or not os.path.lexists(path):
            raise NotKept(f"{name} was removed while it was compiled")
        elif kind == "O":
            raise NotKept(f"it reads {name}, which is neither a file nor a folder")
        else:
            self._seen(name, path)

    def _seen(self, name: str, path: str) -> None:
        """What kind of thing is there, which it was when it was asked for, too: a file may be a folder since."""
        if self._is_inside(path) and put_ns(path, str(self._contents.root)) >= self._record.began_ns - _MARGIN_NS:
            raise NotKept(f"{name} was changed while it was compiled")
        self._found[SEEN + name] = self._now(SEEN + name)

    def _listed(self, name: str, path: str) -> None:
        if any(own.rpartition("/")[0] == path for own in self._own if not self._is_covered(own)):
            raise NotKept(f"it writes into the folder {name}, which it lists")
        self._found[LISTED + name] = self._before(LISTED + name)

    def _absent(self, kind: str, name: str, path: str) -> None:
        if os.path.lexists(path) and kind == "A":
            if not self._is_own(path):
                raise NotKept(f"{name} was made by somebody else while it was compiled")
            self._found[SEEN + name] = ABSENT
        else:
            self._found[SEEN + name] = self._now(SEEN + name)

    def _before(self, name: str) -> Digest:
        return self._contents.before(name, self._record.began_ns - _MARGIN_NS)

    def _now(self, name: str) -> Digest:
        digest = self._contents.digest(name)
        if digest is None:
            raise NotKept(f"it depends on what cannot be read: {name.lstrip(':')}")
        return digest

    def _variable(self, name: str) -> None:
        if name == PRIMARY_PACKAGE and not self._pinned:
            raise NotKept(f"it looks at {name}, which another invocation of cargo sets otherwise")
        if name == GITS_CLOCK and name not in self._contents.env and not self._pinned:
            raise NotKept("it looks at the clock, which no digest can hold (git, for how long ago something was)")
        if (
            not counts(name, pinned=self._pinned, of_script=self._of_script)
            or not _is_text(name)
            or re.search(r"[\s=]", name)
            or not name
        ):
            return
        if name in self._contents.env:
            self._found[VARIABLE + name] = self._now(VARIABLE + name)
        else:
            self._unset.add(name)

    def _ask_beyond(self, event: Event) -> None:
        """What is no path and no variable of a name; raises NotKept for what no digest can hold."""
        kind, what = event.kind, event.text
        question = _QUESTIONS.get(kind)
        if question is not None:
            self._found[question] = self._now(question)
        elif (kind == "I" and not passes_on(what)) or (kind == "G" and takes_all(what)):
            self._found[ENVIRONMENT] = self._now(ENVIRONMENT)
        elif kind in _CHANGES_ALWAYS:
            if does := what_never_is_the_same(kind, what):
                raise NotKept(f"it {does}, which no digest can hold ({what})")
        elif kind == "N":
            raise NotKept(f"it asks the network, which no digest can hold ({what})")
        elif kind == "U":
            raise NotKept(f"what it reads cannot be seen: {what}")
        elif kind not in _UNDERSTOOD:
            raise NotKept("what it reads was noted in a way that is not known")


@contextlib.contextmanager
def _of_a_wrapper() -> Iterator[None]:
    try:
        yield
    except NotKept as reason:
        raise NotKept(f"{AROUND}{reason}") from reason


def _folders(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple({f"{each}/" for path in paths for each in (path, os.path.realpath(path))})


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
