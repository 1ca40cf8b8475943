from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.errors import ToolMissing
from cargoship.process import Command, Completed, SystemRunner
from cargoship.registry.auth.credentials import ConfigFiles
from cargoship.registry.auth.entries import Credential, IdentityToken, Login, RegistryToken
from support.pushing import Emitted

_HUB = "https://index.docker.io/v1/"
_SECRET = "s3cr3t-word"


class ScriptedRunner(SystemRunner):
    """Helper programs by name: what each answers."""

    def __init__(self, helpers: Mapping[str, Completed]) -> None:
        self.helpers = helpers
        self.asked: list[tuple[str, bytes]] = []

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        assert timeout_s is not None
        self.asked.append((command.argv[0], stdin or b""))
        if command.argv[0] not in self.helpers:
            raise ToolMissing(f"{command.argv[0]} is not on PATH")
        return self.helpers[command.argv[0]]


def _auth(username: str = "u", password: str = _SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def _answer(username: str, secret: str) -> Completed:
    return Completed(0, json.dumps({"ServerURL": "x", "Username": username, "Secret": secret}).encode(), b"")


_LOGIN = Login("u", _SECRET)


@pytest.mark.parametrize(
    ("config", "registry", "credential"),
    [
        ({"auths": {"ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"https://ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"https://ghcr.io/v2/": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"ghcr.io": _auth()}}, "ghcr.io:443", None),
        ({"auths": {"r:5000": _auth()}}, "r:5000", _LOGIN),
        ({"auths": {"ghcr.io/me": _auth()}}, "ghcr.io", None),
        ({"auths": {_HUB: _auth()}}, "docker.io", _LOGIN),
        ({"auths": {"docker.io": _auth()}}, "docker.io", _LOGIN),
        ({"auths": {"ghcr.io": _auth(password="with:colon")}}, "ghcr.io", Login("u", "with:colon")),
        ({"auths": {"ghcr.io": _auth() | {"identitytoken": "i"}}}, "ghcr.io", IdentityToken("i", "u")),
        ({"auths": {"ghcr.io": {"registrytoken": "t"}}}, "ghcr.io", RegistryToken("t")),
        ({"auths": {"ghcr.io": {"username": "u", "password": _SECRET}}}, "ghcr.io", _LOGIN),
        ({"auths": {"ghcr.io": {}}}, "ghcr.io", None),
        ({"auths": {"ghcr.io": {"auth": _auth()["auth"].rstrip("=")}}}, "ghcr.io", _LOGIN),
        ({"auths": {"ghcr.io": {"auth": _auth()["auth"] + "\n"}}}, "ghcr.io", _LOGIN),
        ({"auths": {"ghcr.io": {"auth": "dTo_Pz8-Pj4"}}}, "ghcr.io", Login("u", "???>>>")),
        ({"auths": {"ghcr.io": _auth(password="")}}, "ghcr.io", Login("u", "")),
        ({"auths": {"ghcr.io": _auth("<token>", "i")}}, "ghcr.io", IdentityToken("i")),
        ({"auths": {"ghcr.io": _auth() | {"username": "x", "password": "y"}}}, "ghcr.io", _LOGIN),
        ({"auths": {"GHCR.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"HTTPS://ghcr.io/": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"http://ghcr.io/v1/": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"https://ghcr.io/some/api": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": {"https://ghcr.io/x": _auth("a"), "ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": None}, "ghcr.io", None),
        ({"auths": {"ghcr.io": None}}, "ghcr.io", None),
        ({"credsStore": "desk", "credHelpers": {"ghcr.io": ""}, "auths": {"ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"credsStore": "desk", "credHelpers": {"ghcr.io": ""}}, "ghcr.io", None),
        ({"credsStore": "desk", "credHelpers": {"ghcr.io": "none"}}, "ghcr.io", None),
        ({"credsStore": "desk", "credHelpers": {"GHCR.io": "gcr"}}, "ghcr.io", IdentityToken("t")),
        ({"credHelpers": None, "credsStore": None, "auths": {"ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
        ({"auths": []}, "ghcr.io", None),
        ({"credsStore": "desk"}, "ghcr.io", Login("store", "x")),
        ({"credsStore": "desk", "auths": {"ghcr.io": {}}}, "ghcr.io", Login("store", "x")),
        ({"credsStore": "desk", "credHelpers": {"ghcr.io": "gcr"}}, "ghcr.io", IdentityToken("t")),
        ({"credHelpers": {"ghcr.io": "gcr"}, "auths": {"quay.io": _auth()}}, "quay.io", _LOGIN),
        ({"credsStore": "none", "auths": {"ghcr.io": _auth()}}, "ghcr.io", _LOGIN),
    ],
)
def test_a_config_file_gives(
    tmp_path: Path, config: dict[str, object], registry: str, credential: Credential | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    runner = ScriptedRunner(
        {
            "docker-credential-desk": _answer("store", "x"),
            "docker-credential-gcr": _answer("<token>", "t"),
            "docker-credential-none": Completed(1, b"credentials not found in native keychain\n", b""),
        }
    )
    reported = Emitted()
    found = ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, runner, reported).find(registry)
    assert (found and found.credential) == credential
    assert reported.notes == []


@pytest.mark.parametrize(
    ("registry", "repository", "user"),
    [
        ("r.example", "foo/bar/image", "image"),
        ("r.example", "foo/bar/other", "foo"),
        ("r.example", "foo", "foo"),
        ("r.example", "foobar/image", "all"),
        ("r.example", None, "all"),
        ("docker.io", "library/nginx", "nginx"),
        ("docker.io", "library/redis", "hub"),
        ("quay.io", "x/y", None),
    ],
)
def test_the_most_particular_key_counts(
    registry: str, repository: str | None, user: str | None, tmp_path: Path
) -> None:
    keys = {
        "r.example/foo/bar/image": "image",
        "https://r.example/foo/": "foo",
        "r.example": "all",
        "docker.io/library/nginx": "nginx",
        _HUB: "hub",
    }
    config = {"auths": {key: _auth(name) for key, name in keys.items()}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, ScriptedRunner({}), Emitted()).find(registry, repository)
    assert (found and found.credential) == (Login(user, _SECRET) if user else None)


def test_a_helper_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "desk"}')
    runner = ScriptedRunner({"docker-credential-desk": _answer("u", "x")})
    files = ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, runner, Emitted())
    assert files.find("ghcr.io", "a/b") == files.find("ghcr.io", "c")
    assert len(runner.asked) == 1


def test_a_helper_is_asked_for_docker_hub_by_its_old_address(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "desk"}')
    runner = ScriptedRunner({"docker-credential-desk": _answer("u", "x")})
    ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, runner, Emitted()).find("docker.io")
    assert runner.asked == [("docker-credential-desk", _HUB.encode())]


@pytest.mark.parametrize(
    ("helper", "warning"),
    [
        (None, "docker-credential-desk is not on PATH"),
        (Completed(-9, b"", b""), "took too long"),
        (Completed(3, _SECRET.encode(), _SECRET.encode()), "failed with exit code 3"),
        (Completed(0, b'{"Secret": "' + _SECRET.encode() + b'"}', b""), "not its protocol"),
        (Completed(0, _SECRET.encode(), b""), "not its protocol"),
    ],
)
def test_a_helper_that_fails_is_reported_and_passed_over(
    tmp_path: Path, helper: Completed | None, warning: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "desk", "auths": {"ghcr.io": _auth("other")}}))
    runner = ScriptedRunner({} if helper is None else {"docker-credential-desk": helper})
    reported = Emitted()
    found = ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, runner, reported).find("ghcr.io")
    assert found is not None
    assert found.source == str(tmp_path / "config.json")
    assert len(reported.notes) == 1
    assert warning in reported.notes[0]
    assert _SECRET not in reported.notes[0]


def test_a_helpers_name_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "../../evil"}')
    reported, runner = Emitted(), ScriptedRunner({})
    assert ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, runner, reported).find("ghcr.io") is None
    assert runner.asked == []


@pytest.mark.parametrize("text", [f'{{"auths": {{"ghcr.io": {{"auth": "{_SECRET}"', "[]", "\x00", "[" * 100_000])
def test_a_broken_file_is_reported_without_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    reported = Emitted()
    assert ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, SystemRunner(), reported).find("ghcr.io") is None
    assert len(reported.notes) == 1
    assert _SECRET not in reported.notes[0]


@pytest.mark.parametrize("auth", ["%%%", "dTpw*", "bm8gY29sb24=", "OnBhc3N3b3Jk", "//79", "dQ"])
def test_a_credential_that_says_nothing_is_reported(tmp_path: Path, auth: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": auth}}}))
    reported = Emitted()
    files = ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, ScriptedRunner({}), reported)
    assert files.find("ghcr.io") is None
    assert files.find("ghcr.io", "me/app") is None
    path = tmp_path / "config.json"
    assert reported.notes == [f"what {path} has for ghcr.io is not used: its `auth` is not base64 of USER:PASSWORD"]


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"auths": {}}'])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    reported = Emitted()
    assert ConfigFiles({"DOCKER_CONFIG": str(tmp_path)}, ScriptedRunner({}), reported).find("ghcr.io") is None
    assert reported.notes == []


def test_dockers_variable_comes_before_its_file(tmp_path: Path) -> None:
    """docker/cli#6171; GitLab hands credentials to its jobs by it."""
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": _auth("file"), "quay.io": _auth("file")}}))
    said = json.dumps({"auths": {"ghcr.io": _auth("said")}, "credsStore": "desk"})
    files = ConfigFiles({"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": said}, ScriptedRunner({}), Emitted())
    found, other = files.find("ghcr.io"), files.find("quay.io")
    assert found is not None
    assert (found.credential, found.source) == (Login("said", _SECRET), "DOCKER_AUTH_CONFIG")
    assert other is not None
    assert other.credential == Login("file", _SECRET)
    alone = ConfigFiles({"DOCKER_AUTH_CONFIG": said}, ScriptedRunner({}), Emitted()).find("ghcr.io")
    assert alone == found


@pytest.mark.parametrize("said", ["[]", f'{{"auths": "{_SECRET}', "x"])
def test_a_variable_that_is_no_configuration_is_reported_once(said: str) -> None:
    reported = Emitted()
    files = ConfigFiles({"DOCKER_AUTH_CONFIG": said}, ScriptedRunner({}), reported)
    assert files.find("ghcr.io") is None
    assert files.find("quay.io") is None
    assert reported.notes == ["DOCKER_AUTH_CONFIG is not a JSON object: its credentials are not used"]


def test_a_file_where_docker_wants_a_folder_is_read_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "docker.json"
    path.write_text(json.dumps({"auths": {"ghcr.io": _auth()}}))
    reported = Emitted()
    found = ConfigFiles({"DOCKER_CONFIG": str(path)}, ScriptedRunner({}), reported).find("ghcr.io")
    assert found is not None
    assert found.credential == _LOGIN
    assert reported.notes == [f"DOCKER_CONFIG names the file {path}, and docker wants the folder of a config.json"]


def test_the_files_are_asked_in_order(tmp_path: Path) -> None:
    env = {
        "REGISTRY_AUTH_FILE": str(tmp_path / "registry-auth.json"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    paths = [
        tmp_path / "registry-auth.json",
        tmp_path / "docker/config.json",
        tmp_path / "run/containers/auth.json",
        tmp_path / ".config/containers/auth.json",
    ]
    files = ConfigFiles(env, SystemRunner(), Emitted())
    assert list(files.files()) == paths
    for path in reversed(paths):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(json.dumps({"auths": {"ghcr.io": _auth(path.name)}}))
        # each file is read once by each object
        found = ConfigFiles(env, SystemRunner(), Emitted()).find("ghcr.io")
        assert found is not None
        assert found.source == str(path)


def test_home_and_run_stand_in_for_what_is_not_named(tmp_path: Path) -> None:
    files = ConfigFiles({"HOME": str(tmp_path)}, SystemRunner(), Emitted(), user_id=1000).files()
    own = tmp_path / ".config/containers/auth.json"
    assert files == (tmp_path / ".docker/config.json", Path("/run/containers/1000/auth.json"), own)


@pytest.mark.parametrize("credential", [_LOGIN, IdentityToken(_SECRET), RegistryToken(_SECRET)])
def test_a_credential_does_not_show_its_secret(credential: Credential) -> None:
    assert _SECRET not in repr(credential)
