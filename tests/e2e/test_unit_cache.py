"""The unit cache as a user meets it: cargoship build on one machine, and then on an empty one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.cargo_units import Change, create, edit
from support.kept import cache_folder
from support.programs import RunCargoship, distribution_rust, run
from support.projects import project
from support.registry import RunningRegistry
from support.results import digests
from support.unit_projects import write_workspace

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Kept:
    """A project that was built with a cache, the cache, and the reference that the build printed."""

    project: Path
    cache: Path
    remote: str
    printed: str


@pytest.fixture(scope="module")
def kept(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    project = write_workspace(folder / "project")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=project)
    remote = f"registry:{docker_registry.host}/units:cache"
    done = run_cargoship("build", project, "-p", "app", "--cache-to", f"dir:{folder / 'cache'}", "--cache-to", remote)
    assert "Kept" in done.stderr
    return Kept(project, folder / "cache", remote, done.stdout)


def empty_machine(kept: Kept, folder: Path, *changes: Change) -> tuple[Path, Mapping[str, str]]:
    """A fresh checkout where cargo has downloaded nothing yet."""
    place = folder / "elsewhere"
    shutil.copytree(kept.project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
    for change in changes:
        change(place)
    return place, {"CARGO_HOME": str(folder / "cargo-home")}


def test_nothing_changed(run_cargoship: RunCargoship, kept: Kept, tmp_path: Path) -> None:
    place, env = empty_machine(kept, tmp_path)
    done = run_cargoship("build", place, "-p", "app", "--cache-from", f"dir:{kept.cache}", env=env)
    assert digests(done.stdout) == digests(kept.printed)
    assert "nothing has changed since an earlier build" in done.stderr
    # and the account of the build, which `cache explain` reads
    made = {path.name for path in (place / "target").iterdir()}
    assert made == {"cargoship", ".cargoship-units.json", "CACHEDIR.TAG"}
    assert not (tmp_path / "cargo-home" / "registry").exists()


@pytest.mark.parametrize(
    ("changes", "env"),
    [
        ((edit("app/src/main.rs", "{MADE}", "{MADE}!"),), {}),
        ((create("helper/sql/one.sql", "select 1"),), {}),
        ((create("app/src/bin/more.rs", "fn main() {}\n"),), {}),
        ((create(".cargo/config.toml", "[profile.release]\nopt-level = 1\n"),), {}),
        ((), {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1"}),
        ((), {"RUSTFLAGS": "-C debuginfo=0 -C opt-level=1"}),
        ((), {"CC_x86_64_unknown_linux_musl": "clang"}),
        ((edit("helper/README.md", "nothing", "something"),), {"SOMETHING": "else"}),
    ],
    ids=["code", "unread", "program", "config", "profile", "flags", "compiler", "nothing"],
)
def test_a_change_is_never_passed_over(
    run_cargoship: RunCargoship,
    kept: Kept,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    changes: tuple[Change, ...],
    env: Mapping[str, str],
) -> None:
    place, _ = empty_machine(kept, tmp_path, *changes)
    words = ("build", place, "-p", "app", "--bin", "app", "--cache-from", f"dir:{kept.cache}", "--offline", "--locked")
    # what compiles does not matter here, and a compiler that is named may not be there
    done = run_cargoship(*words, "--jobs", "2", env=env, check=False)
    # what nothing has read is no change
    expected = request.node.callspec.id in {"nothing", "unread"}
    assert ("nothing has changed" in done.stderr) is expected


@pytest.mark.parametrize("far", [False, True], ids=["folder", "registry"])
def test_one_crate_is_compiled_after_an_edit(
    run_cargoship: RunCargoship, kept: Kept, tmp_path: Path, *, far: bool
) -> None:
    place, _ = empty_machine(kept, tmp_path, edit("app/src/main.rs", "{MADE}", "{MADE}!"))
    own = tmp_path / "own"
    caches = ("--cache-from", kept.remote, "--cache-to", f"dir:{own}") if far else ("--cache-from", f"dir:{kept.cache}")
    # nothing of cargoship's own either, such as standard libraries that were built before
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cargoship")} if far else {}
    done = run_cargoship("build", place, "-p", "app", *caches, env=env)
    assert digests(done.stdout) != digests(kept.printed)
    assert "Building" not in done.stderr
    restored = re.search(r"Restored (\d+) of (\d+) units", done.stderr)
    assert restored is not None
    # the program, once for each platform
    assert int(restored[2]) - int(restored[1]) == 2
    assert "Compiled 2 units" in done.stderr
    reported = json.loads(run_cargoship("timings", place, "--format", "json").stdout)
    assert (reported["compiled"]["units"], reported["reasons"][0]["because"]) == (2, ["the file app/src/main.rs"])
    assert 0 < reported["critical_path"]["seconds"] <= reported["compiled"]["span"] <= reported["phases"]["compile"]
    if far:
        assert any((own / "1" / "packs").iterdir())


def test_the_sizes_of_crates_are_what_another_tool_counts(run_cargoship: RunCargoship, kept: Kept) -> None:
    (reported,) = json.loads(run_cargoship("size", kept.project, "--json").stdout)
    for image, architecture in zip(reported["images"], ("x86_64", "aarch64"), strict=True):
        (program,) = image["programs"]
        assert sum(part["size_bytes"] for part in program["parts"]) == program["size_bytes"]
        built = kept.project / "target" / f"{architecture}-unknown-linux-musl" / "release" / "app"
        # of each address the largest symbol: others are other names of the same
        largest: dict[str, int] = {}
        for fields in map(str.split, run("nm", "-S", "--defined-only", built).stdout.splitlines()):
            if len(fields) == 4 and fields[2] not in "bBAN":
                largest[fields[0]] = max(largest.get(fields[0], 0), int(fields[1], 16))
        counted = sum(part["size_bytes"] for part in program["parts"] if part["kind"] in {"crate", "c"})
        assert counted == pytest.approx(sum(largest.values()), rel=0.02)
        assert {"std", "core", "alloc"} <= {part["name"] for part in program["parts"]}


def test_a_registry_that_is_not_there_is_a_warning(run_cargoship: RunCargoship, kept: Kept, tmp_path: Path) -> None:
    place, _ = empty_machine(kept, tmp_path)
    caches = ("--cache-from", "registry:127.0.0.1:1/units:cache", "--cache-from", f"dir:{kept.cache}")
    done = run_cargoship("build", place, "-p", "app", *caches)
    assert digests(done.stdout) == digests(kept.printed)
    assert done.stderr.count("warning") == 1


_CPP = {
    "build.rs": """fn main() {
    println!("cargo::rerun-if-changed=src/sum.cc");
    cc::Build::new().cpp(true).file("src/sum.cc").compile("sum");
}
""",
    "src/sum.cc": """#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>
