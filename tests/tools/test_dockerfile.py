"""`cargoship dockerfile` on real projects: what is printed, written, checked and refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.buildx import engine_in_container
from support.programs import REPOSITORY, RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.tools

WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["api", "worker"]\nresolver = "2"\n',
    **{
        f"{name}/{file}": text
        for name in ("api", "worker")
        for file, text in {
            "Cargo.toml": f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/main.rs": "fn main() {}\n",
        }.items()
    },
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_it_is_printed_and_nothing_is_written(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    project(tmp_path, manifest='[package.metadata.cargoship]\nenv = { COLOUR = "blue" }\n')
    done = run_cargoship("dockerfile", cwd=tmp_path)
    assert 'COLOUR="blue"' in done.stdout
    assert done.stderr == ""
    # exact versions of everything that compiles
    assert re.search(
        r"^FROM --platform=\$BUILDPLATFORM rust:\d+\.\d+\.\d+-slim-bookworm AS tools$", done.stdout, re.MULTILINE
    )
    assert re.search(r"cargoship==[\w.]+ cargo-zigbuild==[\d.]+ ziglang==[\d.]+", done.stdout)
    # there is no lock file to insist on
    assert "--locked" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"Cargo.toml", "src"}


def test_what_is_written_is_up_to_date_until_the_settings_change(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    project(tmp_path)
    assert run_cargoship("dockerfile", "--check", cwd=tmp_path, check=False).returncode == 26
    run_cargoship("dockerfile", "--write", "--variant", "native", "--apt", "cmake", cwd=tmp_path)
    written = (tmp_path / "Dockerfile").read_text()
    assert "cmake" in written
    run_cargoship("dockerfile", "--check", cwd=tmp_path)
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("1.2.3", "2.0.0"))
    (tmp_path / "src" / "main.rs").write_text("fn main() { /* another */ }\n")
    run_cargoship("dockerfile", "--check", cwd=tmp_path)

    manifest.write_text(manifest.read_text() + "[package.metadata.cargoship]\nexpose = [8080]\n")
    stale = run_cargoship("dockerfile", "--check", cwd=tmp_path, check=False)
    assert stale.returncode == 26
    assert "+EXPOSE 8080/tcp" in stale.stderr
    assert "cargoship dockerfile --write" in stale.stderr
    assert (tmp_path / "Dockerfile").read_text() == written
    # with the options of the first time
    run_cargoship("dockerfile", "--write", cwd=tmp_path)
    assert (tmp_path / "Dockerfile").read_text() == written.replace("USER", "EXPOSE 8080/tcp\nUSER")
    run_cargoship("dockerfile", "--check", cwd=tmp_path)
    # or with others
    run_cargoship("dockerfile", "--write", "--variant", "cross", cwd=tmp_path)
    assert "cmake" not in (tmp_path / "Dockerfile").read_text()


def test_a_changed_dockerignore_is_out_of_date_and_a_persons_own_is_left_alone(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    project(tmp_path)
    run_cargoship("dockerfile", "--write", cwd=tmp_path)
    ignore = tmp_path / ".dockerignore"
    ignore.write_text(ignore.read_text() + "src\n")
    assert run_cargoship("dockerfile", "--check", cwd=tmp_path, check=False).returncode == 26
    ignore.write_text("mine\n")
    run_cargoship("dockerfile", "--check", cwd=tmp_path)
    done = run_cargoship("dockerfile", "--write", cwd=tmp_path)
    assert "is yours and stays" in done.stderr
    assert ignore.read_text() == "mine\n"
    run_cargoship("dockerfile", "--write", "--overwrite", cwd=tmp_path)
    assert "target\n" in ignore.read_text()


def test_a_persons_own_dockerfile_is_not_written_over(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    project(tmp_path)
    mine = tmp_path / "Dockerfile"
    mine.write_text("FROM scratch\n")
    done = run_cargoship("dockerfile", "--write", cwd=tmp_path, check=False)
    assert done.returncode == 23
    assert "was not made by cargoship" in done.stderr
    assert mine.read_text() == "FROM scratch\n"
    assert not (tmp_path / ".dockerignore").exists()
    assert run_cargoship("dockerfile", "--check", cwd=tmp_path, check=False).returncode == 26
    run_cargoship("dockerfile", "--write", "-f", "docker/Dockerfile.app", cwd=tmp_path)
    assert mine.read_text() == "FROM scratch\n"
    assert not (tmp_path / ".dockerignore").exists()
    assert "buildx build -f docker/Dockerfile.app " in (tmp_path / "docker" / "Dockerfile.app").read_text()
    run_cargoship("dockerfile", "--write", "--overwrite", cwd=tmp_path)
    assert "AS runtime" in mine.read_text()


def test_another_dockerfile_keeps_the_general_dockerignore_that_is_not_its_own(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    project(tmp_path, files={"Dockerfile": "FROM scratch\n", ".dockerignore": "docs\n"})
    missing = run_cargoship("dockerfile", "--check", "-f", "Dockerfile.ship", cwd=tmp_path, check=False)
    assert "hint: cargoship dockerfile --write --file Dockerfile.ship makes it\n" in missing.stderr
    run_cargoship("dockerfile", "--write", "-f", "Dockerfile.ship", cwd=tmp_path)
    assert (tmp_path / ".dockerignore").read_text() == "docs\n"
    own = tmp_path / "Dockerfile.ship.dockerignore"
    assert {"target", "Dockerfile.ship", "Dockerfile.ship.dockerignore"} <= set(own.read_text().splitlines())
    run_cargoship("dockerfile", "--check", "-f", "Dockerfile.ship", cwd=tmp_path)
    own.write_text(own.read_text() + "src\n")
    assert run_cargoship("dockerfile", "--check", "-f", "Dockerfile.ship", cwd=tmp_path, check=False).returncode == 26


def test_a_member_is_made_again_from_the_workspaces_folder(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    write(tmp_path, WORKSPACE)
    run_cargoship("dockerfile", "--write", cwd=tmp_path / "worker")
    text = (tmp_path / "Dockerfile").read_text()
    assert "--package worker" in text.splitlines()[0]
    assert "runtime-" not in text
    assert 'ENTRYPOINT ["/app/worker"]' in text
    for folder in (tmp_path, tmp_path / "api", tmp_path / "worker"):
        run_cargoship("dockerfile", "--check", cwd=folder)


def test_what_the_project_says_of_its_rust_and_a_wheel_in_the_context(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    project(tmp_path, files={"dist/cargoship-9-py3-none-any.whl": ""})
    done = run_cargoship(
        "dockerfile", "--rust", "1.90.0", "--cargoship", "dist/cargoship-9-py3-none-any.whl", cwd=tmp_path
    )
    assert "FROM --platform=$BUILDPLATFORM rust:1.90.0-slim-bookworm AS tools" in done.stdout
    assert "COPY dist/cargoship-9-py3-none-any.whl /tmp/" in done.stdout
    assert "install --quiet /tmp/cargoship-9-py3-none-any.whl cargo-zigbuild==" in done.stdout
    done = run_cargoship("dockerfile", "--cargoship", "https://example.com/c.whl", "--builder", "me/rust", cwd=tmp_path)
    assert "install --quiet https://example.com/c.whl " in done.stdout
    assert "cargoship==8.0.1 " in run_cargoship("dockerfile", "--cargoship", "8.0.1", cwd=tmp_path).stdout


VENDORED = {
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "itoa"\nversion = "1.0.0"\n'
    'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "00"\n'
}
VENDORED_IN = '[source.crates-io]\nreplace-with = "copies"\n[source.copies]\ndirectory = "{}"\n'
REFUSED = {
    "no project": (("dockerfile",), 10, "no Cargo.toml"),
    "two things at once": (("dockerfile", "app", "--write", "--check"), 2, "--write and --check do not go together"),
    "another variant": (("dockerfile", "app", "--variant", "both"), 2, "both"),
    "a file elsewhere": (("dockerfile", "app", "--write", "-f", "../Dockerfile"), 2, "is outside of"),
    "no such wheel": (("dockerfile", "app", "--cargoship", "dist/x.whl"), 2, "neither a version, nor a URL"),
    "a wheel elsewhere": (("dockerfile", "app", "--cargoship", "../x.whl"), 2, "neither a version, nor a URL"),
    "crates elsewhere": (("dockerfile", "vendored"), 2, "takes crates from ../crates"),
    "a crate elsewhere": (("dockerfile", "needy"), 2, "which is all that Docker sees"),
    "a package that is none": (("dockerfile", "app", "-p", "web"), 12, "'web'"),
    "a folder as a base": (("dockerfile", "app", "--base", "oci:x"), 2, "cannot take oci:x"),
    "glibc on a base without": (("dockerfile", "app", "--libc", "gnu"), 40, "it has no C library"),
    "a recorded option that is none": (("dockerfile", "old", "--check"), 2, "--gone"),
}


def test_without_cargo_or_rust_it_says_what_to_install(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    project(tmp_path)
    done = run_cargoship("dockerfile", "--write", cwd=tmp_path, env={"CARGO": "/no/cargo"}, check=False)
    assert (done.returncode, done.stdout) == (30, "")
    done = run_cargoship("dockerfile", "--write", cwd=tmp_path, env={"RUSTC": "/no/rustc"}, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--rust 1.96.0" in done.stderr
    assert not (tmp_path / "Dockerfile").exists()
    assert run_cargoship("dockerfile", "--rust", "1.90.0", cwd=tmp_path, env={"RUSTC": "/no/rustc"}).stdout


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(run_cargoship: RunCargoship, tmp_path: Path, name: str) -> None:
    words, code, said = REFUSED[name]
    project(tmp_path / "app")
    (tmp_path / "x.whl").touch()
    project(tmp_path / "shared", name="shared", files={"src/lib.rs": ""})
    project(tmp_path / "needy", manifest='[dependencies]\nshared = { path = "../shared" }\n')
    project(tmp_path / "vendored", files={**VENDORED, ".cargo/config.toml": VENDORED_IN.format("../crates")})
    project(tmp_path / "old", files={"Dockerfile": "# Made by cargoship 9: cargoship dockerfile --gone\n"})
    done = run_cargoship(*words, cwd=tmp_path, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "app" / "Dockerfile").exists()


GUIDE = REPOSITORY / "docs" / "dockerfile.md"


def test_the_guide_shows_what_is_generated(run_cargoship: RunCargoship) -> None:
    command = "cargoship dockerfile examples/web-service --rust 1.96.0"
    made = run_cargoship(*command.split()[1:], cwd=REPOSITORY).stdout
    shown = re.search(rf"<!-- made by: {command} -->\n```dockerfile\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == made, f"put the output of this into {GUIDE}: {command}"


def test_the_engine_of_the_tests_leaves_the_machines_bridge_where_it_is() -> None:
    """They share a network, and containers that name no other get none without the bridge."""
    name = '{{index .Options "com.docker.network.bridge.name"}}'
    bridge = run("docker", "network", "inspect", "bridge", "--format", name).stdout.strip()
    with engine_in_container() as engine:
        interfaces = run("docker", "exec", engine.name, "cat", "/proc/net/dev").stdout
        assert f"{bridge}:" in interfaces.split()
        networks = run("docker", "network", "ls", "--format", "{{.Name}}").stdout
        assert engine.name in networks.split()
    # nor is one of its own left behind
    assert engine.name not in run("docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
