"""An image is for other machines than the one that compiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.cargo.project import Binary, Package, Project
from cargoship.errors import UsageError
from cargoship.plan import Plan, ProjectFacts, Selection, make_plan
from cargoship.plan.native import check_native
from cargoship.settings.sources import load_settings


def planned(root: Path, *, allowed: bool = False) -> Plan:
    package = Package("path+file:///w#app@1.0.0", "app", "1.0.0", root / "Cargo.toml", root, (Binary("app", "app"),))
    project = Project(
        root=root, folder=root, target_dir=root / "target", packages=(package,), default_members=(package,),
        selected=package, lock=None,
    )  # fmt: skip
    settings, _ = load_settings(project, (package,), env={}, overrides={"native-cpu": True} if allowed else {})
    return make_plan(ProjectFacts(project, (package,), settings, None), Selection(root))


@pytest.mark.parametrize(
    ("env", "config", "manifest", "named"),
    [
        ({"RUSTFLAGS": "-C target-cpu=native"}, "", "", "RUSTFLAGS"),
        ({"CARGO_ENCODED_RUSTFLAGS": "-C\x1ftarget-cpu=native"}, "", "", "CARGO_ENCODED_RUSTFLAGS"),
        ({"CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS": "-Ctarget-cpu=native"}, "", "", "CARGO_TARGET"),
        ({"CFLAGS_x86_64_unknown_linux_musl": "-O2 -march=native"}, "", "", "CFLAGS_x86_64"),
        ({}, '[build]\nrustflags = ["-C", "target-cpu=native"]\n', "", "config.toml"),
        ({}, "[target.'cfg(unix)']\nrustflags = '-Ctarget-cpu=native'\n", "", "config.toml"),
        ({}, '[env]\nCFLAGS = { value = "-march=native", force = true }\n', "", "config.toml"),
        ({}, "", '[profile.release]\nrustflags = ["-Ctarget-cpu=native"]\n', "Cargo.toml"),
    ],
)
def test_native_is_refused(tmp_path: Path, env: Mapping[str, str], config: str, manifest: str, named: str) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(config)
    (tmp_path / "Cargo.toml").write_text(manifest)
    with pytest.raises(UsageError, match="native processor") as caught:
        check_native(planned(tmp_path), env)
    assert named in caught.value.message
    check_native(planned(tmp_path, allowed=True), env)


@pytest.mark.parametrize(
    ("env", "config"),
    [
        ({"RUSTFLAGS": "-C target-cpu=x86-64-v3"}, ""),
        ({"HOST_CFLAGS": "-march=native"}, ""),
        ({"NOTE": "-C target-cpu=native"}, ""),
        ({}, '[host]\nrustflags = ["-Ctarget-cpu=native"]\n'),
        ({}, '[alias]\nfast = "rustc -- -Ctarget-cpu=native"\n'),
    ],
)
def test_what_stays_on_this_machine_may_be_native(tmp_path: Path, env: Mapping[str, str], config: str) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(config)
    check_native(planned(tmp_path), env)
