"""Ways in which a build reads something: each adds a fact to a site's program, and edits that change it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.fuzzing.edits import HALF, changing, listed, setting
from support.fuzzing.site import Site, rewrite

_SCRIPT = """use std::process::Command;
fn said(command: &mut Command) -> String {{
    String::from_utf8_lossy(&command.output().unwrap().stdout).trim().to_string()
}}
fn names(folder: &str) -> String {{
    let mut all: Vec<_> = std::fs::read_dir(folder).map(|all| {{
        all.map(|each| each.unwrap().file_name().into_string().unwrap()).collect()
    }}).unwrap_or_default();
    all.sort();
    all.join(",")
}}
fn walked(folder: &std::path::Path) -> String {{
    let mut all: Vec<_> = std::fs::read_dir(folder).map(|all| {{
        all.map(|each| each.unwrap()).map(|each| {{
            let inner = if each.path().is_dir() {{ walked(&each.path()) }} else {{
                std::fs::read_to_string(each.path()).unwrap_or_default()
            }};
            format!("{{}}:{{inner}}", each.file_name().display())
        }}).collect()
    }}).unwrap_or_default();
    all.sort();
    all.join(",")
}}
fn main() {{
    let _ = (said as fn(&mut Command) -> String, names as fn(&str) -> String, walked as fn(&std::path::Path) -> String);
    {declared}
    let fact: String = {body};
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::write(out.join("fact.txt"), fact).unwrap();
}}
"""
_FACT = 'pub const FACT: &str = include_str!(concat!(env!("OUT_DIR"), "/fact.txt"));\n'
# FZ_FILE is a path, another one in each checkout.
_MACROS = """use proc_macro::TokenStream;
fn path(input: &TokenStream) -> std::path::PathBuf {
    let text = input.to_string();
    std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(text.trim_matches('"'))
}
fn literal(text: &str) -> TokenStream {
    format!("{text:?}").parse().unwrap()
}
#[proc_macro]
pub fn read(input: TokenStream) -> TokenStream {
    literal(&std::fs::read_to_string(path(&input)).unwrap_or("absent".into()))
}
#[proc_macro]
pub fn list(input: TokenStream) -> TokenStream {
    let mut all: Vec<_> = std::fs::read_dir(path(&input)).map(|all| {
        all.map(|each| each.unwrap().file_name().into_string().unwrap()).collect()
    }).unwrap_or_default();
    all.sort();
    literal(&all.join(","))
}
#[proc_macro]
pub fn exists(input: TokenStream) -> TokenStream {
    literal(if path(&input).exists() { "there" } else { "absent" })
}
#[proc_macro]
pub fn here(input: TokenStream) -> TokenStream {
    let place = input.to_string();
    literal(&std::fs::read_to_string(place.trim_matches('"')).unwrap_or("absent".into()))
}
#[proc_macro]
pub fn variables(_: TokenStream) -> TokenStream {
    let wanted = |name: &str| name.starts_with("FZ_") && name != "FZ_FILE";
    let mut all: Vec<_> = std::env::vars().filter(|each| wanted(&each.0)).map(|each| each.1).collect();
    all.sort();
    literal(&all.join(","))
}
#[proc_macro]
pub fn variable(input: TokenStream) -> TokenStream {
    literal(&std::env::var(input.to_string().trim_matches('"')).unwrap_or("unset".into()))
}
"""
# The value of build.rs's only expression, for each way of reading; {p} is a place that the edits change.
_READS = {
    "own file": 'std::fs::read_to_string("data.txt").unwrap_or("absent".into())',
    "readme": 'std::fs::read_to_string("README.md").unwrap_or("absent".into())',
    "file": 'std::fs::read_to_string("{p}").unwrap_or("absent".into())',
    "file in a thread": (
        'std::thread::spawn(|| std::fs::read_to_string("{p}")).join().unwrap().unwrap_or("absent".into())'
    ),
    "canonical": 'std::fs::canonicalize("{p}").and_then(std::fs::read_to_string).unwrap_or("absent".into())',
    "length": 'std::fs::metadata("{p}").map(|each| each.len().to_string()).unwrap_or("absent".into())',
    "exists": 'std::path::Path::new("{p}").exists().to_string()',
    "shell": 'said(Command::new("sh").args(["-c", "cat {p} 2>/dev/null || echo absent"]))',
    "link": 'std::fs::read_link("{p}").map(|each| each.display().to_string()).unwrap_or("absent".into())',
    "kind": 'std::fs::symlink_metadata("{p}").map(|each| format!("{:?}", each.file_type())).unwrap_or("absent".into())',
    "mode": (
        'std::fs::metadata("{p}").map(|each| (std::os::unix::fs::PermissionsExt::mode(&each.permissions()) & 0o111)'
        '.to_string()).unwrap_or("absent".into())'
    ),
    "around": 'std::fs::read_to_string("../assets/../{p}").unwrap_or("absent".into())',
    "python": 'said(Command::new("python3").args(["-c", "print(open(\'{p}\').read())"]))',
    "bytes mapped by grep": 'said(Command::new("grep").args(["-c", "w", "{p}"]))',
    "bare child": 'said(Command::new("/bin/cat").env_clear().arg("{p}"))',
}
_LISTS = {
    "names": 'names("{p}")',
    "walk": 'walked("{p}".as_ref())',
    "pattern": 'said(Command::new("sh").args(["-c", "echo {p}/*"]))',
    "linked": 'std::fs::canonicalize("{p}").map(|all| names(all.to_str().unwrap())).unwrap_or_default()',
    "find": 'said(Command::new("sh").args(["-c", "find {p} -type f | LC_ALL=C sort | xargs cat"]))',
}
_NAME = "FZ_SCRIPT"
_VARIABLES = {
    "variable": f'std::env::var("{_NAME}").unwrap_or("unset".into())',
    "all variables": (
        '{ let mut all: Vec<_> = std::env::vars().filter(|(name, _)| name.starts_with("FZ_") && name != "FZ_FILE")'
        '.map(|(name, value)| format!("{name}={value}")).collect(); all.sort(); all.join(",") }'
    ),
    "named by a child": f'said(Command::new("printenv").arg("{_NAME}"))',
    "given to a child": (
        'said(Command::new("sh").args(["-c", "echo $FZ_GIVEN"])'
        f'.env("FZ_GIVEN", std::env::var("{_NAME}").unwrap_or_default()))'
    ),
    "child's variable": f'said(Command::new("sh").args(["-c", "echo ${_NAME}"]))',
}
_GIT = {
    "commit": 'said(Command::new("git").args(["rev-parse", "HEAD"]))',
    "describe": 'said(Command::new("git").args(["describe", "--tags", "--always"]))',
    "status": 'said(Command::new("git").args(["status", "--porcelain"]))',
    "files": 'said(Command::new("git").args(["ls-files", "-s"]))',
    "time of the commit": 'said(Command::new("git").args(["log", "-1", "--format=%ct"]))',
    "branch": 'said(Command::new("git").args(["symbolic-ref", "HEAD"]))',
    "head file": 'std::fs::read_to_string("../.git/HEAD").unwrap_or("absent".into())',
}
_DECLARES = ("", 'println!("cargo::rerun-if-changed=build.rs");')


def _script(site: Site, name: str, body: str) -> Path:
    """A package with a build script that computes its fact, in the workspace or outside of it; its folder."""
    declared = site.chance.choice(_DECLARES)
    folder = site.package(name, place=site.chance.choice([None, None, f"{name}-outside"]))
    where = folder.relative_to(site.root).as_posix()
    site.write(f"{where}/build.rs", _SCRIPT.format(declared=declared, body=body))
    site.write(f"{where}/src/lib.rs", _FACT)
    site.depend(name, f'{{ path = "{"../" if where.startswith("work/") else "../../"}{folder.name}" }}')
    site.facts[name] = f"{name}::FACT"
    return folder


def _script_reads(way: str, site: Site) -> None:
    name = "script_" + way.replace(" ", "_")
    where = "data.txt" if way == "own file" else "README.md" if way == "readme" else f"../assets/{name}.txt"
    folder = _script(site, name, _READS[way].replace("{p}", where))
    path = (folder / where).resolve()
    rewrite(path, site.word())
    site.edits += changing(site, path)


def _script_lists(way: str, site: Site) -> None:
    name = f"script_{way}"
    folder = _script(site, name, _LISTS[way].replace("{p}", f"../assets/{name}"))
    site.edits += listed(site, (folder / f"../assets/{name}").resolve())


def _script_looks(way: str, site: Site) -> None:
    _script(site, "script_" + way.replace(" ", "_").replace("'", ""), _VARIABLES[way])
    site.edits += [setting(site, _NAME), setting(site, "FZ_OTHER")]


def _script_git(way: str, site: Site) -> None:
    _script(site, "script_" + way.replace(" ", "_"), _GIT[way])

    def commit() -> str:
        site.commit()
        return "a commit"

    def tag() -> str:
        site.git("tag", site.word())
        return "a tag"

    def branch() -> str:
        site.git("checkout", "-q", "-b", site.word())
        return "another branch"

    def dirty() -> str:
        rewrite(site.work / "tracked.txt", site.word(), time=site.chance.random() < HALF)
        return "a file that git knows"

    site.write("work/tracked.txt", site.word())
    site.edits += [commit, tag, branch, dirty]


def _macros(site: Site) -> None:
    if "macros" not in site.members:
        folder = site.package("macros", "[lib]\nproc-macro = true\n")
        (folder / "src").mkdir()
        (folder / "src/lib.rs").write_text(_MACROS)
        site.depend("macros", '{ path = "../macros" }')


def _sibling(site: Site) -> None:
    """A macro that lists the folder of a sibling member, which its own package does not depend on."""
    _macros(site)
    site.write("work/sibling/src/lib.rs", "")
    site.package("sibling")
    site.facts["sibling"] = 'macros::list!("../sibling/plugins")'
    site.edits += listed(site, site.work / "sibling/plugins")


def _macro(way: str, place: str, site: Site) -> None:
    _macros(site)
    site.facts[f"macro_{way}_{len(site.facts)}"] = f'macros::{way}!("{place}")'
    if way.startswith("variable"):
        site.edits.append(setting(site, place))
        return
    # cargo starts compilers of members in the workspace's folder
    path = (site.work / ("" if way == "here" else "app") / place).resolve()
    if way == "list":
        site.edits += listed(site, path)
        return
    rewrite(path, site.word())
    site.edits += changing(site, path)


SCRIPTS: dict[str, Callable[[Site], None]] = {
    **{f"script: {way}": partial(_script_reads, way) for way in _READS},
    **{f"script: {way}": partial(_script_lists, way) for way in _LISTS},
    **{f"script: {way}": partial(_script_looks, way) for way in _VARIABLES},
    **{f"script: git {way}": partial(_script_git, way) for way in _GIT},
}
MACROS: dict[str, Callable[[Site], None]] = {
    "macro: lists a sibling": _sibling,
    **{
        f"macro: {way} {place}": partial(_macro, way, place)
        for way, place in (
            ("read", "../assets/macro.txt"),
            ("read", "src/own.txt"),
            ("read", "src/unused.rs"),
            ("read", "../../macro.txt"),
            ("list", "../assets/macro-list"),
            ("list", "migrations"),
            ("exists", "../assets/macro-flag"),
            ("variable", "FZ_MACRO"),
            ("variables", "FZ_MACROS"),
            ("here", "../work/assets/macro-here.txt"),
        )
    },
}
