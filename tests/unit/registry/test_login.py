"""Logging in and out: what is tried, what is kept, and where."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import CargoshipError, OutputError, ToolMissing, Unauthorized, UsageError
from cargoship.process import Command, Completed, SystemRunner
from cargoship.registry.auth.credential_store import CredentialStore
from cargoship.registry.auth.credentials import ConfigFiles
from cargoship.registry.auth.entries import Login
from cargoship.registry.auth.login import log_in, log_out, registry_name
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry, TokenAuth
from support.pushing import Emitted

_SECRET = "s3cr3t-word"
_LOGIN = Login("u", _SECRET)
_HUB = "https://index.docker.io/v1/"


class Helper(SystemRunner):
    """docker-credential-desk: what it was given, and what it says to that."""

    def __init__(self, answer: Completed | None = None) -> None:
        self.answer = answer or Completed(0, b"", b"")
        self.reported: list[tuple[str, ...] | bytes] = []

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        assert timeout_s is not None
        if command.argv[0] != "docker-credential-desk":
            raise ToolMissing(f"{command.argv[0]} is not on PATH")
        self.reported += [command.argv[1:], stdin or b""]
        return self.answer


def _config(folder: Path) -> dict[str, object]:
    config: dict[str, object] = json.loads((folder / "config.json").read_text())
    return config


def _entry(login: Login = _LOGIN) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode()}


@pytest.mark.parametrize("auth", [BasicAuth("u", _SECRET), TokenAuth("u", _SECRET)])
def test_what_was_accepted_is_kept_for_docker(auth: BasicAuth | TokenAuth, tmp_path: Path) -> None:
    env = {"DOCKER_CONFIG": str(tmp_path / "new" / "docker")}
    with InMemoryRegistry(auth=auth) as registry:
        host = registry.host
        done = log_in(host, _LOGIN, env=env, runner=SystemRunner(), emit=Emitted())
    path = tmp_path / "new" / "docker" / "config.json"
    assert (done.asked, done.kept.place, done.kept.plain) == (True, str(path), True)
    assert _config(path.parent) == {"auths": {host: _entry()}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    found = ConfigFiles(env, SystemRunner(), Emitted()).find(host)
    assert found is not None
    assert found.credential == _LOGIN


@pytest.mark.parametrize("auth", [BasicAuth("u", "other"), TokenAuth("u", "other")])
def test_what_was_refused_is_not_kept(auth: BasicAuth | TokenAuth, tmp_path: Path) -> None:
    with InMemoryRegistry(auth=auth) as registry, pytest.raises(Unauthorized) as raised:
        log_in(registry.host, _LOGIN, env={"DOCKER_CONFIG": str(tmp_path)}, runner=SystemRunner(), emit=Emitted())
    assert list(tmp_path.iterdir()) == []
    assert _SECRET not in raised.value.message + (raised.value.hint or "")


def test_a_registry_that_asks_for_nothing_is_reported(tmp_path: Path) -> None:
    with InMemoryRegistry() as registry:
        done = log_in(
            registry.host, _LOGIN, env={"DOCKER_CONFIG": str(tmp_path)}, runner=SystemRunner(), emit=Emitted()
        )
    assert not done.asked


@pytest.mark.parametrize(
    ("registry", "before", "after"),
    [
        ("ghcr.io", {}, {"auths": {"ghcr.io": _entry()}}),
        ("docker.io", {}, {"auths": {_HUB: _entry()}}),
        ("docker.io", {"auths": {"docker.io": {"auth": "eDp5"}}}, {"auths": {_HUB: _entry()}}),
        ("ghcr.io", {"auths": {"https://ghcr.io/v2/": {"auth": "eDp5"}}}, {"auths": {"ghcr.io": _entry()}}),
        (
            "ghcr.io",
            {"proxies": {"default": {}}, "auths": {"quay.io": {"auth": "eDp5"}, "ghcr.io/me": {"auth": "eDp6"}}},
            {
                "proxies": {"default": {}},
                "auths": {"quay.io": {"auth": "eDp5"}, "ghcr.io/me": {"auth": "eDp6"}, "ghcr.io": _entry()},
            },
        ),
        ("ghcr.io", {"credsStore": "desk"}, {"credsStore": "desk", "auths": {"ghcr.io": {}}}),
        (
            "ghcr.io",
            {"credHelpers": {"ghcr.io": "desk"}},
            {"credHelpers": {"ghcr.io": "desk"}, "auths": {"ghcr.io": {}}},
        ),
        (
            "quay.io",
            {"credHelpers": {"ghcr.io": "desk"}},
            {"credHelpers": {"ghcr.io": "desk"}, "auths": {"quay.io": _entry()}},
        ),
    ],
)
def test_only_what_belongs_to_the_registry_changes(
    registry: str, before: Mapping[str, object], after: Mapping[str, object], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(before))
    runner = Helper()
    kept = CredentialStore({"DOCKER_CONFIG": str(tmp_path)}, runner).keep(registry, _LOGIN)
    assert _config(tmp_path) == after
    helped = "desk" in str(before) and registry == "ghcr.io"
    assert kept.plain is not helped
    if helped:
        action, data = runner.reported
        assert action == ("store",)
        assert isinstance(data, bytes)
        assert json.loads(data) == {"ServerURL": registry, "Username": "u", "Secret": _SECRET}
    else:
        assert runner.reported == []


@pytest.mark.parametrize(
    ("before", "helper", "known", "after"),
    [
        ({"auths": {"ghcr.io": _entry(), "quay.io": {}}}, None, True, {"auths": {"quay.io": {}}}),
        ({"auths": {"https://ghcr.io": _entry()}}, None, True, {"auths": {}}),
        ({"auths": {"quay.io": {}}}, None, False, {"auths": {"quay.io": {}}}),
        (
            {"credsStore": "desk", "auths": {"ghcr.io": {}}},
            Completed(0, b"", b""),
            True,
            {"credsStore": "desk", "auths": {}},
        ),
        ({"credsStore": "desk"}, Completed(0, b"", b""), True, {"credsStore": "desk"}),
        ({"credsStore": "desk"}, Completed(1, b"credentials not found", b""), False, {"credsStore": "desk"}),
    ],
)
def test_what_was_kept_is_forgotten(
    before: Mapping[str, object], helper: Completed | None, after: Mapping[str, object], tmp_path: Path, *, known: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(before))
    runner = Helper(helper)
    assert log_out("ghcr.io", env={"DOCKER_CONFIG": str(tmp_path)}, runner=runner) is known
    assert _config(tmp_path) == after
    assert runner.reported == ([] if helper is None else [("erase",), b"ghcr.io"])


def test_without_a_file_there_is_nothing_to_forget(tmp_path: Path) -> None:
    assert not log_out("ghcr.io", env={"HOME": str(tmp_path)}, runner=SystemRunner())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "answer", "kind"),
    [
        (f'{{"auths": {{"ghcr.io": {{"auth": "{_SECRET}"', None, OutputError),
        ("[]", None, OutputError),
        ('{"auths": []}', None, OutputError),
        ('{"credsStore": "../evil"}', None, OutputError),
        ('{"credsStore": "missing"}', None, ToolMissing),
        ('{"credsStore": "desk"}', Completed(1, _SECRET.encode(), _SECRET.encode()), OutputError),
        ('{"credsStore": "desk"}', Completed(-9, b"", b""), OutputError),
    ],
)
def test_what_cannot_be_kept_is_reported_and_nothing_changes(
    text: str, answer: Completed | None, kind: type[CargoshipError], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(kind) as raised:
        CredentialStore({"DOCKER_CONFIG": str(tmp_path)}, Helper(answer)).keep("ghcr.io", _LOGIN)
    assert _SECRET not in raised.value.message + (raised.value.hint or "") + repr(raised.value)
    assert (tmp_path / "config.json").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_linked_file_is_replaced_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/there.json").write_text("{}")
    (tmp_path / "config.json").symlink_to("real/there.json")
    CredentialStore({"DOCKER_CONFIG": str(tmp_path)}, SystemRunner()).keep("ghcr.io", _LOGIN)
    assert (tmp_path / "config.json").is_symlink()
    assert "ghcr.io" in (tmp_path / "real/there.json").read_text()


def test_the_first_place_is_written_to(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert CredentialStore(env, SystemRunner()).path == tmp_path / ".docker/config.json"
    env["DOCKER_CONFIG"] = str(tmp_path / "d")
    assert CredentialStore(env, SystemRunner()).path == tmp_path / "d/config.json"
    env["REGISTRY_AUTH_FILE"] = str(tmp_path / "auth.json")
    assert CredentialStore(env, SystemRunner()).path == tmp_path / "auth.json"
    with pytest.raises(UsageError):
        _ = CredentialStore({}, SystemRunner()).path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://GHCR.io/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("localhost", "localhost"),
        ("docker.io", "docker.io"),
        (_HUB, "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("[::1]:5000", "[::1]:5000"),
        ("ghcr.io/me", None),
        ("", None),
        ("me", None),
        ("a b.c", None),
    ],
)
def test_a_registry_is_named_by_its_host(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(UsageError):
            registry_name(text)
    else:
        assert registry_name(text) == name


def _run(*arguments: str, stdin: str, env: Mapping[str, str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    world = World(dict(env), Path.cwd(), out, err, stdin=io.StringIO(stdin))
    return main(arguments, world), out.getvalue(), err.getvalue()


@pytest.mark.parametrize("newline", ["", "\n", "\r\n"])
def test_the_commands_log_in_and_out(newline: str, tmp_path: Path) -> None:
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": os.environ["PATH"]}
    with InMemoryRegistry(auth=BasicAuth("u", _SECRET)) as registry:
        arguments = ("login", registry.host, "-u", "u", "--password-stdin")
        code, out, err = _run(*arguments, stdin=_SECRET + newline, env=env)
        assert (code, out) == (0, "")
        assert f"logged in to {registry.host}" in err
        assert "not encrypted" in err
        assert _SECRET not in err
        assert registry.host in (tmp_path / "config.json").read_text()
        code, out, err = _run("login", registry.host, "-u", "u", "--password-stdin", stdin="wrong", env=env)
        assert (code, out) == (52, "")
        assert "wrong" not in err
        code, out, err = _run("logout", registry.host, stdin="", env=env)
        assert (code, out) == (0, "")
        assert "logged out" in err
        assert registry.host not in (tmp_path / "config.json").read_text()
        assert "were kept" in _run("logout", registry.host, stdin="", env=env)[2]


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("login", "ghcr.io"), ""),
        (("login", "ghcr.io", "--password-stdin"), _SECRET),
        (("login", "ghcr.io", "-u", "u", "--password-stdin"), ""),
        (("login", "ghcr.io", "-u", "u:v", "--password-stdin"), _SECRET),
        (("login", "ghcr.io/me", "-u", "u", "--password-stdin"), _SECRET),
        (("login", "ghcr.io", "-u", "u", "--password-stdin"), "x" * 70_000),
    ],
)
def test_nobody_is_asked_where_nobody_is(arguments: tuple[str, ...], stdin: str, tmp_path: Path) -> None:
    code, out, err = _run(*arguments, stdin=stdin, env={"DOCKER_CONFIG": str(tmp_path)})
    assert (code, out) == (2, "")
    assert _SECRET not in err
    assert list(tmp_path.iterdir()) == []


def test_who_gives_no_password_learns_how_to(tmp_path: Path) -> None:
    for arguments in (("login", "ghcr.io", "-u", "u"), ("login", "ghcr.io", "-u", "u", "--password-stdin")):
        err = _run(*arguments, stdin="\n", env={"DOCKER_CONFIG": str(tmp_path)})[2]
        assert "cargoship login ghcr.io --username u --password-stdin < FILE" in err


@pytest.mark.parametrize("text", ["", "\n", '{"auths": null}', '{"auths": null, "credsStore": ""}'])
def test_a_configuration_that_says_nothing_is_added_to(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    CredentialStore({"DOCKER_CONFIG": str(tmp_path)}, SystemRunner()).keep("ghcr.io", _LOGIN)
    assert _config(tmp_path)["auths"] == {"ghcr.io": _entry()}
    assert log_out("ghcr.io", env={"DOCKER_CONFIG": str(tmp_path)}, runner=SystemRunner())


def test_nothing_is_kept_beside_a_file_that_should_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("{}")
    with pytest.raises(OutputError, match="is a file, and not the folder"):
        CredentialStore({"DOCKER_CONFIG": str(tmp_path / "docker")}, SystemRunner()).keep("ghcr.io", _LOGIN)


def test_a_server_that_is_no_registry_is_called_so(tmp_path: Path) -> None:
    with InMemoryRegistry(faults=[Fault("GET", "^/v2/$", status=404, times=None)]) as registry:
        with pytest.raises(CargoshipError) as raised:
            log_in(registry.host, _LOGIN, env={"DOCKER_CONFIG": str(tmp_path)}, runner=SystemRunner(), emit=Emitted())
        assert raised.value.message == f"{registry.host} has no registry at /v2/ (HTTP 404)"
    assert "its port" in (raised.value.hint or "")
    assert list(tmp_path.iterdir()) == []
