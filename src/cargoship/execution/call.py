"""A call of rustc, as cargo makes it: what it compiles, which files it names, and whether another machine can do it.

Pure, and careful: of a word that is not known nobody knows what it reads, and such a call stays here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as hidden

from msgspec import Struct, field

REMAP = "--remap-path-prefix"
_TYPES = frozenset({"lib", "rlib"})
_PROGRAM = frozenset({"bin"})
_EMITS = frozenset({"dep-info", "metadata", "link"})
_OF_PROGRAM = frozenset({"dep-info", "link"})
_OWN_LINKER = re.compile(r"cargoship-[a-z0-9_-]+-linux-[a-z0-9]+-ld")
_ZIGBUILD_LINKER = re.compile(r"/.+/zigcc-[a-z0-9_.-]+\.sh")
_AFTER_LINK = frozenset({"split-debuginfo", "rpath", "prefer-dynamic"})
"""Options that have something to do with a program when it is linked, besides what a linker is told."""
_CODEGEN = frozenset(
    {
        *("opt-level", "panic", "lto", "embed-bitcode", "codegen-units", "debuginfo", "debug-assertions"),
        *("overflow-checks", "strip", "metadata", "extra-filename", "target-feature", "target-cpu", "linker"),
        *("link-arg", "link-args", "relocation-model", "code-model", "force-frame-pointers", "rpath"),
        *("force-unwind-tables", "symbol-mangling-version", "inline-threshold", "no-redzone", "relro-level"),
        *("link-dead-code", "prefer-dynamic", "linker-flavor", "default-linker-libraries", "soft-float"),
    }
)
"""Options whose values are no files, or files that only a linker reads (The rustc book, "Codegen Options")."""
_VALUE_FOLLOWS = frozenset(
    {
        *("--crate-name", "--edition", "--crate-type", "--emit", "--out-dir", "--target", "--cfg", "--check-cfg"),
        *("--extern", "--cap-lints", "--error-format", "--json", "--color", "--sysroot", "--diagnostic-width", REMAP),
        *("-C", "-L", "-l", "-A", "-W", "-D", "-F", "--codegen", "--allow", "--warn", "--deny", "--forbid"),
    }
)
_PLAIN = frozenset({"-g", "-O", "--verbose"})
_SHORT = ("-C", "-L", "-l", "-A", "-W", "-D", "-F")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,200}")
_SUFFIX = re.compile(r"-[0-9a-f]{16}")
_STATIC = re.compile(r"static(?::[+\-a-z,]+)?=(?P<name>[A-Za-z0-9_.+\-]+)(?::[A-Za-z0-9_.+\-]+)?")


class StaysHere(Exception):
    """Why a call is not made elsewhere. Never seen outside `execution`."""


class Word(Struct, frozen=True):
    """A word of a call: text, and an absolute path behind it, if it names one."""

    text: str
    path: str = ""


@dataclass(frozen=True)
class RustcCall:
    """A call that compiles a library, which no linker has a part in, or a program, which is linked here."""

    words: tuple[Word, ...]
    """What comes after the program."""
    cwd: str
    env: Mapping[str, str] = hidden(repr=False)
    crate: str
    suffix: str
    """What is behind the crate's name in the names of its files."""
    source: str
    """Absolute: where the crate begins."""
    out_dir: str
    target: str
    """The triple that it is compiled for; nothing for this machine's own."""
    emits: frozenset[str]
    externs: tuple[str, ...]
    """Absolute paths of the crates that it names."""
    folders: tuple[str, ...]
    """Where crates are that those depend on."""
    natives: tuple[str, ...]
    """Names of static libraries that become part of it, and"""
    native_folders: tuple[str, ...]
    """where they are looked for."""
    sysroot: str | None
    remaps: tuple[tuple[str, str], ...] = ()
    """Paths that are replaced in what rustc writes, and by what."""
    linker: str = ""
    """cargoship's own linker, by its name, or that of cargo-zigbuild, by its path, of a program; else nothing."""
    link_args: tuple[str, ...] = ()
    """What a user, or a build script, wants a linker to be told."""

    @property
    def is_program(self) -> bool:
        """Whether what is compiled is linked afterwards."""
        return bool(self.linker)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files that it makes elsewhere: of a program nobody knows the names of its objects before."""
        if self.is_program:
            return (self.dep_info,)
        made = {
            "link": f"{self.out_dir}/lib{self.crate}{self.suffix}.rlib",
            "metadata": f"{self.out_dir}/lib{self.crate}{self.suffix}.rmeta",
            "dep-info": self.dep_info,
        }
        return tuple(path for kind, path in made.items() if kind in self.emits)

    @property
    def dep_info(self) -> str:
        """The file that says what was read."""
        return f"{self.out_dir}/{self.crate}{self.suffix}.d"


def read_call(argv: Sequence[str], cwd: str, env: Mapping[str, str]) -> RustcCall:
    """Read the words after the program; raises StaysHere."""
    found = _Found(cwd)
    words = tuple(found.word(option, value, glue) for option, value, glue in _options(argv))
    return found.call(tuple(word for pair in words for word in pair), env)


class _Found(Struct):
    cwd: str
    values: dict[str, list[str]] = field(default_factory=dict)
    codegen: dict[str, str] = field(default_factory=dict)
    link_args: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def word(self, option: str, value: str, glue: str) -> tuple[Word, ...]:
        """An option as words; one that is for people alone is left out."""
        if option == "":
            self.sources.append(value)
            return (_moved("", value),)
        self.values.setdefault(option, []).append(value)
        if option == "--diagnostic-width":
            return ()
        if option == "-C":
            self._codegen(value)
        before, path = _path_in(option, value)
        if glue is _APART:
            return Word(option), _moved(before, path)
        return (_moved(f"{option}{glue}{before}", path),)

    def _codegen(self, value: str) -> None:
        name, _, setting = value.partition("=")
        name = name.replace("_", "-")
        if name == "split-debuginfo" and setting in {"off", "packed"}:
            if setting != "off":
                self.codegen[name] = setting
            return
        if name == "linker-plugin-lto" and not setting:
            # code of a library as bitcode alone, for programs with LTO: a plugin would be named
            return
        if name not in _CODEGEN or (name == "target-cpu" and setting == "native"):
            raise StaysHere(f"-C {name}{'=native' if name == 'target-cpu' else ''} is not known to read nothing here")
        self.codegen[name] = setting
        if name in {"link-arg", "link-args"}:
            self.link_args += [setting] if name == "link-arg" else setting.split()

    def call(self, words: tuple[Word, ...], env: Mapping[str, str]) -> RustcCall:
        """All of it; raises StaysHere."""
        types = {part for each in self.values.get("--crate-type", ()) for part in each.split(",")}
        emits = frozenset(part for each in self.values.get("--emit", ()) for part in each.split(","))
        target, crate = self._one("--target"), self._one("--crate-name")
        suffix = self.codegen.get("extra-filename", "")
        linker = self._linker(emits, env) if types == _PROGRAM else ""
        if not linker and (not types or not types <= _TYPES):
            raise StaysHere("it is no library, and no program")
        if target.endswith(".json"):
            raise StaysHere("its target is a file")
        if not linker and not {"dep-info", "metadata"} <= emits <= _EMITS:
            raise StaysHere("it makes more than a library")
        if len(self.sources) != 1 or not _IDENTIFIER.fullmatch(crate) or not _SUFFIX.fullmatch(suffix):
            raise StaysHere("it is not what cargo usually asks for")
        folders: dict[str, list[str]] = {"dependency": [], "native": []}
        for each in self.values.get("-L", ()):
            kind, mark, path = each.partition("=")
            if not mark or kind not in {"dependency", "native", "all", "crate", "framework"}:
                kind, path = "all", each
            for name, paths in folders.items():
                if kind in {name, "all", "crate"}:
                    paths.append(self._absolute(path))
        source = self._absolute(self.sources[0])
        return RustcCall(
            words, self.cwd, env, crate, suffix, source, self._absolute(self._one("--out-dir")), target, emits,
            tuple(self._absolute(each.partition("=")[2]) for each in self.values.get("--extern", ()) if "=" in each),
            tuple(folders["dependency"]), tuple(self._natives()), tuple(folders["native"]),
            self.values.get("--sysroot", [None])[-1], tuple(self._remaps()), linker, tuple(self.link_args),
        )  # fmt: skip

    def _remaps(self) -> Iterator[tuple[str, str]]:
        for each in self.values.get(REMAP, ()):
            # the last mark counts (rustc_session, `parse_remap_path_prefix`)
            before, _, after = each.rpartition("=")
            yield before, after

    def _linker(self, emits: frozenset[str], env: Mapping[str, str]) -> str:
        """That of a program; raises StaysHere where its objects are not all that linking it here takes."""
        linker = self.codegen.get("linker", "")
        if not linker and not self._one("--target"):
            raise StaysHere("it is a program for this machine")
        if not _OWN_LINKER.fullmatch(linker) and not _is_of_zigbuild(linker, env):
            raise StaysHere("it is a program that another linker than cargoship's makes")
        if emits != _OF_PROGRAM:
            raise StaysHere("it makes more than a program")
        if not _AFTER_LINK.isdisjoint(self.codegen):
            raise StaysHere("rustc has something to do with the linked program")
        return linker

    def _one(self, option: str) -> str:
        values = self.values.get(option, [])
        return values[0] if len(values) == 1 else ""

    def _natives(self) -> Iterator[str]:
        for each in self.values.get("-l", ()):
            match = _STATIC.fullmatch(each)
            if match is not None:
                yield match["name"]
            elif not each.startswith(("dylib", "framework", "raw-dylib", "link-arg")):
                raise StaysHere("nobody says what kind of library it is linked with")

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.cwd}/{path}"


def _is_of_zigbuild(linker: str, env: Mapping[str, str]) -> bool:
    """Whether it is the script of cargo-zigbuild's; one in a place that is watched has a record of its own."""
    known = env.get("CARGOSHIP_WATCH_SKIP", "").split(":") if "CARGOSHIP_WATCH" in env else ["/"]
    if not _ZIGBUILD_LINKER.fullmatch(linker) or os.path.normpath(linker) != linker:
        return False
    return linker.startswith(tuple(f"{folder.rstrip('/')}/" for folder in known if folder))


