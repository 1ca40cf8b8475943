"""What manifests say of packages: where they come from, under which name, with which features, and what they tell."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.fuzzing.edits import HALF, changing
from support.fuzzing.settings import other_rust
from support.fuzzing.site import ONLINE, Edit, Site, replaced, rewrite
from support.programs import distribution_rust, program


def _library(site: Site, name: str, fact: str, more: str = "", *, place: str | None = None) -> Path:
    folder = site.package(name, more, place=place)
    where = folder.relative_to(site.root).as_posix()
    site.write(f"{where}/src/lib.rs", f"pub const FACT: &str = {fact};\n")
    return folder


def _swapped(path: Path, one: str, other: str) -> None:
    """Put one text in the place of another, or the other way round."""
    replaced(path, lambda text: text.replace(one, other) if one in text else text.replace(other, one))


def _renamed(site: Site) -> None:
    """A dependency under a name of its own, which is now one package and now another."""
    for name in ("first", "second"):
        _library(site, name, f'"{name}"')
    site.depend("renamed", '{ path = "../first", package = "first" }')
    site.facts["renamed"] = "renamed::FACT"

    def edit() -> str:
        one, other = (f'path = "../{name}", package = "{name}"' for name in ("first", "second"))
        _swapped(site.work / "app/Cargo.toml", one, other)
        return "another package under the same name"

    site.edits.append(edit)


def _inherited(site: Site) -> None:
    """A dependency and a version that the workspace names for all members."""
    folder = _library(site, "shared", 'env!("CARGO_PKG_VERSION")', "[features]\nextra = []\n")
    site.write(
        "work/shared/src/lib.rs",
        'pub const FACT: (&str, bool) = (env!("CARGO_PKG_VERSION"), cfg!(feature = "extra"));\n',
    )
    replaced(folder / "Cargo.toml", lambda text: text.replace('version = "0.1.0"', "version.workspace = true"))
    site.manifest["[workspace.package]"] = 'version = "0.2.0"\n'
    site.manifest["[workspace.dependencies]"] = 'shared = { path = "shared" }\n'
    site.depend("shared", "{ workspace = true }")
    site.facts["shared"] = 'format!("{:?}", shared::FACT)'

    def features() -> str:
        _swapped(site.work / "Cargo.toml", '"shared" }', '"shared", features = ["extra"] }')
        return "features of a dependency of the workspace"

    def version() -> str:
        _swapped(site.work / "Cargo.toml", 'version = "0.2.0"', 'version = "0.2.1"')
        return "the version of the workspace"

    def member() -> str:
        name = site.word()
        _library(site, name, '""')
        _swapped(site.work / "Cargo.toml", '"app",', f'"app", "{name}",')
        return "a member more"

    def default() -> str:
        _swapped(site.work / "Cargo.toml", "[workspace]\n", '[workspace]\ndefault-members = ["app"]\n')
        return "default members"

    site.edits += [features, version, member, default]


def _vendored(site: Site, name: str, patch: int, fact: str) -> Path:
    folder = site.package(name, place=f"work/vendor/{name}-{patch}", patch=patch)
    site.write(f"work/vendor/{name}-{patch}/.cargo-checksum.json", json.dumps({"files": {}}))
    site.write(f"work/vendor/{name}-{patch}/src/lib.rs", f"pub const FACT: &str = {fact};\n")
    site.configuration["source"] = (
        '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n'
    )
    return folder


def _versions(site: Site) -> None:
    """A vendored dependency of one version or another, or with a patch in its place."""
    for last in (0, 1):
        _vendored(site, "multi", last, f'"{last}"')
    _library(site, "patched", '"patched"', place="patched")
    replaced(site.root / "patched/Cargo.toml", lambda text: text.replace('"patched"', '"multi"'))
    site.depend("multi", '"=0.1.0"')
    site.manifest["[workspace.metadata.fz]"] = ""
    site.facts["multi"] = "multi::FACT"

    def version() -> str:
        _swapped(site.work / "app/Cargo.toml", '"=0.1.0"', '"=0.1.1"')
        return "another version of a vendored package"

    def patch() -> str:
        table = '[patch.crates-io]\nmulti = { path = "../patched" }\n'
        _swapped(site.work / "Cargo.toml", "[workspace.metadata.fz]\n", table)
        return "a patch comes or goes"

    def both() -> str:
        replaced(site.root / "patched/src/lib.rs", lambda _: f'pub const FACT: &str = "{site.word()}";\n')
        return "the source of a patch"

    site.edits += [version, patch, both]


def _git(site: Site) -> None:
    """A dependency in a git repository, which moves on.

    Some distributions have a cargo whose library for git is not the one that it was made with: it is another Rust's.
    """
    site.env |= other_rust()
    folder = site.root / "repository"
    _library(site, "from_git", '"w0"', place="repository")

    def commit() -> None:
        site.git("add", "-A", folder=folder)
        site.git("commit", "-q", "-m", site.word(), folder=folder)

    site.git("init", "-q", "-b", "main", folder=folder)
    commit()
    site.depend("from_git", f'{{ git = "file://{folder}", branch = "main" }}')
    site.facts["from_git"] = "from_git::FACT"

    def moved() -> str:
        rewrite(folder / "src/lib.rs", f'pub const FACT: &str = "{site.word()}";\n')
        commit()
        # an edit may have taken the other Rust away again
        env = {**os.environ, **distribution_rust(), **site.env, **other_rust(), **ONLINE}
        argv = (env.get("CARGO") or program("cargo"), "update", "-p", "from_git")
        done = subprocess.run(argv, cwd=site.work, env=env, check=False, capture_output=True)
        # an edit before it may have made a workspace that no cargo takes
        return f"a dependency in git has moved{', and cargo follows nobody' if done.returncode else ''}"

    site.edits += [moved, moved]


def _build_dependency(site: Site) -> None:
    """Features that a package has for a build script, and not for the program."""
    more = "[features]\nextra = []\n"
    _library(site, "helps", 'if cfg!(feature = "extra") { "extra" } else { "plain" }', more)
    folder = _library(site, "built", 'env!("FZ_HELPED")', '[build-dependencies]\nhelps = { path = "../helps" }\n')
    site.write("work/built/build.rs", 'fn main() { println!("cargo::rustc-env=FZ_HELPED={}", helps::FACT); }\n')
    for name in ("helps", "built"):
        site.depend(name, f'{{ path = "../{name}" }}')
        site.facts[name] = f"{name}::FACT"

    def edit() -> str:
        path = site.chance.choice((folder, site.work / "app")) / "Cargo.toml"
        _swapped(path, '"../helps" }', '"../helps", features = ["extra"] }')
        return f"features of a dependency of {path.parent.name}"

    site.edits += [edit, edit]


def _links(site: Site) -> None:
    """What one build script tells that of a package above."""
    declared = site.chance.choice(("", 'println!("cargo::rerun-if-changed=build.rs");'))
    read = 'std::fs::read_to_string("../assets/links.txt").unwrap_or_default()'
    _library(site, "fz_sys", '""')
    replaced(site.work / "fz_sys/Cargo.toml", lambda text: text + 'links = "fz"\n')
    site.write(
        "work/fz_sys/build.rs",
        f'fn main() {{ {declared} println!("cargo::metadata=fact={{}}", {read});'
        'println!("cargo::metadata=folder={}", std::env::current_dir().unwrap().join("../assets").display()); }\n',
    )
    _library(site, "uses_sys", 'env!("FZ_TOLD")', '[dependencies]\nfz_sys = { path = "../fz_sys" }\n')
    site.write(
        "work/uses_sys/build.rs",
        'fn main() { let told = std::env::var("DEP_FZ_FACT").unwrap();'
        'let folder = std::env::var("DEP_FZ_FOLDER").unwrap();'
        'let text = std::fs::read_to_string(format!("{folder}/told.txt")).unwrap_or_default();'
        f'{declared} println!("cargo::rustc-env=FZ_TOLD={{told}} {{text}}"); }}\n',
    )
    site.depend("uses_sys", '{ path = "../uses_sys" }')
    site.facts["uses_sys"] = "uses_sys::FACT"
    for name in ("links", "told"):
        site.edits += changing(site, site.write(f"work/assets/{name}.txt", site.word()))


def _edition(site: Site) -> None:
    """The edition, which file is the library, which kinds it has, and whether there is a build script."""
    folder = _library(site, "dated", '""', '[lib]\npath = "src/lib.rs"\n')
    text = "pub fn fact() -> &'static str {{ let name = of([1u8].into_iter().next()); {other} }}\n"
    text += "fn of<T>(_: T) -> &'static str {{ std::any::type_name::<T>() }}\n"
    reported = 'if option_env!("FZ_BUILT").is_some() { "built" } else { name }'
    site.write("work/dated/src/lib.rs", text.format(other=reported))
    site.write("work/dated/src/other.rs", text.format(other='let _ = name; "other"'))
    site.depend("dated", '{ path = "../dated" }')
    site.facts["dated"] = "dated::fact()"
    script = folder / "build.rs"

    def edition() -> str:
        _swapped(folder / "Cargo.toml", 'edition = "2021"', 'edition = "2018"')
        return "the edition"

    def library() -> str:
        _swapped(folder / "Cargo.toml", '"src/lib.rs"', '"src/other.rs"')
        return "the library's file"

    def built() -> str:
        if script.exists():
            script.unlink()
            return "a build script is removed"
        rewrite(script, 'fn main() { println!("cargo::rustc-env=FZ_BUILT=1"); }\n')
        return "a build script comes"

    def kinds() -> str:
        _swapped(folder / "Cargo.toml", "[lib]\n", '[lib]\ncrate-type = ["rlib", "staticlib"]\n')
        return "the library's kinds"

    site.edits += [edition, edition, built, kinds, library]


def _reported(site: Site) -> None:
    """What a package says of itself, in the program and in a build script, and comments in its manifest."""
    keys = {"authors": "[]", "homepage": '"h0"', "repository": '"r0"', "license": '"l0"'}
    folder = _library(site, "said", '""', "".join(f"{key} = {value}\n" for key, value in keys.items()))
    names = ", ".join(f'env!("CARGO_PKG_{key.upper()}")' for key in keys)
    site.write("work/said/src/lib.rs", f'pub const FACT: [&str; 5] = [{names}, env!("FZ_SAID")];\n')
    site.write(
        "work/said/build.rs",
        'fn main() { let text = std::fs::read_to_string("Cargo.toml").unwrap(); println!('
        '"cargo::rustc-env=FZ_SAID={}{}", text.len(), std::env::var("CARGO_PKG_HOMEPAGE").unwrap()); }\n',
    )
    site.depend("said", '{ path = "../said" }')
    site.facts["said"] = 'said::FACT.join(" ")'

    def reported(key: str) -> Edit:
        def edit() -> str:
            value = f'["{site.word()}"]' if key == "authors" else f'"{site.word()}"'
            lines = (folder / "Cargo.toml").read_text().splitlines()
            lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
            rewrite(folder / "Cargo.toml", "\n".join(lines) + "\n", time=site.chance.random() < HALF)
            return f"the {key} of a package"

        return edit

    def comment() -> str:
        replaced(folder / "Cargo.toml", lambda text: f"{text}# {site.word()}\n")
        return "a comment in a manifest"

    site.edits += [*map(reported, keys), comment]


DEPENDENCIES: dict[str, Callable[[Site], None]] = {
    "renamed dependency": _renamed,
    "workspace's dependency": _inherited,
    "versions and patches": _versions,
    "git dependency": _git,
    "build dependency": _build_dependency,
    "links": _links,
    "edition": _edition,
    "package's fields": _reported,
}