extern "C" int sum(int n) {
    std::vector<int> all(n);
    std::iota(all.begin(), all.end(), 1);
    try { throw std::runtime_error(std::to_string(n)); }
    catch (const std::exception& error) { return std::accumulate(all.begin(), all.end(), std::stoi(error.what())); }
}
""",
    "src/main.rs": """extern "C" { fn sum(n: i32) -> i32; }
fn main() { println!("{}", unsafe { sum(4) }); }
""",
}


# beside those that have had Zig compile libc++ for this very target, which takes a minute
@pytest.mark.parametrize("language", ["Rust", pytest.param("C++", marks=pytest.mark.xdist_group("test_c_crates"))])
def test_what_zig_compiles_of_itself_travels(run_cargoship: RunCargoship, tmp_path: Path, language: str) -> None:
    """glibc's stubs, compiler-rt and libc++ are not compiled on the second machine, where only a line was edited."""
    more: dict[str, Any] = {"manifest": '[build-dependencies]\ncc = "1"\n', "files": _CPP} if language == "C++" else {}
    app = project(tmp_path / "app", **more)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=app)
    cache = f"dir:{tmp_path / 'cache'}"
    libc, triple, target = {
        "Rust": ("gnu:2.17", "x86_64-unknown-linux-gnu", "x86_64-linux-gnu.2.17"),
        "C++": ("musl", "x86_64-unknown-linux-musl", "x86_64-unknown-linux-musl"),
    }[language]
    words = ("--libc", libc, "--platform", "linux/amd64", "-v", "--no-verify", "-o", f"oci:{tmp_path}/out")
    machine, second = tmp_path / "first", tmp_path / "second"
    for each in (machine, second):
        # the standard library is made of Rust, and no part of this
        each.mkdir()
        for name in ("std", "startfiles"):
            (each / name).symlink_to(cache_folder() / name)
    # as on a machine that has built before
    for made_before in cache_folder().glob(f"runtime/*/{target}"):
        place = machine / made_before.relative_to(cache_folder())
        shutil.copytree(made_before, place, ignore=shutil.ignore_patterns(".*", "tmp", "z"))
    first = run_cargoship("build", app, *words, "--cache-to", cache, env={"CARGOSHIP_CACHE_DIR": str(machine)})
    assert "comes from the unit cache" not in first.stderr
    shutil.rmtree(app / "target")
    main = app / "src" / "main.rs"
    main.write_text(main.read_text().replace("fn main", "#[allow(unused)]\nfn main"))
    done = run_cargoship("build", app, *words, "--cache-from", cache, env={"CARGOSHIP_CACHE_DIR": str(second)})
    assert f"Zig's runtime for {target} comes from the unit cache" in done.stderr, first.stderr + done.stderr
    assert "making libc++" not in done.stderr
    assert re.search(r"the library that watches reads \w+ comes from the unit cache", done.stderr), done.stderr
    assert "is not watched" not in first.stderr + done.stderr
    assert "Compiled 1 unit" in done.stderr
    program = app / "target" / triple / "release" / "app"
    assert language != "C++" or run(program).stdout == "14\n"
    made = [{path.relative_to(folder) for path in folder.glob("runtime/*/*/[ho]/*")} for folder in
            (machine, second)]  # fmt: skip
    # Zig has added nothing to what has come
    assert {path for path in made[1] if path.name != "timestamp"} == {
        path for path in made[0] if path.name != "timestamp"
    }
    (folder,) = second.glob("runtime/*/*")
    assert not list(folder.glob("z/*"))