_APART = "apart"


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Options with their values, and what is between: nothing, `=`, or _APART. A source has no option."""
    rest = iter(argv)
    for word in rest:
        if word in _VALUE_FOLLOWS:
            value = next(rest, None)
            if value is None:
                raise StaysHere("it is not what cargo usually asks for")
            yield {"--codegen": "-C"}.get(word, word), value, _APART
        elif word.startswith("--"):
            option, mark, value = word.partition("=")
            if option not in _VALUE_FOLLOWS or not mark:
                if word not in _PLAIN:
                    raise StaysHere(f"{option} is not known to read nothing here")
                yield word, "", ""
            else:
                yield option, value, mark
        elif word.startswith("-"):
            short = next((each for each in _SHORT if word.startswith(each) and word != each), None)
            if short is None and word not in _PLAIN:
                raise StaysHere(f"{word} is not known to read nothing here")
            yield (word, "", "") if short is None else (short, word[len(short) :], "")
        elif word.startswith("@"):
            raise StaysHere("its words are in a file")
        else:
            yield "", word, ""


def _path_in(option: str, value: str) -> tuple[str, str]:
    """A value as what is before its path, and the path; the path is the value where there is none."""
    if option in {"--out-dir", "--sysroot", REMAP}:
        return "", value
    if option not in {"-L", "--extern"}:
        return value, ""
    before, mark, path = value.partition("=")
    return (before + mark, path) if mark and path.startswith("/") else ("", value)


def _moved(text: str, path: str) -> Word:
    if not path.startswith("/"):
        return Word(text + path)
    whole = path.partition("=")[0] if "=" in path else path
    if os.path.normpath(whole) != whole:
        raise StaysHere("a path in it is not plain")
    return Word(text, path)
