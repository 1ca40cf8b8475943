"""The whole way without cargo, Zig and a network: a described machine compiles, a registry in memory takes the images.

What the real programs do with it is for the end-to-end tests; here it is the order of things and who refuses what.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.diagnosis import doctor
from cargoship.errors import (
    BinaryUnknown,
    CannotStart,
    CargoshipError,
    CompileFailed,
    DaemonError,
    IncludeInvalid,
    LockOutdated,
    ManifestNotFound,
    OutputError,
    RegistryRefused,
    SigningFailed,
    StandardLibraryMissing,
    ToolchainError,
    UsageError,
)
from cargoship.events import Event, LayerAssembled, Level, Note, PhaseEnded
from cargoship.oci.layout import read_layout, write_layout
from cargoship.oci.platform import Platform
from cargoship.pipeline import build, build_each, pack
from cargoship.plan import Output
from cargoship.planning import foresee, plan
from cargoship.prerequisites.objections import warn_of_old_rust
from cargoship.process import Command, Completed
from cargoship.shipping import BuildResult
from cargoship.testing import InMemoryRegistry
from support.elf_files import elf_file
from support.images import AMD64, ARM64, small_index
from support.installations import MUSL_TRIPLES
from support.scripted import said
from support.shop import PROGRAMS, Shop

pytestmark = pytest.mark.usefixtures("few_time_zones")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, {"app": ["app"]})


def platforms(result: BuildResult) -> list[list[str]]:
    return [[str(each) for each in image.index.platforms] for image in result.images]


def test_a_project_becomes_an_image_for_both_platforms(shop: Shop) -> None:
    result = build(replace(shop.selection(), outputs=(shop.layout(),)), shop.context())
    assert platforms(result) == [["linux/amd64", "linux/arm64"]]
    (image,) = result.images
    assert image.reference == f"oci:{shop.root}/out@{image.index.digest}"
    assert read_layout(shop.root / "out").digest == image.index.digest
    assert len(shop.compiled) == 1, "one invocation of cargo for all platforms"
    assert {"metadata", "toolchain", "compile", "assemble", "publish", "total"} <= set(result.seconds)
    assert [event.name for event in shop.events if isinstance(event, PhaseEnded)][-1] == "write"
    assert [event.name for event in shop.events if isinstance(event, LayerAssembled)]


def test_the_same_once_more_is_the_same_to_the_byte(shop: Shop) -> None:
    first, second = (build(replace(shop.selection(), outputs=(shop.layout(name),)), shop.context()) for name in "ab")
    assert first.images[0].index.raw == second.images[0].index.raw
    shop.makes[ARM64] += b"\0"
    assert build(shop.selection(), shop.context()).images[0].index.digest != first.images[0].index.digest


def test_images_are_pushed_and_tags_come_last(shop: Shop) -> None:
    with InMemoryRegistry() as registry:
        selection = replace(
            shop.selection(tags=[f"{registry.host}/team/app:1", f"{registry.host}/team/app:2"]), push=True
        )
        (image,) = build(selection, shop.context()).images
        assert registry.tags("team/app") == {"1": str(image.index.digest), "2": str(image.index.digest)}
        puts = [
            call.path.rpartition("/")[2] for call in registry.calls if call.method == "PUT" and "manifests" in call.path
        ]
        assert sorted(puts[-2:]) == ["1", "2"]
        assert image.reference == f"{registry.host}/team/app@{image.index.digest}"
    assert [published.tags for published in image.published] == [("1", "2")]


@pytest.mark.parametrize("case", ["machine", "interpreter", "user", "compile", "none"])
def test_nothing_gets_out_of_what_goes_wrong(shop: Shop, case: str) -> None:
    """For one platform of one image: nothing is pushed of any, and no output is written."""
    expected: type[CargoshipError] = CannotStart
    overrides: dict[str, object] = {}
    if case == "machine":
        shop.makes[ARM64] = PROGRAMS[AMD64]
    elif case == "interpreter":
        shop.makes[AMD64] = elf_file("EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2")
    elif case == "user":
        overrides["user"] = "nobody-knows"
    elif case == "compile":
        shop.compiler = lambda _: said(code=101, stderr="error[E0308]: mismatched types\n")
        expected = CompileFailed
    else:
        shop.compiler = lambda _: said()
        expected = BinaryUnknown
    with InMemoryRegistry() as registry:
        selection = shop.selection(tags=[f"{registry.host}/app:1"], **overrides)
        with pytest.raises(expected):
            build(replace(selection, push=True, outputs=(shop.layout(),)), shop.context())
        assert not [call for call in registry.calls if call.method == "PUT" and "manifests" in call.path]
        assert registry.tags("app") == {}
    assert not (shop.root / "out").exists()
    assert bool(shop.compiled) is (case != "user"), "what can be refused before the compile is"


def test_what_cannot_start_is_made_all_the_same_on_request_and_says_so(shop: Shop) -> None:
    shop.makes[AMD64] = elf_file("EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2")
    (image,) = build(shop.selection(), shop.context(verify=False)).images
    assert json.loads(image.index.raw)["annotations"]["dev.cargoship.verified"] == "false"


def test_a_registry_that_cannot_be_reached_costs_no_compilation(shop: Shop) -> None:
    selection = replace(shop.selection(tags=["localhost:1/app:1"]), push=True)
    with pytest.raises(CargoshipError) as caught:
        build(selection, shop.context())
    assert caught.value.exit_code == 51
    assert shop.compiled == []


def test_an_output_that_cannot_be_written_costs_no_compilation(shop: Shop) -> None:
    (shop.root / "file").touch()
    with pytest.raises(CargoshipError) as caught:
        build(replace(shop.selection(), outputs=(shop.layout("file/out"),)), shop.context())
    assert str(shop.root / "file") in caught.value.message
    assert shop.compiled == []


def test_each_package_of_a_workspace_is_an_image_of_one_compilation(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"api": ["api"], "worker": ["worker"]})
    selection = shop.selection(platforms=("linux/amd64",))
    result = build(replace(selection, outputs=(shop.layout("{name}"),)), shop.context())
    assert [image.name for image in result.images] == ["api", "worker"]
    assert platforms(result) == [["linux/amd64"]] * 2
    assert len(shop.compiled) == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"api", "worker"}


def test_packing_compiles_nothing(shop: Shop) -> None:
    result = pack(shop.selection(), shop.files(whatever=b""), shop.context())
    assert platforms(result) == [["linux/amd64", "linux/arm64"]]
    assert shop.compiled == []
    # the same programs make the same image, no matter who has compiled them
    assert result.images[0].index.digest == build(shop.selection(), shop.context()).images[0].index.digest


def test_packing_takes_platforms_from_the_programs(shop: Shop) -> None:
    given = shop.files(app=b"")
    result = pack(shop.selection(platforms=("linux/amd64", "linux/arm64")), {ARM64: given[ARM64]}, shop.context())
    assert platforms(result) == [["linux/arm64"]]


def test_packing_several_goes_by_the_names_of_files(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"api": ["api"], "worker": ["worker"]})
    result = pack(shop.selection(), shop.files(api=b"", worker=b""), shop.context())
    assert [image.name for image in result.images] == ["api", "worker"]
    (tmp_path / "given" / "amd64" / "worker").unlink()
    given = shop.files(api=b"")
    with pytest.raises(UsageError, match="no --binary for worker on linux/amd64") as caught:
        pack(shop.selection(), given, shop.context())
    assert caught.value.hint == "give files of these names: worker"


def test_packing_refuses_what_is_no_program_for_the_platform(shop: Shop) -> None:
    with pytest.raises(CannotStart, match="amd64/app is not a Linux program"):
        pack(shop.selection(), shop.files(app=b"#!/bin/sh\n"), shop.context())


def test_a_plan_compiles_and_finds_nothing(shop: Shop) -> None:
    made = plan(shop.selection(), shop.context())
    assert [image.name for image in made.images] == ["app"]
    assert [command.argv[1] for command in shop.runner.commands if command.argv[0].endswith("cargo")] == ["metadata"]
    assert made.created == "1970-01-01T00:00:00Z"
    assert plan(shop.selection(), shop.context(SOURCE_DATE_EPOCH="60")).created == "1970-01-01T00:01:00Z"


def test_notes_of_a_plan_are_reported_before_the_work(shop: Shop) -> None:
    around = shop.context(CARGOSHIP_COLOUR="blue")
    (note,) = plan(shop.selection(), around).notes
    build(shop.selection(), around)
    phases = [event.name for event in shop.events[: shop.events.index(note)] if isinstance(event, PhaseEnded)]
    assert phases == ["metadata"]


def test_a_folder_without_a_project(shop: Shop) -> None:
    (shop.machine.project / "Cargo.toml").unlink()
    with pytest.raises(ManifestNotFound):
        build(shop.selection(), shop.context())
    # doctor looks at the machine all the same
    found = doctor(shop.selection(), shop.context(), fix=False)
    assert any(finding.ok for finding in found.findings)
    assert shop.compiled == []


def test_doctor_finds_a_cache_that_cannot_be_written(shop: Shop) -> None:
    """A build ended with it after doctor had missed nothing."""
    context = shop.context()
    (context.cwd / "file").touch()
    context = dataclasses.replace(
        context, env={**context.env, "CARGOSHIP_CACHE_DIR": str(context.cwd / "file" / "cache")}
    )
    found = doctor(shop.selection(), context, fix=False)
    assert "cache" in [each.subject for each in found.findings if not each.ok]
    found = doctor(shop.selection(), shop.context(), fix=False)
    assert "cache" not in [each.subject for each in found.findings]


def test_doctor_runs_what_mends_and_looks_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"app": ["app"]})
    (tmp_path / "distributions").rename(tmp_path / "gone")
    shop.machine.path.clear()

    def add(command: Command) -> Completed:
        assert "add" in command.argv
        return said(code=1, stderr="error: no network\n")

    shop.machine.rust("stable", rustup=add)
    shop.runner.answers = {**shop.machine.answers, **shop.runner.answers}
    found = doctor(shop.selection(), shop.context(), fix=True)
    assert not found.ok
    assert any("that failed: error: no network" in event.text for event in shop.events if isinstance(event, Note))
    added = [command for command in shop.runner.commands if "add" in command.argv]
    assert added
    before = len(added)
    doctor(shop.selection(), shop.context(), fix=False)
    assert len([command for command in shop.runner.commands if "add" in command.argv]) == before


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        (
            "error: toolchain '1.42-x86_64-unknown-linux-gnu' is not installed\nhelp: run `rustup toolchain install`\n",
            "toolchain '1.42-x86_64-unknown-linux-gnu' is not installed, and ",
            ("toolchain", "install", "1.42-x86_64-unknown-linux-gnu"),
        ),
        ("error: no default is configured\n", "cargo could not be run (exit code 1): no default is configured", None),
        (
            # with RUST_BACKTRACE, as many have it in CI
            "error: no default is configured\nhelp: run it\n\nStack backtrace:\n   0: anyhow::error\n   1: main\n",
            "cargo could not be run (exit code 1): no default is configured",
            None,
        ),
    ],
)
def test_doctor_tells_of_a_cargo_that_rustup_cannot_start(
    shop: Shop, words: str, problem: str, mend: tuple[str, ...] | None, tmp_path: Path
) -> None:
    rustup = shop.machine.path[0] / "rustup"
    rustup.touch(mode=0o755)
    shop.runner.answers = {**shop.runner.answers, ("metadata",): lambda _: said(code=1, stderr=words)}
    with pytest.raises(ToolchainError) as caught:
        build(shop.selection(), shop.context())
    assert ("doctor --fix" in (caught.value.hint or "")) == (mend is not None)
    assert "anyhow" not in (caught.value.details or "")
    # somebody stands elsewhere, where all is well
    elsewhere = dataclasses.replace(shop.context(), cwd=tmp_path)
    found = doctor(shop.selection(), elsewhere, fix=False)
    (rust,) = (each for each in found.findings if each.subject == "rust")
    assert not found.ok
    assert rust.problem.startswith(problem)
    assert mend is None or str(shop.machine.project) in rust.problem
    assert (None if rust.mend is None else rust.mend.argv) == (None if mend is None else (str(rustup), *mend))


def test_a_cache_that_cannot_be_used_costs_a_compilation_and_no_more(shop: Shop) -> None:
    without = build(shop.selection(), shop.context())
    # this cargo tells of no units, and the folder of the cache is a file
    shop.machine.cache.mkdir(exist_ok=True)
    (shop.machine.cache / "units").touch()
    shop.events.clear()
    result = build(shop.selection(cache=True), shop.context())
    assert result.images[0].index.digest == without.images[0].index.digest
    assert len(shop.compiled) == 2
    warnings = [event for event in shop.events if isinstance(event, Note) and event.level is Level.WARNING]
    assert warnings


@pytest.mark.parametrize("image", ["team/base:1", f"team/base@sha256:{'0' * 64}"])
def test_a_plan_is_refused_where_its_base_is_in_no_registry(shop: Shop, image: str) -> None:
    with InMemoryRegistry() as registry:
        made = plan(shop.selection(base=f"{registry.host}/{image}"), shop.context())
        with pytest.raises(RegistryRefused) as planned:
            foresee(made, shop.context())
        assert planned.value.message == f"{registry.host} has no image {image}"
        with pytest.raises(RegistryRefused) as built:
            build(shop.selection(base=f"{registry.host}/{image}"), shop.context())
        assert built.value.message == planned.value.message
    assert not shop.compiled


def test_a_plan_is_refused_where_a_file_is_missing_and_says_what_it_did_not_ask(shop: Shop) -> None:
    with pytest.raises(IncludeInvalid):
        foresee(plan(shop.selection(include=["none/** -> /none/"]), shop.context()), shop.context())
    pushed = replace(shop.selection(tags=["h.io/a"]), push=True)
    foresee(plan(pushed, shop.context()), shop.context())
    reported = [event.text for event in shop.events if isinstance(event, Note)]
    assert reported[-1] == "not asked: whether h.io takes a push; a build asks before it compiles"


@pytest.mark.parametrize("base", ["static", "scratch", "layout"])
def test_a_plan_is_refused_where_its_base_does_not_know_the_user(shop: Shop, base: str) -> None:
    if base == "layout":
        write_layout(shop.root / "base", small_index(shop.root / "blobs"), names=[])
        base = f"oci:{shop.root / 'base'}"
    asked = shop.selection(base=base, user="ghost")
    with pytest.raises(CannotStart) as planned:
        foresee(plan(asked, shop.context()), shop.context())
    assert "'ghost'" in f"{planned.value.message} {planned.value.details}"
    with pytest.raises(CannotStart) as built:
        build(asked, shop.context())
    assert (built.value.message, built.value.details) == (planned.value.message, planned.value.details)
    foresee(plan(asked, shop.context()), shop.context(verify=False))


def test_a_plan_is_refused_where_its_outputs_cannot_be_written(shop: Shop) -> None:
    (shop.root / "file").touch()
    below = replace(shop.selection(), outputs=(Output.parse("oci:file/out", cwd=shop.root),))
    with pytest.raises(OutputError, match="is not a folder"):
        foresee(plan(below, shop.context()), shop.context())
    loaded = replace(shop.selection(), load=True)
    with pytest.raises(DaemonError, match="no container engine"):
        foresee(plan(loaded, shop.context()), shop.context())
    assert not shop.compiled


def test_a_plan_is_refused_where_the_key_that_signs_is_missing(shop: Shop) -> None:
    """`plan` ended well with a key that was not there."""
    asked = replace(shop.selection(sign="none.key", tags=["h.io/app"]), push=True)
    with pytest.raises(SigningFailed) as planned:
        foresee(plan(asked, shop.context()), shop.context())
    with pytest.raises(SigningFailed, match=r"none\.key cannot be read") as built:
        build(asked, shop.context())
    assert planned.value.message == built.value.message
    foresee(plan(replace(asked, push=False), shop.context()), shop.context())
    keyless = replace(asked, overrides={**asked.overrides, "sign": "keyless"})
    foresee(plan(keyless, shop.context()), shop.context())
    assert any(
        "not asked: whether there is an identity" in event.text for event in shop.events if isinstance(event, Note)
    )


def test_a_key_that_signs_nothing_is_warned_of(shop: Shop) -> None:
    """`--sign` was silent where nothing was pushed, with a key that does not exist too."""

    def warnings() -> list[str]:
        return [event.text for event in shop.events if isinstance(event, Note) and event.level is Level.WARNING]

    asked = shop.selection(sign="none.key", tags=["h.io/app"])
    foresee(plan(asked, shop.context()), shop.context())
    assert [text for text in warnings() if text.startswith("nothing is signed")]
    shop.events.clear()
    # what the settings say is for what is pushed, some other time
    settled = shop.context(CARGOSHIP_SIGN="none.key")
    foresee(plan(shop.selection(), settled), settled)
    assert not [text for text in warnings() if "signed" in text]


def test_a_plan_is_refused_where_a_folder_of_cargoships_own_is_a_link(shop: Shop) -> None:
    own = shop.machine.project / "target" / "cargoship"
    own.mkdir(parents=True)
    (own / ".blobs").symlink_to(shop.root)
    with pytest.raises(OutputError) as planned:
        foresee(plan(shop.selection(), shop.context()), shop.context())
    with pytest.raises(OutputError, match="is a link") as built:
        build(shop.selection(), shop.context())
    assert planned.value.message == built.value.message


def test_a_plan_leaves_nothing_behind(shop: Shop) -> None:
    before = sorted(shop.root.rglob("*"))
    foresee(plan(shop.selection(), shop.context()), shop.context())
    assert sorted(shop.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("more", "platforms"),
    [({}, [AMD64]), ({"push": True}, [AMD64, ARM64]), ({"outputs": True}, [AMD64, ARM64])],
)
def test_what_is_loaded_alone_is_all_that_is_compiled(
    shop: Shop, more: dict[str, object], platforms: list[Platform]
) -> None:
    """`build --load` compiled a platform that the engine never got."""
    shop.runner.answers = {("docker", "version"): said("20.10 linux/amd64\n"), **shop.runner.answers}
    more = {**more, **({"outputs": (shop.layout(),)} if "outputs" in more else {})}
    asked = replace(shop.selection(tags=["h.io/a"]), load=True, **more)
    assert list(plan(asked, shop.context()).platforms) == platforms


@pytest.mark.parametrize("answer", ["20.10 linux/s390x\n", "no engine"])
def test_an_engine_that_runs_something_else_is_reported_by_its_own_check(shop: Shop, answer: str) -> None:
    shop.runner.answers = {("docker", "version"): said(answer), **shop.runner.answers}
    assert list(plan(replace(shop.selection(), load=True), shop.context()).platforms) == [AMD64, ARM64]


def test_nothing_of_several_workspaces_is_published_where_the_last_does_not_compile(tmp_path: Path) -> None:
    """Images of the first were pushed, with their tags, before the second was compiled."""
    shop = Shop(tmp_path, {"web": ["web"], "mail": ["mail"]})
    with InMemoryRegistry() as registry:
        selection = replace(shop.selection(tags=[f"{registry.host}/{{name}}:1"]), push=True)
        each = [replace(selection, packages=(name,)) for name in ("web", "mail")]
        shop.compiler = lambda command: said(code=101) if len(shop.compiled) > 1 else shop.compile(command)
        with pytest.raises(CompileFailed):
            build_each(each, shop.context())
        assert len(shop.compiled) == 2
        assert not [call for call in registry.calls if call.method == "PUT" and "manifests" in call.path]
        shop.compiler = None
        results = build_each(each, shop.context())
        assert [sorted(registry.tags(name)) for name in ("web", "mail")] == [["1"], ["1"]]
    assert [image.name for result in results for image in result.images] == ["web", "mail"]


def test_a_plan_is_refused_where_rust_lacks_a_target(shop: Shop) -> None:
    """With Debian's own Rust `plan` ended well, and `build` did not."""
    shutil.rmtree(shop.root / "distributions" / "usr" / "lib" / "rustlib" / MUSL_TRIPLES["arm64"])
    made = plan(shop.selection(), shop.context())
    with pytest.raises(StandardLibraryMissing) as planned:
        foresee(made, shop.context())
    with pytest.raises(StandardLibraryMissing) as built:
        build(shop.selection(), shop.context())
    assert planned.value.message == built.value.message
    assert MUSL_TRIPLES["arm64"] in planned.value.message
    sources = shop.root / "distributions" / "usr" / "lib" / "rustlib" / "src" / "rust" / "library" / "std"
    sources.mkdir(parents=True)
    (sources / "Cargo.toml").touch()
    foresee(made, shop.context())


