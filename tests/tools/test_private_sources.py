"""Crates from repositories and registries that want a token: built, and the token is nowhere afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.private_sources import TOKEN, USER, PrivateSources, private_server
from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.tools

# each user of a token in a home of their own: cargo keeps what it has fetched
HELPER = (
    f'[credential]\n  helper = "!f() {{ test \\"$1\\" = get && echo username={USER} && echo password=TOKEN; }}; f"\n'
)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSources]:
    with private_server(tmp_path_factory.mktemp("private")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose git knows the token."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text(HELPER.replace("TOKEN", TOKEN))
    return {"HOME": str(folder), "CARGO_HOME": str(folder / ".cargo")}


def by_git(tmp_path: Path, private: PrivateSources, config: str) -> Path:
    return project(
        tmp_path / "app",
        manifest=f'[dependencies]\nhidden = {{ git = "{private.repository}" }}\n',
        files={"src/main.rs": 'fn main() { println!("{}", hidden::word()); }\n', ".cargo/config.toml": config},
    )


def by_registry(tmp_path: Path, private: PrivateSources, config: str = "") -> Path:
    # cargo wants to be given leave to read a token from a variable or file, for a registry that always asks for one
    plain = '[registry]\nglobal-credential-providers = ["cargo:token"]\n'
    index = f'{"" if config else plain}[registries.mine]\nindex = "{private.index}"\n'
    return project(
        tmp_path / "app",
        manifest='[dependencies]\nguarded = { version = "0.1", registry = "mine" }\n',
        files={"src/main.rs": 'fn main() { println!("{}", guarded::word()); }\n', ".cargo/config.toml": index + config},
    )


def built(run_cargoship: RunCargoship, app: Path, env: dict[str, str], tmp_path: Path) -> str:
    """What the program says; and nothing that the build has left or said has the token in it."""
    out = tmp_path / "out"
    # a cache of units of its own: what it keeps is looked at as well
    units = {"CARGOSHIP_CACHE_FROM": "", "CARGOSHIP_CACHE_TO": ""}
    arguments = (
        "build",
        app,
        "--platform",
        "linux/amd64",
        "-vv",
        "-o",
        f"oci:{out}",
        "-o",
        f"rootfs:{tmp_path / 'root'}",
    )
    done = run_cargoship(*arguments, env={**units, **env})
    assert TOKEN not in done.stdout + done.stderr
    for folder in (out, tmp_path / "root", app):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and "from-stdout" not in path.name:
                assert TOKEN.encode() not in path.read_bytes(), path
    (program,) = (tmp_path / "root").rglob("app/app")
    return run(program).stdout


def test_a_repository_is_fetched_with_the_token_of_git(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """Fetched and no more: Debian's cargo cannot check out what it has fetched, for the libgit2 that it is linked with.

    Its words are "invalid version 0 on git_proxy_options".
    """
    app = by_git(tmp_path, private, "[net]\ngit-fetch-with-cli = true\n")
    done = run_cargoship("build", app, "--platform", "linux/amd64", "-vv", env=home, check=False)
    assert "/git/hidden.git/git-upload-pack" in private.served
    assert TOKEN not in done.stdout + done.stderr
    assert done.returncode == 0 or "git_proxy_options" in done.stderr


def test_a_registry_with_a_token_in_a_variable(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    env = {**home, "CARGO_REGISTRIES_MINE_TOKEN": TOKEN}
    assert built(run_cargoship, by_registry(tmp_path, private), env, tmp_path) == "guarded\n"


def test_a_registry_with_credentials_as_cargo_login_leaves_them(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    cargo = Path(home["CARGO_HOME"])
    cargo.mkdir()
    (cargo / "credentials.toml").write_text(f'[registries.mine]\ntoken = "{TOKEN}"\n')
    assert built(run_cargoship, by_registry(tmp_path, private), home, tmp_path) == "guarded\n"


def test_a_registry_with_a_credential_provider(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    provider = tmp_path / "provider"
    provider.write_text(f"#!/bin/sh\necho {TOKEN}\n")
    provider.chmod(0o755)
    config = f'credential-provider = ["cargo:token-from-stdout", "{provider}"]\n'
    assert built(run_cargoship, by_registry(tmp_path, private, config), home, tmp_path) == "guarded\n"


def test_a_wrong_token_is_an_error_that_does_not_name_it(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    wrong = "another-t0ken"
    env = {**home, "CARGO_REGISTRIES_MINE_TOKEN": wrong}
    done = run_cargoship(
        "build", by_registry(tmp_path, private), "--platform", "linux/amd64", "-vv", env=env, check=False
    )
    assert done.returncode not in (0, 70)
    assert "401" in done.stderr or "token rejected" in done.stderr
    assert "Traceback" not in done.stderr
    assert wrong not in done.stderr


def test_a_dockerfile_has_mounts_for_what_the_lock_file_names(
    private: PrivateSources, home: dict[str, str], run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    app = by_registry(tmp_path, private)
    write = ("dockerfile", "--write", "--rust", "1.96.0", app)
    run_cargoship(*write, env=home)
    assert "--mount=type=secret" not in (app / "Dockerfile").read_text()
    cargo = os.environ.get("CARGO", "/usr/bin/cargo")
    run(cargo, "generate-lockfile", cwd=app, env={**home, "CARGO_REGISTRIES_MINE_TOKEN": TOKEN})
    stale = run_cargoship("dockerfile", "--check", app, env=home, check=False)
    assert stale.returncode == 26
    run_cargoship("dockerfile", "--write", app, env=home)
    run_cargoship("dockerfile", "--check", app, env=home)
    text = (app / "Dockerfile").read_text()
    assert text.count("    --mount=type=secret,id=cargo,target=/usr/local/cargo/credentials.toml \\\n") == 2
    assert "docker buildx build --secret id=cargo,src=$HOME/.cargo/credentials.toml --platform" in text
