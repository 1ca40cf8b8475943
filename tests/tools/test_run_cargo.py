"""`cargoship cargo` and `cargoship recipe cook`: the unit cache where no image is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.cargo_units import Change, create, edit
from support.cooking import prepare_ours
from support.programs import RunCargoship, distribution_rust, run
from support.unit_projects import SAYS, write_workspace

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_workspace(tmp_path_factory.mktemp("wrapped") / "project")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def kept_programs(run_cargoship: RunCargoship, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has one build of the workspace as a whole."""
    folder = tmp_path_factory.mktemp("kept")
    programs(run_cargoship, fresh(project, folder / "place"), "--workspace")
    return folder / "cache"


def fresh(project: Path, folder: Path) -> Path:
    """A checkout with new times and nothing compiled."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
    return folder


def units(stderr: str) -> list[dict[str, object]]:
    events = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == "unit-finished"]


@pytest.mark.parametrize("words", [("build",), ("build", "--release"), ("check",)], ids=" ".join)
def test_a_second_checkout_compiles_nothing(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    # debug information holds the folder: without release, local crates are for checkouts in the same one
    second = tmp_path / "checkout"
    first = tmp_path / "first" if "--release" in words else second
    run_cargoship("cargo", *cache, "--", *words, cwd=fresh(project, first))
    shutil.rmtree(first)
    done = run_cargoship("cargo", "--progress", "json", *cache, "--", *words, cwd=fresh(project, second))
    seen = units(done.stderr)
    assert {unit["package"] for unit in seen} == {"app", "helper", "itoa", "maker", "native-sys"}
    assert [unit for unit in seen if not unit["fresh"]] == []
    if words[0] == "build":
        program = second / "target" / ("release" if "--release" in words else "debug") / "app"
        assert run(program).stdout == SAYS


def test_its_tests_run_and_cargos_exit_code_is_passed_on(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    place = fresh(project, tmp_path / "place")
    code = "#[test]\nfn works() { assert_eq!(1 + 1, TWO); }\n"
    (place / "helper" / "tests").mkdir()
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    (place / "helper" / "tests" / "sum.rs").write_text("const TWO: i32 = 2;\n" + code)
    done = run_cargoship("cargo", *cache, "--", "test", "-p", "helper", cwd=place)
    assert "test works ... ok" in done.stdout
    (place / "helper" / "tests" / "sum.rs").write_text("const TWO: i32 = 3;\n" + code)
    failed = run_cargoship("cargo", *cache, "--", "test", "-p", "helper", cwd=place, check=False)
    assert failed.returncode == 101
    assert "test works ... FAILED" in failed.stdout


def test_a_cook_takes_dependencies_from_the_cache(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    recipe = prepare_ours(project, tmp_path / "recipe.json")
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    shown = []
    for name in ("first", "second"):
        kitchen = tmp_path / name
        kitchen.mkdir()
        words = ("recipe", "cook", "--recipe-path", recipe, "--progress", "json")
        shown.append(units(run_cargoship(*words, *cache, cwd=kitchen).stderr))
    first, second = ({unit["package"]: unit["fresh"] for unit in seen} for seen in shown)
    assert first["itoa"] is False
    assert second["itoa"] is True
    # what was compiled of dummies is nobody's
    assert [name for name, was_fresh in second.items() if was_fresh] == ["itoa"]


def programs(run_cargoship: RunCargoship, place: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
    """What cargoship says of a build of which programs alone are wanted."""
    cache = ("--cache-to", f"dir:{place.parent / 'cache'}")
    done = run_cargoship("cargo", "--programs", *cache, "--", "build", "--release", *words, cwd=place, env=env)
    return done.stderr


def test_programs_alone_come_back_without_cargo(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    first = fresh(project, tmp_path / "first")
    assert "cargo is not started" not in programs(run_cargoship, first, "--workspace")
    second = fresh(project, tmp_path / "second")
    # of no importance to programs
    said = programs(run_cargoship, second, "-j1", "--workspace", "--offline", "--target-dir", "elsewhere")
    assert "1 program comes from the unit cache, cargo is not started" in said
    assert sorted(path.name for path in (second / "elsewhere").rglob("*")) == [
        ".cargoship-units.json",
        "CACHEDIR.TAG",
        "app",
        "release",
    ]
    assert run(second / "elsewhere" / "release" / "app").stdout == SAYS
    # cargo has its way with what lies there
    assert run_cargoship("cargo", "--", "build", "--release", "--target-dir", "elsewhere", cwd=second).returncode == 0
    assert run(second / "elsewhere" / "release" / "app").stdout == SAYS


def test_a_branch_does_not_take_the_place_of_main(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    """Both have the same lock file and manifests, and share a cache."""
    says = {"main": SAYS, "library": SAYS.replace("hello", "bye"), "program": SAYS.replace("\n", "!\n")}
    for name in says:
        fresh(project, tmp_path / name)
    edit("helper/src/text.txt", "hello", "bye")(tmp_path / "library")
    edit("app/src/main.rs", "{MADE}", "{MADE}!")(tmp_path / "program")
    for name in says:
        assert "cargo is not started" not in programs(run_cargoship, tmp_path / name, "--workspace")
    for name, said in says.items():
        shutil.rmtree(tmp_path / name / "target")
        assert "cargo is not started" in programs(run_cargoship, tmp_path / name, "--workspace")
        assert run(tmp_path / name / "target" / "release" / "app").stdout == said


def test_a_variable_that_the_compiler_reads_is_part_of_a_build(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """A commit's name in the program, say. Nothing else differs, and both builds are in the cache."""
    reported = 'fn main() { print!("{} ", option_env!("COMMIT").unwrap_or("none"));'
    change = edit("app/src/main.rs", "fn main() {", reported)
    for commit, wanted in (("one", False), ("two", False), ("one", True), ("", False), ("two", True)):
        shutil.rmtree(tmp_path / "place", ignore_errors=True)
        place = fresh(project, tmp_path / "place")
        change(place)
        env = {"COMMIT": commit} if commit else {}
        assert ("cargo is not started" in programs(run_cargoship, place, "--workspace", env=env)) is wanted
        assert run(place / "target" / "release" / "app").stdout == f"{commit or 'none'} {SAYS}"


