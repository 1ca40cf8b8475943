"""A configuration that cargo refuses: no manifest is to blame, and nothing of ours keeps cargo from seeing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.project import ConfigurationRefused, ManifestRefused, load_project
from cargoship.errors import ToolchainError
from support.scripted import ScriptedRunner, said

REFUSALS = [
    "error: could not load Cargo configuration\n\nCaused by:\n  could not parse TOML configuration in `/a/config.toml`",
    "error: error in /a b/.cargo/config.toml: could not load config key `build.target-dir`",
    "error: error in environment variable `CARGO_BUILD_JOBS`: could not load config key `build.jobs`",
    "warning: `/a/.cargo/config` is deprecated\nerror: argument for --color must be auto, always, or never",
    "error: cannot set both `term.verbose` and `term.quiet`",
    "error: the target directory is set to an empty string in environment variable `CARGO_TARGET_DIR`",
    "error: failed to load --config include",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".cargo").mkdir(parents=True)
    (root / "Cargo.toml").touch()
    return root


@pytest.mark.parametrize("words", REFUSALS)
def test_it_ends_as_cargo_does(project: Path, words: str) -> None:
    runner = ScriptedRunner({("metadata",): said(code=101, stderr=f"{words}\n")})
    with pytest.raises(ConfigurationRefused, match="refuses its configuration") as refused:
        load_project(runner, Path("cargo"), project, env={})
    assert (refused.value.exit_code, refused.value.details) == (101, words)


def test_a_manifest_that_cargo_refuses_is_another_matter(project: Path) -> None:
    words = "error: failed to parse manifest at `/a/config/Cargo.toml`\n\nCaused by:\n  could not load config key\n"
    runner = ScriptedRunner({("metadata",): said(code=101, stderr=words)})
    with pytest.raises(ManifestRefused, match="cargo cannot load") as refused:
        load_project(runner, Path("cargo"), project, env={})
    assert refused.value.exit_code == ManifestRefused.exit_code != 101


def test_without_a_home_no_manifest_is_to_blame(project: Path) -> None:
    """A container's user that has no entry in /etc/passwd, and no HOME."""
    words = "error: Cargo couldn't find your home directory. This probably means that $HOME was not set.\n"
    runner = ScriptedRunner({("metadata",): said(code=101, stderr=words)})
    with pytest.raises(ToolchainError, match="cargo has no home") as refused:
        load_project(runner, Path("cargo"), project, env={})
    assert not isinstance(refused.value, ManifestRefused)
    assert "CARGO_HOME" in (refused.value.hint or "")


def test_a_folder_that_a_pattern_of_members_takes_for_a_package_is_left_out(project: Path) -> None:
    """The first build makes target/, and `members = ["*"]` matches it from then on."""
    (project / "target").mkdir()
    words = (
        f"error: failed to load manifest for workspace member `{project}/.github`\n"
        f"referenced via `*` by workspace at `{project}/Cargo.toml`\n\nCaused by:\n  failed to read\n"
    )
    runner = ScriptedRunner({("metadata",): said(code=101, stderr=words)})
    with pytest.raises(ManifestRefused) as refused:
        load_project(runner, Path("cargo"), project, env={})
    assert 'add exclude = [".github", "target"] to [workspace]' in (refused.value.hint or "")
    (project / ".github").mkdir()
    (project / ".github" / "Cargo.toml").write_text("")
    with pytest.raises(ManifestRefused) as refused:
        load_project(runner, Path("cargo"), project, env={})
    assert "exclude" not in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("file", "env", "colour"),
    [
        ("", {"CARGO_TERM_COLOR": "always"}, "never"),
        ('term.color = "always"', {}, "never"),
        ('term.color = "purple"', {"CARGO_TERM_COLOR": "always"}, None),
        ("term.color = []", {}, None),
        ("", {"CARGO_TERM_COLOR": "purple"}, "purple"),
    ],
)
def test_cargo_sees_a_colour_that_is_none(project: Path, file: str, env: dict[str, str], colour: str | None) -> None:
    (project / ".cargo" / "config.toml").write_text(file)
    runner = ScriptedRunner({("metadata",): said(code=101, stderr="error: no\n")})
    with pytest.raises(ManifestRefused):
        load_project(runner, Path("cargo"), project, env={"HOME": "/nowhere", **env})
    assert (runner.commands[0].env or {}).get("CARGO_TERM_COLOR") == colour
