"""What a build is given from outside of manifests: profiles, flags at each place, tools, cargo's folder, targets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from support.fuzzing.site import Edit, Site, remove, replaced, rewrite
from support.programs import distribution_rust

_GNU, _MUSL = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
_OTHER_RUST = ("stable", "1.95.0")


def other_rust() -> dict[str, str]:
    """The environment that names another Rust than that of the distribution, where this machine has one of rustup's."""
    home = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup") / "toolchains"
    found = [path for name in _OTHER_RUST for path in sorted(home.glob(f"{name}*/bin"))]
    if not found or not distribution_rust():
        return {}
    return {"RUSTC": str(found[0] / "rustc"), "CARGO": str(found[0] / "cargo")}


def _in_turns(path: Path, text: str, what: str) -> Edit:
    """Add a text to a file's end, or take it away."""

    def edit() -> str:
        replaced(path, lambda was: was.replace(text, "") if text in was else was + text)
        return what

    return edit


def _given(site: Site, name: str, value: str) -> Edit:
    """Set a variable, or take it away."""

    def edit() -> str:
        if site.env.pop(name, None) is None:
            site.env[name] = value
        return name

    return edit


def _profiles(site: Site) -> None:
    """Profiles in the manifest and in the environment, for all, for one package, and for build scripts."""
    site.package("over")
    script = 'fn main() {{ println!("cargo::rustc-env=FZ_OVER={{}} {{}}", cfg!(debug_assertions), {}); }}\n'
    level = 'std::env::var("OPT_LEVEL").unwrap()'
    site.write("work/over/build.rs", script.format(level))
    site.write("work/over/src/lib.rs", 'pub const FACT: (bool, &str) = (cfg!(debug_assertions), env!("FZ_OVER"));\n')
    site.depend("over", '{ path = "../over" }')
    site.facts |= {"over": 'format!("{:?}", over::FACT)', "abort": 'cfg!(panic = "abort")'}
    site.facts["assertions"] = "cfg!(debug_assertions)"
    manifest, profile = site.work / "Cargo.toml", f"[profile.{site.profile}"
    for table, value in (
        (".package.over]", "debug-assertions = true\n"),
        (".package.over]", "opt-level = 2\n"),
        (".build-override]", "debug-assertions = true\n"),
        ("]", 'panic = "abort"\n'),
    ):
        site.edits.append(_in_turns(manifest, f"{profile}{table}\n{value}", f"a profile: {value.strip()}"))
    name = f"CARGO_PROFILE_{site.profile.upper()}"
    site.edits += [_given(site, f"{name}_DEBUG_ASSERTIONS", "true"), _given(site, f"{name}_OPT_LEVEL", "1")]


def _flagged(site: Site) -> None:
    """Flags in each place that cargo takes them from, for any target and for those of the build."""
    names = ("encoded", "build", "target", "any", "variable")
    site.facts |= {f"flag_{name}": f"cfg!(fz_{name})" for name in names}
    site.configuration.setdefault("", "")
    own = site.work / ".cargo" / "config.toml"
    flags = 'rustflags = ["--cfg", "fz_{}"]\n'
    table = "[target.{}]\n" + flags.format("target")

    def both() -> str:
        if site.env.pop("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", None) is None:
            for triple in (_GNU, _MUSL):
                name = f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUSTFLAGS"
                site.env[name] = "--cfg fz_variable"
        else:
            del site.env["CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS"]
        return "flags of a target in variables"

    site.edits += [
        _given(site, "CARGO_ENCODED_RUSTFLAGS", "--cfg\x1ffz_encoded"),
        _given(site, "CARGO_BUILD_RUSTFLAGS", "--cfg fz_build"),
        _in_turns(own, table.format(_GNU) + table.format(_MUSL), "flags of targets"),
        _in_turns(own, "[target.'cfg(unix)']\n" + flags.format("any"), "flags of what is unix"),
        both,
    ]


def _warned(site: Site) -> None:
    """Code that a lint complains of, and flags that make it an error or nothing."""
    site.write("work/warned/src/lib.rs", "pub fn fact() -> u8 {\n    let unused = 1;\n    7\n}\n")
    site.package("warned")
    site.depend("warned", '{ path = "../warned" }')
    site.facts["warned"] = "warned::fact()"

    def edit() -> str:
        flags = site.chance.choice(("-D warnings", "-D warnings --cap-lints warn", "--cap-lints allow", ""))
        site.env["RUSTFLAGS"] = flags
        return f"RUSTFLAGS: {flags}"

    site.edits += [edit, edit]


def _tools(site: Site) -> None:
    """A compiler of another version, and one that a file asks for."""
    _script(site, "tool", 'std::process::Command::new(std::env::var("RUSTC").unwrap()).arg("-V").output().unwrap()')

    def edit() -> str:
        if site.env.pop("RUSTC", None) is None:
            site.env |= other_rust()
        else:
            site.env.pop("CARGO", None)
        return "another Rust"

    def asked() -> str:
        rewrite(site.work / "rust-toolchain.toml", f'[toolchain]\nchannel = "{site.word()}"\n')
        return "rust-toolchain.toml"

    site.edits += [edit, asked]