@pytest.mark.parametrize(("wanted", "refused"), [("1.99.1", True), ("1.100", True), ("1.99", False), ("1.9.9", False)])
def test_a_plan_is_refused_where_a_package_is_for_a_newer_rust(shop: Shop, wanted: str, *, refused: bool) -> None:
    """`plan` ended well, and `build` located compilers before cargo refused."""
    shop.rust_version = wanted
    if not refused:
        foresee(plan(shop.selection(), shop.context()), shop.context())
        build(shop.selection(), shop.context())
        assert "rust-version" not in {
            each.subject for each in doctor(shop.selection(), shop.context(), fix=False).findings
        }
        return
    with pytest.raises(CompileFailed) as planned:
        foresee(plan(shop.selection(), shop.context()), shop.context())
    with pytest.raises(CompileFailed) as built:
        build(shop.selection(), shop.context())
    assert planned.value.message == built.value.message
    assert f"is too old for app 1.2.3, which wants {wanted}" in planned.value.message
    assert not shop.compiled
    found = doctor(shop.selection(), shop.context(), fix=False).findings
    assert [each.problem for each in found if each.subject == "rust-version"] == [planned.value.message]


def test_a_locale_without_the_letters_of_a_folder_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        "/\xfc".encode("ascii")

    monkeypatch.setattr("cargoship.cargo.project.real_path", refuse)
    with pytest.raises(ToolchainError, match="locale has no name for files of") as caught:
        plan(shop.selection(), shop.context())
    assert "C.UTF-8" in (caught.value.hint or "")


