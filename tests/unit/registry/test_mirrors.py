"""Which mirrors a registry has, and who says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.errors import RegistryRefused, UsageError
from cargoship.registry.mirrors.files import RegistrySettings, read_mirrors
from support.pushing import Emitted

_CONF = """
unqualified-search-registries = ["docker.io"]

[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "one.example/hub"
[[registry.mirror]]
location = "two.example:5000"
insecure = true
pull-from-mirror = "tag-only"

[[registry]]
prefix = "docker.io/team"
location = "docker.io/team"
mirror-by-digest-only = true
[[registry.mirror]]
location = "team.example"

[[registry]]
prefix = "inside.example/apps"
location = "real.example/x/apps"

[[registry]]
prefix = "*.corp.example"
insecure = true
[[registry.mirror]]
location = "cache.example/corp"

[[registry]]
location = "bad.example"
blocked = true
"""


def settings(env: Mapping[str, str], reported: Emitted | None = None) -> RegistrySettings:
    # a home of its own keeps the files of this machine's user away
    return read_mirrors({"HOME": "/nonexistent", **env}, reported or Emitted())


def route(found: RegistrySettings, name: str, *, by_digest: bool = True) -> list[str]:
    registry, _, repository = name.partition("/")
    way = found.mirrors.route(registry, repository, by_digest=by_digest)
    places = [f"{place.mirror.registry}/{place.repository}" for place in way.places]
    return [*places, name] if way.own else places


@pytest.fixture
def conf(tmp_path: Path) -> RegistrySettings:
    path = tmp_path / "registries.conf"
    path.write_text(_CONF)
    return settings({"CONTAINERS_REGISTRIES_CONF": str(path)})


@pytest.mark.parametrize(
    ("name", "by_digest", "places"),
    [
        ("docker.io/library/debian", True, ["one.example/hub/library/debian"]),
        ("docker.io/library/debian", False, ["one.example/hub/library/debian", "two.example:5000/library/debian"]),
        ("docker.io/team/app", True, ["team.example/app"]),
        ("docker.io/team/app", False, []),
        ("docker.io/teamwork/app", True, ["one.example/hub/teamwork/app"]),
        ("a.b.corp.example/x/y", True, ["cache.example/corp/x/y"]),
        ("corp.example/x", True, []),
        ("ghcr.io/me/app", True, []),
    ],
)
def test_podmans_file_is_understood(conf: RegistrySettings, name: str, *, by_digest: bool, places: list[str]) -> None:
    assert route(conf, name, by_digest=by_digest) == [*places, name]


def test_what_really_is_elsewhere_is_not_asked_for_here(conf: RegistrySettings) -> None:
    assert route(conf, "inside.example/apps/web") == ["real.example/x/apps/web"]
    assert route(conf, "inside.example/other") == ["inside.example/other"]


def test_what_is_blocked_is_not_read(conf: RegistrySettings) -> None:
    with pytest.raises(RegistryRefused, match=r"blocked by .*registries\.conf"):
        route(conf, "bad.example/app")


def test_plain_hosts_are_those_that_are_called_insecure(conf: RegistrySettings) -> None:
    assert conf.plain == {"two.example:5000", "*.corp.example"}


def test_files_of_ones_own_and_drop_ins_count(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "containers"
    (folder / "registries.conf.d").mkdir(parents=True)

    def write(name: str, mirror: str) -> None:
        (folder / name).write_text(
            f'[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\nlocation = "{mirror}"\n'
        )

    write("registries.conf", "main.example")
    assert route(settings({"HOME": str(tmp_path)}), "r.example/x")[0] == "main.example/x"
    write("registries.conf.d/1.conf", "first.example")
    write("registries.conf.d/2.conf", "second.example")
    assert route(settings({"HOME": str(tmp_path)}), "r.example/x") == ["second.example/x", "r.example/x"]
    elsewhere = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    assert route(settings(elsewhere), "r.example/x")[0] == "second.example/x"


@pytest.mark.parametrize("place", [".docker", ".config/docker"])
def test_the_engines_mirrors_are_those_of_docker_hub(place: str, tmp_path: Path) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    mirrors = ["https://mirror.example/", "http://10.0.0.1:5000"]
    (folder / "daemon.json").write_text(json.dumps({"registry-mirrors": mirrors}))
    found = settings({"HOME": str(tmp_path)})
    places = ["mirror.example/library/debian", "10.0.0.1:5000/library/debian"]
    assert route(found, "docker.io/library/debian") == [*places, "docker.io/library/debian"]
    assert route(found, "ghcr.io/me/app") == ["ghcr.io/me/app"]
    assert found.plain == {"10.0.0.1:5000"}
    assert found.mirrors.concern("docker.io")
    assert not found.mirrors.concern("ghcr.io")


def test_the_variable_says_everything(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "daemon.json").write_text('{"registry-mirrors": ["https://mirror.example"]}')
    home = {"HOME": str(tmp_path)}
    found = settings({**home, "CARGOSHIP_REGISTRY_MIRRORS": "ghcr.io/me=a.example/b, ghcr.io/me=http://c.example:1"})
    assert route(found, "ghcr.io/me/app") == ["a.example/b/app", "c.example:1/app", "ghcr.io/me/app"]
    assert route(found, "docker.io/x/y") == ["docker.io/x/y"]
    assert found.plain == {"c.example:1"}
    assert settings({**home, "CARGOSHIP_REGISTRY_MIRRORS": ""}).mirrors.rules == ()


@pytest.mark.parametrize("text", ["mirror.example", "docker.io=", "=m.example", "docker.io=ftp://m.example", "x=UP/x?"])
def test_a_variable_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        settings({"CARGOSHIP_REGISTRY_MIRRORS": text})


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("containers/registries.conf", "[[registry]]\nlocation = ", "not TOML"),
        ("containers/registries.conf", "[[registry]]\nlocation = 5", "no text"),
        ("containers/registries.conf", "[[registry]]\nblocked = true", "neither prefix nor location"),
        (
            "containers/registries.conf",
            '[[registry]]\nlocation="a.example"\n[[registry.mirror]]\nlocation="/"',
            "place",
        ),
        (
            "containers/registries.conf",
            '[[registry]]\nlocation="a.example"\n[[registry.mirror]]\nlocation="b.example"\npull-from-mirror="x"',
            "pull-from-mirror",
        ),
        ("docker/daemon.json", '{"registry-mirrors": 5}', "no list of addresses"),
        ("docker/daemon.json", '{"registry-mirrors": [5]}', "no list of addresses"),
        ("docker/daemon.json", '{"registry-mirrors": ["ftp://x"]', "no list of addresses"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_passed_over(
    name: str, text: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / ".config" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    reported = Emitted()
    assert settings({"HOME": str(tmp_path)}, reported).mirrors.rules == ()
    (note,) = reported.notes
    assert str(path) in note
    assert word in note
