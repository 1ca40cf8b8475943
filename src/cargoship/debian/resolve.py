"""Which packages a base needs: what was asked for and what that depends on. No Recommends, and nothing but for scripts.

Dependencies are followed breadth first, each by the first alternative that there is, as apt does: a real package before
one that provides the name. Nothing is tried a second time; in a release of Debian that is enough, and where it is not
the error says which two do not go together.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Sequence

from cargoship.debian.index import Candidate, PackageIndex, with_depends
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import Alternatives, Relation
from cargoship.errors import PackageUnresolved

# What packages need only for their maintainer scripts, of which none is ever run: debconf asks questions, awk and
# openssl are called by base-files and ca-certificates while they are configured, and so on. Who asks for one of these
# by name gets it.
FOR_SCRIPTS = frozenset(
    {
        "adduser",
        "awk",
        "cdebconf",
        "debconf",
        "debconf-2.0",
        "dpkg",
        "init-system-helpers",
        "install-info",
        "mawk",
        "ucf",
    }
)
_FOR_SCRIPTS_OF = {"ca-certificates": frozenset({"openssl"})}
# Zig is the C library's compile-time half, whose headers these would be in the way of.
COMPILE_TIME_LIBC = frozenset({"libc6-dev", "libc-dev", "linux-libc-dev", "libcrypt-dev", "libc-dev-bin"})


def resolve_packages(
    index: PackageIndex,
    wanted: Sequence[Relation],
    *,
    given: Iterable[DebianPackage] = (),
    leave: frozenset[str] = frozenset(),
) -> tuple[DebianPackage, ...]:
    """The packages for `wanted` and what they need, sorted by name.

    Packages that were `given` before are taken where they will do; `leave` are names that nobody gets. Raises
    PackageUnresolved, ContentInvalid.
    """
    chosen = _Chosen(index)
    for package in given:
        chosen.keep(package)
    roots = [chosen.ask(relation) for relation in wanted]
    chosen.follow(frozenset(relation.name for relation in wanted), leave)
    packages = closure(chosen.packages(), roots)
    chosen.check(frozenset(package.name for package in packages))
    return packages


def closure(packages: Sequence[DebianPackage], names: Sequence[str]) -> tuple[DebianPackage, ...]:
    """What the named packages need of them all, themselves included; sorted by name."""
    by_name = {package.name: package for package in packages}
    wanted: set[str] = set()
    pending = [name for name in names if name in by_name]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += [each for each in by_name[name].depends if each in by_name]
    return tuple(by_name[name] for name in sorted(wanted))


class _Chosen:
    """What was chosen so far."""

    def __init__(self, index: PackageIndex) -> None:
        self._index = index
        self._found: dict[str, Candidate] = {}
        self._depends: dict[str, set[str]] = {}
        self._open: deque[Candidate] = deque()

    def keep(self, package: DebianPackage) -> None:
        """Take a package that was chosen before, dependencies included; one that is gone by now is asked for again."""
        for candidate in self._index.candidates(package.name):
            if candidate.package.version == package.version:
                self._found[package.name] = candidate
                self._depends[package.name] = set(package.depends)
                return

    def ask(self, relation: Relation) -> str:
        """Choose what a user asks for, and say by which package."""
        there = self._satisfier((relation,))
        if there is not None:
            return there.package.name
        candidate = self._best(relation)
        if candidate is None:
            raise self._unknown(relation)
        self._take(candidate)
        return candidate.package.name

    def follow(self, asked: frozenset[str], leave: frozenset[str]) -> None:
        """Choose what the chosen depend on, and so on."""
        while self._open:
            candidate = self._open.popleft()
            name = candidate.package.name
            without = (FOR_SCRIPTS | _FOR_SCRIPTS_OF.get(name, frozenset()) | leave) - asked
            for group in candidate.depends:
                satisfier = self._satisfier(group)
                if satisfier is None and any(relation.name in without for relation in group):
                    continue
                if satisfier is None:
                    satisfier = next((best for relation in group if (best := self._best(relation))), None)
                    if satisfier is None:
                        raise PackageUnresolved(
                            f"{candidate.package} depends on {' | '.join(map(str, group))}, which there is not",
                            hint="the mirror may be in the middle of an update: try again in some minutes",
                        )
                    self._take(satisfier)
                if satisfier.package.name != name:
                    self._depends[name].add(satisfier.package.name)

    def check(self, names: frozenset[str]) -> None:
        """Raise PackageUnresolved for those of these packages that do not go together, as one of them says."""
        found = [candidate for name, candidate in self._found.items() if name in names]
        for candidate in found:
            for group in candidate.conflicts:
                for other in found:
                    if other is not candidate and any(_fits(other, relation) for relation in group):
                        raise PackageUnresolved(
                            f"{candidate.package} and {other.package} cannot be in one base: "
                            f"{candidate.package.name} says so of {' | '.join(map(str, group))}",
                            hint="leave one of them out of packages",
                        )

    def packages(self) -> tuple[DebianPackage, ...]:
        """All of them, by name."""
        return tuple(with_depends(self._found[name].package, self._depends[name]) for name in sorted(self._found))

    def _take(self, candidate: Candidate) -> None:
        name = candidate.package.name
        other = self._found.get(name)
        if other is not None:
            raise PackageUnresolved(
                f"{other.package} was chosen, but {candidate.package.version} of it is needed too",
                hint="ask for the other version in packages",
            )
        self._found[name] = candidate
        self._depends[name] = set()
        self._open.append(candidate)

    def _satisfier(self, group: Alternatives) -> Candidate | None:
        for relation in group:
            own = self._found.get(relation.name)
            if own is not None and relation.admits(own.version):
                return own
            for candidate in self._found.values():
                if _provides(candidate, relation):
                    return candidate
        return None

    def _best(self, relation: Relation) -> Candidate | None:
        for candidate in self._index.candidates(relation.name):
            if relation.admits(candidate.version):
                return candidate
        return next((each for each in self._index.providers(relation.name) if _provides(each, relation)), None)

    def _unknown(self, relation: Relation) -> PackageUnresolved:
        versions = [each.package.version for each in self._index.candidates(relation.name)]
        if versions:
            return PackageUnresolved(
                f"there is no {relation} for {self._index.architecture}", hint=f"there is {', '.join(versions)}"
            )
        close = difflib.get_close_matches(relation.name, self._index.names, n=3, cutoff=0.75)
        return PackageUnresolved(
            f"there is no package {relation.name} for {self._index.architecture}",
            hint=f"did you mean {' or '.join(close)}?" if close else "https://packages.debian.org knows all names",
        )


def _provides(candidate: Candidate, relation: Relation) -> bool:
    return any(part.name == relation.name and relation.admits(part.version) for part in candidate.provides)


def _fits(candidate: Candidate, relation: Relation) -> bool:
    if candidate.package.name == relation.name:
        return relation.admits(candidate.version)
    return _provides(candidate, relation)