def test_a_version_that_is_written_down_is_held_against_what_packages_want(shop: Shop) -> None:
    shop.rust_version = "1.99"
    made, warnings = plan(shop.selection(), shop.context()), list[Event]()
    for release in ("1.99.0", "1.100.1", None):
        warn_of_old_rust(made, release, warnings.append)
    assert not warnings
    warn_of_old_rust(made, "1.98.0", warnings.append)
    assert "Rust 1.98.0 is too old for app 1.2.3" in str(warnings)


PATHLESS = "error: failed to read `/project/dep/Cargo.toml`"
OFFLINE = "error: failed to download `itoa v1.0.0`: attempting to make an HTTP request, but --offline was specified"
LOCK = (
    "error: cannot create the lock file /project/Cargo.lock because --locked was passed to prevent this\n"
    "help: to generate the lock file without accessing the network, remove the --locked flag and use --offline instead."
)


@pytest.mark.parametrize(
    ("words", "options", "error"),
    [
        (PATHLESS, {}, CompileFailed),
        (OFFLINE, {}, None),
        (OFFLINE, {"offline": True}, CompileFailed),
        (LOCK, {"locked": False}, None),
        (LOCK, {}, LockOutdated),
        (LOCK, {"frozen": True}, LockOutdated),
        ("error: unexpected argument '--unit-graph' found", {}, None),
    ],
)
def test_a_plan_is_refused_with_cargos_words_and_by_nothing_that_only_a_network_could_tell(
    shop: Shop, words: str, options: dict[str, bool], error: type[CargoshipError] | None
) -> None:
    """A lock file that `--locked` wants, and a dependency that is not there, were found by `build` alone."""
    shop.about_units = words
    asked = replace(shop.selection(), **options)
    made = plan(asked, shop.context())
    if error is None:
        foresee(made, shop.context())
        told = [event.text for event in shop.events if isinstance(event, Note) and "not on this machine" in event.text]
        assert len(told) == (1 if words == OFFLINE else 0)
    else:
        with pytest.raises(error) as planned:
            foresee(made, shop.context())
        assert planned.value.details == words
    asked_of = [each.argv for each in shop.runner.commands if "--unit-graph" in each.argv]
    assert all("--frozen" in argv or {"--locked", "--offline"} <= set(argv) for argv in asked_of)


def test_doctor_offers_debians_newer_rust_in_the_place_of_its_own(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is there is still an installation of Rust
    for triple in MUSL_TRIPLES.values():
        shutil.rmtree(shop.root / "distributions" / "usr" / "lib" / "rustlib" / triple)
    folder = shop.machine.path[0]
    monkeypatch.setattr("cargoship.prerequisites.newer_rust._DEBIANS", (folder,))
    monkeypatch.setattr("cargoship.prerequisites.newer_rust.debian_release", lambda: "bookworm")
    assert all(each.mend is None for each in doctor(shop.selection(), shop.context(), fix=False).findings)
    (folder / "apt-get").touch(0o755)
    offered = [each.mend for each in doctor(shop.selection(), shop.context(), fix=False).findings if each.mend]
    assert ("install", "-y", "cargo-web", "rust-web-src") in [each.argv[1:] for each in offered]
    named = doctor(shop.selection(), shop.context(RUSTC=str(folder / "rustc")), fix=False)
    assert not any(each.mend and "cargo-web" in each.mend.argv for each in named.findings), "somebody has chosen it"
