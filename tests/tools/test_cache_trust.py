"""A cache with units of several savers: each machine takes those of the keys that it trusts, and no others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import locked_project
from support.reapi import running_server
from support.registry import RunningRegistry

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "Cargo.toml": MANIFEST.format("app") + '[dependencies]\nhelper = { path = "helper" }\n[workspace]\n',
    "src/main.rs": 'fn main() { println!("{}", helper::text()); }\n',
    "helper/Cargo.toml": MANIFEST.format("helper"),
    "helper/src/lib.rs": 'pub fn text() -> &\'static str { "helped" }\n',
}


@pytest.fixture(params=["registry", "folder", "remote"])
def cache(request: pytest.FixtureRequest, docker_registry: RunningRegistry, tmp_path: Path) -> Iterator[str]:
    """A place that all machines share."""
    match request.param:
        case "folder":
            yield f"dir:{tmp_path / 'shared'}"
        case "remote":
            with running_server(tmp_path / "server") as server:
                yield server.address
        case _:
            yield f"registry:{docker_registry.host}/trusted/units"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return locked_project(tmp_path / "place", FILES)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in ("ann", "bob"):
        private = tmp_path / f"{name}.key"
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private)
        run("openssl", "pkey", "-in", private, "-pubout", "-out", tmp_path / f"{name}.pub")
    return tmp_path


def test_each_machine_takes_what_its_keys_have_signed(
    run_cargoship: RunCargoship, cache: str, place: Path, keys: Path
) -> None:
    def build(machine: str, *words: str) -> str:
        """What a new machine says when it builds."""
        shutil.rmtree(place / "target", ignore_errors=True)
        env = {"CARGOSHIP_CACHE_DIR": str(keys / machine)}
        done = run_cargoship("cargo", *words, "-v", "--", "build", "--release", cwd=place, env=env)
        assert run(place / "target" / "release" / "app").stdout == "helped\n"
        return done.stderr

    def sign(name: str) -> tuple[str, ...]:
        return ("--cache-to", cache, "--cache-sign", str(keys / f"{name}.key"))

    def trust(name: str) -> tuple[str, ...]:
        return ("--cache-trust", str(keys / f"{name}.pub"))

    assert "Restored" not in build("ann", *sign("ann"), *trust("ann"))
    # another machine takes what Ann has signed; who trusts Bob alone takes nothing, and learns why
    assert "Restored 2 of 2 units" in build("reader", "--cache-from", cache, *trust("ann"))
    stranger = build("stranger", "--cache-from", cache, *trust("bob"))
    assert "Restored" not in stranger
    assert "are not taken" in stranger
    # Bob's save leaves Ann's signature where it was
    assert "Restored" not in build("bob", *sign("bob"), *trust("bob"))
    assert "Restored 2 of 2 units" in build("third", "--cache-from", cache, *trust("ann"))
    assert "Restored 2 of 2 units" in build("fourth", "--cache-from", cache, *trust("bob"))
    # who asks for no signatures takes all, as ever
    assert "Restored 2 of 2 units" in build("fifth", "--cache-from", cache)


def test_keys_that_do_not_fit_are_named(run_cargoship: RunCargoship, place: Path, keys: Path) -> None:
    def refused(*words: str) -> str:
        failed = run_cargoship("cargo", *words, "--", "build", cwd=place, check=False)
        assert failed.returncode
        assert "Traceback" not in failed.stderr
        return failed.stderr

    assert "nowhere.pub" in refused("--cache-trust", str(keys / "nowhere.pub"))
    assert "ann.key" in refused("--cache-trust", str(keys / "ann.key"))
    own = ("--cache-trust", str(keys / "ann.pub"), "--cache-sign", str(keys / "ann.pub"))
    assert "ann.pub" in refused(*own, "--cache-to", f"dir:{keys / 'remote'}")
