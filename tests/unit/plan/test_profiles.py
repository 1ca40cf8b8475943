"""A profile that nobody has defined is refused by the plan, and not by cargo after the toolchain was made ready."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.cargo.project import Binary, Package, Project
from cargoship.errors import UsageError
from cargoship.plan import Plan, ProjectFacts, Selection, make_plan
from cargoship.plan.profiles import check_profile
from cargoship.settings.sources import load_settings


def planned(root: Path, profile: str) -> Plan:
    package = Package("path+file:///w#app@1.0.0", "app", "1.0.0", root / "Cargo.toml", root, (Binary("app", "app"),))
    project = Project(
        root=root, folder=root, target_dir=root / "target", packages=(package,), default_members=(package,),
        selected=package, lock=None,
    )  # fmt: skip
    settings, _ = load_settings(project, (package,), env={}, overrides={})
    return make_plan(ProjectFacts(project, (package,), settings, None), Selection(root, profile=profile))


def test_a_misspelt_profile_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text('[profile.dist]\ninherits = "release"\n')
    with pytest.raises(UsageError, match=r"profile 'relese' is not defined; did you mean \"release\"") as caught:
        check_profile(planned(tmp_path, "relese"), {})
    assert "bench, dev, dist, release, test" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "config", "env"),
    [
        ("release", "", {}),
        ("dev", "", {}),
        ("dist", "", {}),
        ("ci", '[profile.ci]\ninherits = "dev"\n', {}),
        ("from-env", "", {"CARGO_PROFILE_FROM_ENV_INHERITS": "dev"}),
    ],
)
def test_what_cargo_knows_is_taken(tmp_path: Path, name: str, config: str, env: Mapping[str, str]) -> None:
    (tmp_path / "Cargo.toml").write_text('[profile.dist]\ninherits = "release"\n')
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(config)
    check_profile(planned(tmp_path, name), env)
