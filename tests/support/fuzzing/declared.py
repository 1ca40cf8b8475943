"""What cargo and rustc themselves say that they read: manifests, configuration, flags, sources of other folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from support.fuzzing.edits import HALF, changing, listed, setting
from support.fuzzing.site import Edit, Site, replaced, rewrite


def _include(site: Site) -> None:
    """A file of the workspace's root, of a folder beside the workspace, and sources of another folder."""
    for name, place in (("inside", "work/assets/include.txt"), ("outside", "include.txt")):
        path = site.write(place, site.word())
        up = "../../../" if name == "outside" else "../../"
        included = f'include_bytes!("{up}{place.removeprefix("work/")}")'
        site.facts[f"include_{name}"] = f"String::from_utf8_lossy({included})"
        site.edits += changing(site, path)
    sources = site.write("work/common/words.rs", f'pub const WORD: &str = "{site.word()}";\n')

    def edit() -> str:
        rewrite(sources, f'pub const WORD: &str = "{site.word()}";\n', time=site.chance.random() < HALF)
        return "a source file of another folder"

    site.write("work/words/src/lib.rs", '#[path = "../../common/words.rs"]\nmod words;\npub use words::WORD;\n')
    site.package("words")
    site.depend("words", '{ path = "../words" }')
    site.facts["path"] = "words::WORD"
    site.edits.append(edit)


def _manifests(site: Site) -> None:
    """Packages outside of the workspace, one of which inherits from a workspace of its own."""
    description = 'pub const FACT: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"));\n'
    loud = 'pub const LOUD: bool = cfg!(feature = "loud");\n'
    outside = site.package("outside", 'description = "d0"\n[features]\ndefault = []\nloud = []\n', place="outside")
    site.write("outside/src/lib.rs", description + loud)
    site.depend("outside", '{ path = "../../outside" }')
    site.facts |= {"outside": "outside::FACT", "outside_loud": "outside::LOUD"}
    site.write("other/Cargo.toml", '[workspace]\nmembers = ["heir"]\n[workspace.package]\ndescription = "d0"\n')
    site.write(
        "other/heir/Cargo.toml",
        '[package]\nname = "heir"\nversion = "0.1.0"\nedition = "2021"\ndescription.workspace = true\n',
    )
    site.write("other/heir/src/lib.rs", description)
    site.depend("heir", '{ path = "../../other/heir" }')
    site.facts["heir"] = "heir::FACT"

    def described() -> str:
        path = site.chance.choice(
            [outside / "Cargo.toml", site.root / "other/Cargo.toml", site.work / "app/Cargo.toml"]
        )
        replaced(path, lambda text: _other_value(text, "description", site.word()))
        return f"another description in {path.relative_to(site.root)}"

    def featured() -> str:
        rewrite(
            outside / "Cargo.toml", _toggled((outside / "Cargo.toml").read_text(), "default = []", 'default = ["loud"]')
        )
        return "other default features of a package outside"

    site.facts["app"] = 'env!("CARGO_PKG_DESCRIPTION")'
    site.edits += [described, described, featured]


def _patched(site: Site) -> None:
    """A vendored package, and one that a patch replaces."""
    for name in ("vend", "fixed"):
        site.write(f"work/vendor/{name}/.cargo-checksum.json", json.dumps({"files": {}}))
        site.package(name, place=f"work/vendor/{name}")
        site.write(f"work/vendor/{name}/src/lib.rs", f'pub const FACT: &str = "{site.word()}";\n')
        site.depend(name, '"0.1"')
        site.facts[name] = f"{name}::FACT"
    site.package("fixed", place="fixed", patch=1)
    site.write("fixed/src/lib.rs", f'pub const FACT: &str = "{site.word()}";\n')
    site.manifest["[patch.crates-io]"] = 'fixed = { path = "../fixed" }\n'
    site.configuration["source"] = (
        '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n'
    )
    for place in ("fixed", "work/vendor/vend"):

        def edit(path: Path = site.root / place / "src/lib.rs") -> str:
            rewrite(path, f'pub const FACT: &str = "{site.word()}";\n')
            return f"the source of {path.relative_to(site.root)}"

        site.edits.append(edit)