def test_a_script_around_the_compiler_that_rustc_names_is_part_of_a_build(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """It says of itself what the compiler says: nothing but RUSTC tells them apart."""
    script = tmp_path / "around"
    script.write_text(f'#!/bin/sh\nexec {distribution_rust().get("RUSTC", "rustc")} --cfg special "$@"\n')
    script.chmod(0o755)
    change = edit("app/src/main.rs", "fn main() {", 'fn main() { print!("{} ", cfg!(special));')
    for special in (False, True):
        shutil.rmtree(tmp_path / "place", ignore_errors=True)
        place = fresh(project, tmp_path / "place")
        change(place)
        said = programs(run_cargoship, place, "--workspace", env={"RUSTC": str(script)} if special else {})
        assert "cargo is not started" not in said
        assert run(place / "target" / "release" / "app").stdout == f"{str(special).lower()} {SAYS}"


def test_a_path_relative_to_configuration_above_the_workspace_is_that_of_the_checkout(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """`[env]` makes a whole path of it, which does not lie in the workspace."""
    told = 'fn main() { println!("cargo::rustc-env=AT={}", std::env::var("BELOW").unwrap());'
    for name in ("one", "two"):
        place = fresh(project, tmp_path / name / "place")
        create("../.cargo/config.toml", '[env]\nBELOW = { value = "data", relative = true }\n')(place)
        edit("app/build.rs", "fn main() {", told)(place)
        edit("app/src/main.rs", "fn main() {", 'fn main() { print!("{} ", env!("AT"));')(place)
        cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
        run_cargoship("cargo", "--programs", *cache, "--", "build", "--release", "--workspace", cwd=place)
        assert run(place / "target" / "release" / "app").stdout == f"{tmp_path / name / 'data'} {SAYS}"


@pytest.mark.parametrize(
    ("place_of", "configuration", "words"),
    [
        ("tools", ("../.cargo/config.toml", 'build.rustc-wrapper = "tools/around"'), ()),
        ("tools", None, ("--config", 'build.rustc-wrapper="around"')),
        (
            "other/tools",
            ("../other/more/some.toml", 'build.rustc-wrapper = "tools/around"'),
            ("--config", "../other/more/some.toml"),
        ),
    ],
    ids=["above", "option", "file"],
)
def test_a_wrapper_that_is_found_as_cargo_finds_it_is_part_of_a_build(
    run_cargoship: RunCargoship,
    project: Path,
    tmp_path: Path,
    place_of: str,
    configuration: tuple[str, str] | None,
    words: tuple[str, ...],
) -> None:
    """From the folder of the configuration that names it, or on PATH."""
    script = tmp_path / place_of / "around"
    script.parent.mkdir(parents=True)
    change = edit("app/src/main.rs", "fn main() {", 'fn main() { print!("{} ", cfg!(special));')
    for flag, said in (("usual", "false"), ("special", "true")):
        script.write_text(f'#!/bin/sh\ncompiler="$1"\nshift\nexec "$compiler" --cfg {flag} "$@"\n')
        script.chmod(0o755)
        shutil.rmtree(tmp_path / "place", ignore_errors=True)
        place = fresh(project, tmp_path / "place")
        change(place)
        if configuration is not None:
            create(*configuration)(place)
        env = {"PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}
        assert "cargo is not started" not in programs(run_cargoship, place, "--workspace", *words, env=env)
        assert run(place / "target" / "release" / "app").stdout == f"{said} {SAYS}"


def test_a_package_that_looks_whether_it_was_asked_for_is_told_so_in_each_build(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """cargo sets CARGO_PRIMARY_PACKAGE for what is named, and so another `-p` makes another library."""
    told = 'pub const ASKED: bool = option_env!("CARGO_PRIMARY_PACKAGE").is_some();\n'
    place = fresh(project, tmp_path / "place")
    edit("helper/src/lib.rs", "pub fn", f"{told}pub fn")(place)
    edit("app/src/main.rs", "fn main() {", 'fn main() { print!("{} ", helper::ASKED);')(place)
    for words, said in ((("--workspace",), "true"), (("-p", "app"), "false"), (("--workspace",), "true")):
        shutil.rmtree(place / "target", ignore_errors=True)
        programs(run_cargoship, place, *words)
        assert run(place / "target" / "release" / "app").stdout == f"{said} {SAYS}"


def test_a_build_whose_warnings_are_denied_is_not_one_that_had_them(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """`build.warnings` makes no other unit: cargo tells of what it takes for fresh, and fails."""
    place = fresh(project, tmp_path / "place")
    edit("app/src/main.rs", "fn main() {", "fn main() { let unused = 1;")(place)
    env = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_WARNINGS": "true"}
    words = (
        "cargo",
        "--programs",
        "--cache-to",
        f"dir:{tmp_path / 'cache'}",
        "--",
        "build",
        "--release",
        "--workspace",
    )
    codes = []
    for warnings in ("warn", "deny"):
        shutil.rmtree(place / "target", ignore_errors=True)
        there = {**env, "CARGO_BUILD_WARNINGS": warnings}
        codes.append(run_cargoship(*words, cwd=place, env=there, check=False).returncode)
    create(".cargo/config.toml", '[build]\nwarnings = "deny"\n')(place)
    for _ in range(2):
        # nor does one that failed, though all of it was compiled
        shutil.rmtree(place / "target", ignore_errors=True)
        codes.append(run_cargoship(*words, cwd=place, env=env, check=False).returncode)
    assert codes == [0, 101, 101, 101]


@pytest.mark.parametrize(
    ("words", "env", "change", "reason"),
    [
        ((), {}, edit("helper/src/text.txt", "hello", "bye"), "the file helper/src/text.txt"),
        ((), {}, edit("app/Cargo.toml", '"0.1.0"', '"0.2.0"'), "Cargo.lock: app 0.2.0 instead of 0.1.0"),
        (("--features", "app/loud"), {}, None, "options: --features app/loud now"),
        ((), {"RUSTFLAGS": "-C metadata=hunter2"}, None, "RUSTFLAGS"),
        (
            (),
            {},
            create(".cargo/config.toml", "[profile.release]\nopt-level = 1\n"),
            "profile.release.opt-level in .cargo/config.toml",
        ),
        (
            (),
            {},
            create(".cargo/config.toml", '[resolver]\nfeature-unification = "workspace"\n'),
            "resolver.feature-unification in .cargo/config.toml",
        ),
    ],
    ids=["code", "version", "option", "variable", "configuration", "unification"],
)
def test_a_build_that_is_missed_as_a_whole_says_why(
    run_cargoship: RunCargoship,
    project: Path,
    kept_programs: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    env: Mapping[str, str],
    change: Change | None,
    reason: str,
) -> None:
    shutil.copytree(kept_programs, tmp_path / "cache")
    place = fresh(project, tmp_path / "place")
    if change is not None:
        change(place)
    if reason.startswith("Cargo.lock"):
        run(distribution_rust().get("CARGO", "cargo"), "update", "--workspace", "--offline", cwd=place)
    said = programs(run_cargoship, place, "--workspace", *words, env=env)
    assert "cargo is not started" not in said
    reported = run_cargoship("cache", "explain", cwd=place).stdout
    assert reported.startswith("The build as a whole was not in the cache, because of\n")
    assert reason in reported
    document = json.loads(run_cargoship("cache", "explain", "--json", cwd=place).stdout)
    assert document["whole"]["came"] is False
    assert any(reason in each for each in document["whole"]["because"])
    assert "hunter2" not in reported + json.dumps(document)


def test_cargo_is_started_for_more_than_programs(
    run_cargoship: RunCargoship, project: Path, kept_programs: Path, tmp_path: Path
) -> None:
    shutil.copytree(kept_programs, tmp_path / "cache")
    place = fresh(project, tmp_path / "place")
    said = programs(run_cargoship, place, "--workspace", "--timings")
    assert "cargo is started: --timings asks for more than programs" in said
    assert (place / "target" / "cargo-timings").is_dir()
    # what lies there now is of another build
    assert "cargo is not started" in programs(run_cargoship, place, "--workspace")
    reported = run_cargoship("cache", "explain", cwd=place).stdout
    assert reported == "The whole build came from the cache: cargo was not started, and nothing was compiled.\n"


def test_a_build_is_not_kept_under_a_lock_file_that_cargo_has_rewritten(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    change = edit("helper/Cargo.toml", "[dependencies]", '[dependencies]\ncfg-if = "1"')
    for name in ("first", "second"):
        place = fresh(project, tmp_path / name)
        change(place)
        # with this lock file cargo may choose another version tomorrow
        assert "cargo is not started" not in programs(run_cargoship, place, "--offline")


@pytest.mark.parametrize(
    ("words", "env", "configuration"),
    [
        (("-j0",), {}, ""),
        (("--color", "purple"), {}, ""),
        (("--quiet", "-q"), {}, ""),
        ((), {"CARGO_BUILD_JOBS": "x"}, ""),
        ((), {"CARGO_TERM_COLOR": "purple"}, ""),
        ((), {"CARGO_TERM_PROGRESS_WHEN": "purple"}, ""),
        ((), {}, "build.jobs = 0"),
        ((), {}, 'term.color = "purple"'),
        ((), {}, "http.timeout = -1"),
        ((), {}, "source.elsewhere = {}"),
        (("--manifest-path", "nowhere/Cargo.toml"), {}, ""),
        ((), {}, "build.target-dir = 1"),
    ],
)
def test_what_cargo_refuses_it_refuses(
    run_cargoship: RunCargoship,
    project: Path,
    kept_programs: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    env: Mapping[str, str],
    configuration: str,
) -> None:
    """Programs that would come from the cache do not make an error go away, nor is the exit code another one."""
    shutil.copytree(kept_programs, tmp_path / "cache")
    place = fresh(project, tmp_path / "place")
    create(".cargo/config.toml", configuration)(place)
    asked = ("build", "--release", "--workspace", *words)
    cargo = distribution_rust().get("CARGO", "cargo")
    right = run(cargo, *asked, cwd=place, env={**os.environ, **env}, check=False)
    cache = f"dir:{tmp_path / 'cache'}"
    done = run_cargoship("cargo", "--programs", "--cache-from", cache, "--", *asked, cwd=place, env=env, check=False)
    assert done.returncode == right.returncode != 0
    # a cargo that waits for another test's says so first
    said = [line for line in right.stderr.strip().splitlines() if "Blocking waiting" not in line]
    assert said[0] in done.stderr


def test_a_cook_ends_with_what_cargo_refuses(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """What is told cargo, so that it shows its progress, would keep it from reading the file."""
    root, empty = tmp_path / "root", tmp_path / "empty"
    create("Cargo.toml", '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n')(root)
    create("src/main.rs", "fn main() {}\n")(root)
    create(".cargo/config.toml", 'term.progress.when = "purple"\n')(root)
    create("Cargo.lock", 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n')(root)
    empty.mkdir()
    recipe = ("--recipe-path", tmp_path / "recipe.json")
    run_cargoship("recipe", "prepare", *recipe, cwd=root)
    done = run_cargoship("recipe", "cook", *recipe, cwd=empty, check=False)
    assert done.returncode == 101
    assert "unknown variant `purple`" in done.stderr


@pytest.mark.parametrize("env", [{}, {"CARGO_TERM_COLOR": "auto"}], ids=["nothing", "colours"])
def test_a_build_script_sees_the_environment_that_cargo_was_started_in(
    run_cargoship: RunCargoship, tmp_path: Path, env: dict[str, str]
) -> None:
    """What cargo was told of colours and progress was in it, and got into programs."""
    root = tmp_path / "root"
    create("Cargo.toml", '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n')(root)
    names = ("CARGO_TERM_COLOR", "CARGO_TERM_QUIET", "CARGO_TERM_PROGRESS_WHEN", "CARGO_TERM_PROGRESS_WIDTH")
    script = [
        f'if let Ok(value) = std::env::var("{name}") {{ println!("cargo::rustc-env=SEEN_{name}={{value}}"); }}'
        for name in names
    ]
    create(
        "build.rs", "fn main() {\n" + "\n".join(['println!("cargo::rerun-if-changed=build.rs");', *script]) + "\n}\n"
    )(root)
    shown = ", ".join(f'option_env!("{name}"), option_env!("SEEN_{name}")' for name in names)
    create("src/main.rs", f'fn main() {{ println!("{{:?}}", [{shown}]); }}\n')(root)
    run_cargoship("cargo", "--cache-to", f"dir:{tmp_path / 'cache'}", "--", "build", cwd=root, env=env)
    said = run(root / "target/debug/app").stdout
    assert said.count("None") == len(names) * 2 - 2 * len(env)
    assert said.count('Some("auto")') == 2 * len(env)


def test_documentation_is_tested_and_tests_are_named_that_somebody_else_runs(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    create("Cargo.toml", '[package]\nname = "documented"\nversion = "0.1.0"\nedition = "2024"\n')(root)
    create("src/lib.rs", "/// ```\n/// assert_eq!(documented::f(), 3);\n/// ```\npub fn f() -> u8 {\n    3\n}\n")(root)
    rustdoc = Path(distribution_rust().get("RUSTC", "/")).parent.joinpath("rustdoc")
    env = {"RUSTDOC": str(rustdoc)} if rustdoc.exists() else {}

    def done(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(root / "target", ignore_errors=True)
        cache = f"dir:{tmp_path / 'cache'}"
        ended = run_cargoship("cargo", "--cache-to", cache, "--", "test", *words, cwd=root, env=env, check=False)
        assert ended.returncode == code, ended.stderr
        return ended

    assert "1 passed" in done("--doc").stdout
    again = done("--doc")
    assert "1 passed" in again.stdout
    assert "Restored 1 of 2 units" in again.stderr
    create("src/lib.rs", "fn unused() {}\n" + (root / "src/lib.rs").read_text())(root)
    said = done("--no-run").stderr
    assert "Executable unittests src/lib.rs (target" in said
    # cargo has run twice, and its warnings are shown once
    assert said.count("`unused` is never used") == 1
    edit("src/lib.rs", "3);", "4);")(root)
    done("--doc", code=101)


@pytest.mark.parametrize(
    ("before", "folder"),
    [
        (("-q", "--color=never"), "target"),
        (("--config", 'build.target-dir="elsewhere"', "--locked"), "elsewhere"),
        (("--config=../at.toml",), "at"),
    ],
)
def test_cargos_own_options_stand_before_the_subcommand(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path, before: tuple[str, ...], folder: str
) -> None:
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    said = []
    for name in ("first", "second"):
        place = fresh(project, tmp_path / name)
        create("at.toml", 'build.target-dir = "at"\n')(place)
        done = run_cargoship("cargo", "--programs", *cache, "--", *before, "build", "--release", cwd=place / "app")
        (program,) = place.rglob("release/app")
        assert program.relative_to(place).parts[-3] == folder
        assert run(program).stdout == SAYS
        said.append(done.stderr)
    assert "cargo is not started" in said[1]
