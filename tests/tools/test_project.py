"""Real projects, read by the real cargo and the real git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.cargo.failure import explain_failure
from cargoship.cargo.messages import Artifact, BuildFinished, MessageReader
from cargoship.cargo.neighbours import find_neighbours
from cargoship.cargo.progress import PROGRESS, StderrReader
from cargoship.cargo.project import ManifestRefused, Project, load_project
from cargoship.errors import (
    CargoshipError,
    LockOutdated,
    ManifestInvalid,
    ManifestNotFound,
    SettingsInvalid,
    ToolchainError,
    ToolMissing,
    UsageError,
)
from cargoship.events import CompileProgress, ToolOutput
from cargoship.plan import Plan, ProjectFacts, Selection, choose_packages, make_plan
from cargoship.process import Command, SystemRunner
from cargoship.settings.sources import load_settings
from cargoship.unitcache.keys.objectionable import talking

pytestmark = pytest.mark.tools
RUNNER = SystemRunner()
CARGOS = sorted({found for found in (shutil.which("cargo"), "/usr/bin/cargo") if found})
# Colours and settings of the user who runs the tests are not wanted here
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_TERM", "CARGOSHIP", "GIT_"))}

WORKSPACE = {
    "Cargo.toml": """
        [workspace]
        members = ["api", "work", "lib"]
        resolver = "2"
        [workspace.package]
        version = "0.4.0"
        license = "MIT"
        [workspace.metadata.cargoship]
        user = "1000"
        """,
    "api/Cargo.toml": """
        [package]
        name = "api"
        version.workspace = true
        license.workspace = true
        edition = "2021"
        authors = ["A <a@example.com>"]
        description = "Answers"
        [features]
        default = ["a"]
        a = []
        [dependencies]
        lib = { path = "../lib", optional = true }
        [[bin]]
        name = "api"
        path = "src/main.rs"
        [[bin]]
        name = "admin"
        path = "src/admin.rs"
        required-features = ["lib"]
        [package.metadata.cargoship]
        expose = [8080]
        """,
    "work/Cargo.toml": '[package]\nname = "work"\nversion = "0.1.0"\nedition = "2021"\ndefault-run = "work"\n',
    "lib/Cargo.toml": '[package]\nname = "lib"\nversion = "0.1.0"\nedition = "2021"\n',
    "api/src/main.rs": "fn main() {}",
    "api/src/admin.rs": "fn main() {}",
    "work/src/main.rs": "fn main() {}",
    "lib/src/lib.rs": "",
}
SINGLE = {
    "Cargo.toml": '[package]\nname = "one"\nversion = "1.0.0"\nedition = "2021"\n',
    "src/main.rs": "fn main() {}",
}


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root.resolve()


@pytest.fixture(params=CARGOS)
def cargo(request: pytest.FixtureRequest) -> Path:
    return Path(str(request.param))


def load(cargo: Path, path: Path) -> Project:
    return load_project(RUNNER, cargo, path, env=ENV)


def plan(cargo: Path, selection: Selection) -> Plan:
    project = load(cargo, selection.path)
    packages = choose_packages(project, selection)
    settings, notes = load_settings(project, packages, env={}, overrides=selection.overrides)
    return make_plan(ProjectFacts(project, packages, settings, None, notes=notes), selection)


def test_virtual_workspace(cargo: Path, tmp_path: Path) -> None:
    root = write(tmp_path, WORKSPACE)
    project = load(cargo, root)
    assert project.root == project.folder == root
    assert project.target_dir == root / "target"
    assert project.selected is None
    assert project.lock is None
    assert [package.name for package in project.packages] == ["api", "lib", "work"]
    assert project.default_members == project.packages
    assert project.metadata_cargoship == {"user": "1000"}
    api, lib, work = project.packages
    assert (api.version, api.license, api.description) == ("0.4.0", "MIT", "Answers")
    assert api.authors == ("A <a@example.com>",)
    assert [(binary.name, binary.required_features) for binary in api.bins] == [("admin", ("lib",)), ("api", ())]
    assert api.features == {"default": ("a",), "a": (), "lib": ("dep:lib",)}
    assert api.dependencies == ("lib",)
    assert api.metadata_cargoship == {"expose": [8080]}
    assert api.root == root / "api"
    assert not lib.bins
    assert work.default_run == "work"


@pytest.mark.parametrize("where", ["api", "api/src", "api/Cargo.toml", "work/../api"])
def test_member(cargo: Path, tmp_path: Path, where: str) -> None:
    root = write(tmp_path, WORKSPACE)
    project = load(cargo, root / where)
    assert project.root == root
    assert project.folder == root / "api"
    assert project.selected is not None
    assert project.selected.name == "api"


def test_target_dir_and_lock(cargo: Path, tmp_path: Path) -> None:
    config = '[build]\ntarget-dir = "../elsewhere"\n'
    root = write(tmp_path, {**SINGLE, ".cargo/config.toml": config, "Cargo.lock": "version = 4\n"})
    project = load(cargo, root)
    assert project.target_dir == root.parent / "elsewhere" or project.target_dir == root / "../elsewhere"
    assert project.lock == root / "Cargo.lock"
    assert load_project(RUNNER, cargo, root, env={**ENV, "CARGO_TARGET_DIR": "/t"}, offline=True).target_dir == Path(
        "/t"
    )


@pytest.mark.parametrize(
    ("files", "where", "family", "word"),
    [
        ({}, ".", ManifestNotFound, "no Cargo.toml in"),
        ({}, "nowhere", ManifestNotFound, "does not exist"),
        ({"x.toml": ""}, "x.toml", ManifestNotFound, "is not a Cargo.toml"),
        ({"Cargo.toml": "[package\n"}, ".", ManifestRefused, "unclosed table"),
        ({"Cargo.toml": SINGLE["Cargo.toml"]}, ".", ManifestRefused, "no targets specified"),
        ({"Cargo.toml": "[workspace]\nmembers = []\n", "in/Cargo.toml": SINGLE["Cargo.toml"], "in/src/main.rs": ""},
         "in", ManifestRefused, "believes it's in a workspace"),
        ({**SINGLE, "Cargo.toml": SINGLE["Cargo.toml"] + "[package.metadata]\ncargoship = 1\n"}, ".", ManifestInvalid,
         "package.metadata.cargoship must be a table"),
        ({**SINGLE, "Cargo.toml": SINGLE["Cargo.toml"] + "[package.metadata.cargo-ship]\nbase = 'x'\n"}, ".",
         ManifestInvalid, "nobody reads [package.metadata.cargo-ship]"),
        ({**SINGLE, "Cargo.toml": SINGLE["Cargo.toml"] + "[workspace.metadata.Cargoship]\nbase = 'x'\n"}, ".",
         ManifestInvalid, "nobody reads [workspace.metadata.Cargoship]"),
    ],
)  # fmt: skip
def test_refused(
    cargo: Path, tmp_path: Path, files: Mapping[str, str], where: str, family: type[CargoshipError], word: str
) -> None:
    write(tmp_path, files)
    with pytest.raises(CargoshipError) as caught:
        load(cargo, tmp_path / where)
    assert type(caught.value) is family
    assert word in caught.value.message + (caught.value.details or "")
    assert "\x1b" not in (caught.value.details or "")


def test_no_cargo(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        load(Path("/nowhere/cargo"), write(tmp_path, SINGLE))


def test_a_toolchain_that_is_not_there(tmp_path: Path) -> None:
    proxy = write(
        tmp_path / "bin", {"cargo": "#!/bin/sh\necho \"error: toolchain 'x' is not installed\" >&2\nexit 1\n"}
    )
    (proxy / "cargo").chmod(0o755)
    with pytest.raises(ToolchainError) as caught:
        load(proxy / "cargo", write(tmp_path / "p", SINGLE))
    assert "is not installed" in (caught.value.details or "")


def test_setting_in_a_manifest(cargo: Path, tmp_path: Path) -> None:
    root = write(
        tmp_path, {**SINGLE, "Cargo.toml": SINGLE["Cargo.toml"] + "[package.metadata.cargoship]\nplatform = 1\n"}
    )
    with pytest.raises(SettingsInvalid) as caught:
        plan(cargo, Selection(root))
    assert f"{root}/Cargo.toml:6: package.metadata.cargoship.platform" in caught.value.message


def run_cargo(planned: Plan, cargo: Path, **env: str) -> tuple[int, list[object], list[object], str]:
    messages, output = MessageReader(), StderrReader()
    said: list[object] = []
    written: list[object] = []
    raw: list[bytes] = []

    def on_stderr(data: bytes) -> None:
        raw.append(data)
        written.extend(output.feed(data))

    # For the host: the standard libraries of other targets are another test's business
    told = talking({}, (), PROGRESS)
    words = (str(cargo), *told, *planned.cargo.with_targets().arguments())
    command = Command(words, planned.cargo.cwd, {**ENV, **env})
    code = RUNNER.stream(command, on_stdout=lambda data: said.extend(messages.feed(data)), on_stderr=on_stderr)
    return code, [*said, *messages.finish()], [*written, *output.finish()], b"".join(raw).decode()


@pytest.mark.parametrize("colour", ["never", "always"])
def test_build(cargo: Path, tmp_path: Path, colour: str) -> None:
    planned = plan(cargo, Selection(write(tmp_path, WORKSPACE), profile="dev"))
    code, said, written, _ = run_cargo(planned, cargo, CARGO_TERM_COLOR=colour)
    assert code == 0
    assert said[-1] == BuildFinished(success=True)
    made = {(part.package, part.target_name) for part in said if isinstance(part, Artifact) and part.is_binary}
    assert made == {("api", "api"), ("work", "work")}
    assert any(isinstance(part, CompileProgress) and part.total == 2 for part in written)
    assert not [part for part in written if isinstance(part, ToolOutput)]


def test_compile_error(cargo: Path, tmp_path: Path) -> None:
    planned = plan(cargo, Selection(write(tmp_path, {**SINGLE, "src/main.rs": "fn main() { nope }"}), profile="dev"))
    code, said, written, text = run_cargo(planned, cargo, CARGO_TERM_COLOR="never")
    assert code == 101
    assert said[-1] == BuildFinished(success=False)
    lines = [part.line for part in written if isinstance(part, ToolOutput)]
    assert lines[0].startswith("error[E0425]: cannot find value `nope`")
    assert explain_failure(text) is None


def test_lock_file_out_of_date(cargo: Path, tmp_path: Path) -> None:
    root = write(tmp_path, WORKSPACE)
    subprocess.run([cargo, "generate-lockfile", "--offline"], cwd=root, env=ENV, check=True, capture_output=True)
    assert plan(cargo, Selection(root)).cargo.locked
    (root / "work/Cargo.toml").write_text(WORKSPACE["work/Cargo.toml"].replace("0.1.0", "0.2.0"))
    code, _, _, text = run_cargo(plan(cargo, Selection(root, profile="dev")), cargo, CARGO_TERM_COLOR="always")
    assert code == 101
    assert isinstance(explain_failure(text), LockOutdated)


def test_unknown_profile(cargo: Path, tmp_path: Path) -> None:
    planned = plan(cargo, Selection(write(tmp_path, SINGLE), profile="nope"))
    _, _, _, text = run_cargo(planned, cargo)
    assert isinstance(explain_failure(text), UsageError)


def test_path_dependencies_are_followed_out_of_the_workspace(cargo: Path, tmp_path: Path) -> None:
    """`watch` saw edits in the workspace's own folder alone."""

    def library(name: str, *uses: str) -> dict[str, str]:
        paths = "".join(f'{Path(each).name} = {{ path = "{each}" }}\n' for each in uses)
        return {
            f"{name}/Cargo.toml": f'[package]\nname = "{Path(name).name}"\n[dependencies]\n{paths}',
            f"{name}/src/lib.rs": "",
        }

    files = {
        **library("app/inner", "../../near", "../apart"),
        **library("app/apart", "../../odd"),
        **library("near", "../far/deep"),
        **library("far/deep", "../../near", "../../missing"),
        **library("odd"),
        **library("unused"),
        "app/Cargo.toml": '[workspace]\nmembers = ["inner"]\nexclude = ["apart"]\n',
    }
    root = write(tmp_path, files)
    found = find_neighbours(load(cargo, root / "app"), lambda path: load(cargo, path))
    assert sorted(found.folders) == [root / "far" / "deep", root / "near", root / "odd"]
    assert root / "near" / "target" in found.target_dirs