def _wrapped(site: Site) -> None:
    """Programs that stand before the compiler: their text, a file and a variable say what it compiles."""
    site.facts |= {"wrapped": "cfg!(fz_wrapped)", "workspace_wrapped": "cfg!(fz_workspace_wrapped)"}
    # sh, since a wrapper that is not started by the kernel itself is an error
    wrapper = '#!/bin/sh\n{} && case "$*" in *"--crate-name app"*) set -- "$@" --cfg={};; esac\nexec "$@"{}\n'

    def wrapping(name: str, flag: str) -> list[Edit]:
        # what asks for the version and for what is set gets the same answer
        beside, variable = site.work / f"{flag}.on", flag.upper()
        asks = f'{{ [ -n "${variable}" ] || [ -e {beside} ]; }}'
        path = site.write(f"{flag}.sh", wrapper.format(asks, flag, ""))
        path.chmod(0o755)
        site.env[name] = str(path)

        def text() -> str:
            has = "--cap-lints" in path.read_text()
            more = f'"$(case "$*" in *"--crate-name app"*) echo --cfg={flag};; *) echo --cap-lints=warn;; esac)"'
            rewrite(path, wrapper.format(asks, flag, "" if has else f" {more}"))
            path.chmod(0o755)
            return f"{name} does something else"

        def file() -> str:
            if beside.exists():
                remove(beside)
            else:
                rewrite(beside, "")
            return f"a file that {name} looks for"

        def value() -> str:
            if site.env.pop(variable, None) is None:
                site.env[variable] = "1"
            return f"a variable that {name} looks at"

        return [text, file, value]

    site.edits += [
        *wrapping("RUSTC_WRAPPER", "fz_wrapped"),
        *wrapping("RUSTC_WORKSPACE_WRAPPER", "fz_workspace_wrapped"),
    ]


def _home(site: Site) -> None:
    """Configuration in cargo's own folder, of either name."""
    home = site.root / "home"
    site.write("home/config.toml", '[env]\nFZ_HOME = "h0"\n')
    site.env["CARGO_HOME"] = str(home)
    site.facts |= {"home": 'option_env!("FZ_HOME").unwrap_or("unset")', "home_flag": "cfg!(fz_home)"}

    def value() -> str:
        rewrite(home / "config.toml", f'[env]\nFZ_HOME = "{site.word()}"\n')
        return "a variable in cargo's folder"

    def other_name() -> str:
        if (home / "config").exists():
            remove(home / "config")
        else:
            rewrite(home / "config", '[build]\nrustflags = ["--cfg", "fz_home"]\n')
        return "a configuration without an ending, in cargo's folder"

    flags = _in_turns(home / "config.toml", '[build]\nrustflags = ["--cfg", "fz_home"]\n', "flags in cargo's folder")
    site.edits += [value, other_name, flags]


def _target(site: Site) -> None:
    """The folder and the target that the configuration names."""
    site.configuration.setdefault("", "")
    site.facts["target"] = 'option_env!("FZ_TARGET").unwrap_or("unset")'

    def written() -> None:
        path = site.work / ".cargo/config.toml"
        lines = [line for line in path.read_text().splitlines(keepends=True) if " # fz" not in line]
        lines.append(f'build.target-dir = "{site.target_dir}" # fz\n')
        lines += [f'build.target = "{site.target}" # fz\n'] if site.target else []
        lines.append(f'env.FZ_TARGET = {{ value = "{site.word()}", force = true }} # fz\n')
        # keys with dots belong to no table only before the first
        rewrite(path, "".join(sorted(lines, key=lambda line: " # fz" not in line)))

    def folder() -> str:
        site.target_dir = "target" if site.target_dir != "target" else "target-elsewhere"
        written()
        return "target-dir"

    def triple() -> str:
        site.target = "" if site.target else _GNU
        written()
        return "the target in the configuration"

    site.edits += [folder, triple]


def _script(site: Site, name: str, output: str) -> None:
    """A package whose fact is what a program says to its build script."""
    site.package(name)
    text = f'println!("cargo::rustc-env=FZ_{name.upper()}={{}}", String::from_utf8({output}.stdout).unwrap());'
    site.write(f"work/{name}/build.rs", f"fn main() {{ {text} }}\n")
    site.write(f"work/{name}/src/lib.rs", f'pub const FACT: &str = env!("FZ_{name.upper()}");\n')
    site.depend(name, f'{{ path = "../{name}" }}')
    site.facts[name] = f"{name}::FACT"


SETTINGS: dict[str, Callable[[Site], None]] = {
    "profiles": _profiles,
    "flags everywhere": _flagged,
    "warnings": _warned,
    "tools": _tools,
    "wrappers": _wrapped,
    "cargo's folder": _home,
    "target": _target,
}