def _configuration(site: Site) -> None:
    """Configuration in the workspace, in a file that it includes, and beside the workspace."""
    parts = site.configuration
    parts[""] = 'include = ["more.toml"]\n'
    parts["env"] = '[env]\nFZ_CONF = "c0"\nFZ_FILE = { value = "assets", relative = true, force = true }\n'
    more = site.write("work/.cargo/more.toml", '[env]\nFZ_MORE = "m0"\n')
    parent = site.write(".cargo/config.toml", '[env]\nFZ_PARENT = "p0"\n')
    for name in ("FZ_CONF", "FZ_MORE", "FZ_PARENT"):
        site.facts[name] = f'option_env!("{name}").unwrap_or("unset")'
    own = site.work / ".cargo" / "config.toml"

    def value(path: Path, name: str) -> Edit:
        def edit() -> str:
            replaced(path, lambda text: _other_value(text, name, site.word()))
            return f"{name} in {path.relative_to(site.root)}"

        return edit

    def flagged() -> str:
        path = site.chance.choice([more, parent])
        text = path.read_text()
        flags = '[build]\nrustflags = ["--cfg", "fz_flag"]\n'
        rewrite(path, text.replace(flags, "") if flags in text else text + flags)
        return f"flags in {path.relative_to(site.root)}"

    def profiled() -> str:
        text = more.read_text()
        profile = "[profile.release]\ndebug-assertions = true\n"
        rewrite(more, text.replace(profile, "") if profile in text else text + profile)
        return "a profile in the included file"

    site.facts |= {"flag": "cfg!(fz_flag)", "assertions": "cfg!(debug_assertions)"}
    site.edits += [value(own, "FZ_CONF"), value(more, "FZ_MORE"), value(parent, "FZ_PARENT"), flagged, profiled]


def _flags(site: Site) -> None:
    """Flags, variables and features of the build itself."""
    site.facts |= {
        "option": 'option_env!("FZ_OPTION").unwrap_or("unset")',
        "own_flag": "cfg!(fz_own)",
        "loud": 'cfg!(feature = "loud")',
    }

    def flags() -> str:
        if site.env.pop("RUSTFLAGS", None) is None:
            site.env["RUSTFLAGS"] = "--cfg fz_own"
        return "RUSTFLAGS"

    def features() -> str:
        if site.options:
            site.options.clear()
        else:
            site.options += ["--features", "app/loud"]
        return "features"

    site.edits += [setting(site, "FZ_OPTION"), flags, features]


def _lints(site: Site) -> None:
    """A lint of the workspace that the code breaks, or not any more."""
    site.write("work/linted/src/lib.rs", "pub fn fact() -> u8 {\n    let unused = 1;\n    7\n}\n")
    site.package("linted", "[lints]\nworkspace = true\n")
    site.depend("linted", '{ path = "../linted" }')
    site.facts["linted"] = "linted::fact()"

    def forbidden() -> str:
        path = site.work / "Cargo.toml"
        rewrite(
            path,
            _toggled(
                path.read_text(), "[workspace.lints.rust]\n", '[workspace.lints.rust]\nunused_variables = "forbid"\n'
            ),
        )
        return "a lint"

    site.edits.append(forbidden)


def _sources(site: Site) -> None:
    """Modules that come and go, and a program's own source."""
    site.package("modules")
    site.write("work/modules/src/lib.rs", "mod a;\npub use a::FACT;\n")
    path = site.write("work/modules/src/a.rs", 'pub const FACT: &str = "a0";\n')
    site.depend("modules", '{ path = "../modules" }')
    site.facts["modules"] = "modules::FACT"

    def moved() -> str:
        other = path.parent / "a" / "mod.rs"
        there, new = (path, other) if path.exists() else (other, path)
        there.unlink()
        rewrite(new, f'pub const FACT: &str = "{site.word()}";\n')
        return "a module moves to another file"

    def edit() -> str:
        place = path if path.exists() else path.parent / "a" / "mod.rs"
        rewrite(place, f'pub const FACT: &str = "{site.word()}";\n', time=site.chance.random() < HALF)
        return "a module's source"

    site.edits += [moved, edit, *listed(site, site.work / "unrelated")]


def _other_value(text: str, name: str, value: str) -> str:
    lines = [f'{name} = "{value}"' if line.startswith(f"{name} =") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _toggled(text: str, plain: str, more: str) -> str:
    return text.replace(more, plain) if more in text else text.replace(plain, more)


DECLARED: dict[str, Callable[[Site], None]] = {
    "includes": _include,
    "manifests": _manifests,
    "patches and vendored": _patched,
    "configuration": _configuration,
    "flags": _flags,
    "lints": _lints,
    "sources": _sources,
}
