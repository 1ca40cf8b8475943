"""The conventions of the large registries, each as a small server that has them under that host's name.

What they do is taken from their documentation and from what their users have reported.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.errors import CargoshipError, Forbidden, RegistryRefused, Unauthorized
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import Command, Completed, SystemRunner
from cargoship.registry.auth.credentials import ConfigFiles
from cargoship.registry.chunks import STANDARD, Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import BasicAuth, Call, Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from cargoship.testing.content_api import ContentApi
from cargoship.testing.exchange import Reply
from cargoship.testing.holdings import Repository
from support.images import ARM64, small_index
from support.pushing import HASTE, Emitted
from support.virtual import VirtualBudget

_SECRET = "s3cr3t-word"
_ACR_USER = "00000000-0000-0000-0000-000000000000"


class _Helpers(SystemRunner):
    """Helper programs: user name and secret by program and server."""

    def __init__(self, known: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        self._known = known

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del timeout_s
        username, secret = self._known[command.argv[0].removeprefix("docker-credential-"), (stdin or b"").decode()]
        return Completed(0, json.dumps({"ServerURL": "", "Username": username, "Secret": secret}).encode(), b"")


def _client(
    registry: InMemoryRegistry,
    host: str,
    config: Mapping[str, object],
    folder: Path,
    *,
    also: tuple[str, ...] = (),
    access: Access = Access.PUSH,
    helpers: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    chunks: Chunks | None = None,
) -> RegistryClient:
    (folder / "config.json").write_text(json.dumps(config))
    options = ClientOptions(
        credentials=ConfigFiles({"DOCKER_CONFIG": str(folder)}, _Helpers(helpers or {}), Emitted()),
        transport=InMemoryTransport(registry, registries=dict.fromkeys(also, registry)),
        emit=Emitted(),
        access=access,
        budget=VirtualBudget(600.0),
        retry_policy=HASTE,
        chunks=chunks or STANDARD,
    )
    return RegistryClient(host, options)


def _push(client: RegistryClient, index: Index, name: str) -> None:
    reference = Reference.parse(name)
    push_index(client, index, reference=reference, tags=[reference.tag or "latest"], options=PushOptions(Emitted()))


def _auths(key: str, username: str, password: str) -> dict[str, object]:
    return {"auths": {key: {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}}}


# --- Amazon ECR: Basic with the user AWS from a helper; repositories are made first; tags may be immutable -----------

_ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
_ECR_CONFIG = {"credHelpers": {_ECR: "ecr-login"}}
_ECR_HELPERS = {("ecr-login", _ECR): ("AWS", _SECRET)}


def _ecr(**contents: object) -> InMemoryRegistry:
    held = ContentApi(create_first=True, repositories={"me/app": Repository()}, **contents)  # type: ignore[arg-type]
    return InMemoryRegistry(address=f"https://{_ECR}", auth=BasicAuth("AWS", _SECRET), contents=held)


def test_ecr_is_pushed_to_with_its_helper(index: Index, tmp_path: Path) -> None:
    registry = _ecr(chunk_bytes_min=100)
    chunks = Chunks(whole_bytes=50, chunk_bytes=50)
    with _client(registry, _ECR, _ECR_CONFIG, tmp_path, helpers=_ECR_HELPERS, chunks=chunks) as client:
        _push(client, index, f"{_ECR}/me/app:1")
    assert registry.tags("me/app") == {"1": str(index.digest)}


def test_ecr_makes_no_repositories(index: Index, tmp_path: Path) -> None:
    client = _client(_ecr(), _ECR, _ECR_CONFIG, tmp_path, helpers=_ECR_HELPERS)
    with client, pytest.raises(RegistryRefused, match="NAME_UNKNOWN: The repository with name") as raised:
        _push(client, index, f"{_ECR}/me/other:1")
    assert "create it" in (raised.value.hint or "")
    with client, pytest.raises(RegistryRefused, match="NAME_UNKNOWN"):
        client.check_push("me/other")


def test_ecr_may_refuse_to_move_a_tag(index: Index, tmp_path: Path) -> None:
    registry = _ecr()
    words = (
        "The image tag '1' already exists in the 'me/app' repository and cannot be overwritten because the "
        "repository is immutable."
    )
    body = json.dumps({"errors": [{"code": "TAG_INVALID", "message": words}]}).encode()
    with _client(registry, _ECR, _ECR_CONFIG, tmp_path, helpers=_ECR_HELPERS) as client:
        _push(client, small_index(tmp_path / "old", [ARM64]), f"{_ECR}/me/app:1")
        before = registry.tags("me/app")
        registry.faults.append(Fault("PUT", "/manifests/1$", status=400, body=body))
        with pytest.raises(RegistryRefused, match="cannot be overwritten") as raised:
            _push(client, index, f"{_ECR}/me/app:1")
    assert "push under another one" in (raised.value.hint or "")
    assert registry.tags("me/app") == before


# --- GHCR: bearer tokens, anybody may pull; 403 without the scope write:packages; 502 now and then ------------------


def _ghcr(**auth: object) -> InMemoryRegistry:
    tokens = TokenAuth("me", _SECRET, service="ghcr.io", realm="https://ghcr.io/token", **auth)  # type: ignore[arg-type]
    return InMemoryRegistry(address="https://ghcr.io", auth=tokens, redirect_blobs=True)


def test_ghcr_is_pushed_to_and_read_by_anybody(index: Index, tmp_path: Path) -> None:
    registry = _ghcr(anonymous=frozenset({"pull"}))
    registry.faults += [Fault("PUT", "", status=502, body=b"<html>", times=2), Fault("HEAD", "/blobs/", status=502)]
    with _client(registry, "ghcr.io", _auths("ghcr.io", "me", _SECRET), tmp_path) as client:
        _push(client, index, "ghcr.io/me/app:1")
    with _client(registry, "ghcr.io", {}, tmp_path, access=Access.PULL) as client:
        found = fetch_index(client, Reference.parse("ghcr.io/me/app:1"))
    assert found.root == index.blob


def test_ghcr_tells_who_may_not_write(index: Index, tmp_path: Path) -> None:
    registry = _ghcr()
    body = b'{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}'
    registry.faults.append(Fault("POST", "/uploads/", status=403, body=body, times=None))
    client = _client(registry, "ghcr.io", _auths("ghcr.io", "me", _SECRET), tmp_path)
    with client, pytest.raises(Forbidden, match="DENIED: permission_denied: write_package") as raised:
        _push(client, index, "ghcr.io/me/app:1")
    assert "may not do this" in (raised.value.hint or "")


def test_ghcr_refuses_a_wrong_password_at_its_token_server(tmp_path: Path) -> None:
    registry = _ghcr()
    body = b'{"errors":[{"code":"DENIED","message":"denied"}]}'
    registry.faults.append(Fault("GET", "^/token", status=403, body=body, times=None))
    client = _client(registry, "ghcr.io", _auths("ghcr.io", "me", "wrong"), tmp_path)
    with client, pytest.raises(Forbidden, match=r"ghcr\.io refused a token"):
        client.check_login()


# --- Google: the users oauth2accesstoken and _json_key, blobs in one piece ------------------------------------------

_GAR = "europe-docker.pkg.dev"


@pytest.mark.parametrize("username", ["oauth2accesstoken", "_json_key", "_json_key_base64"])
def test_google_takes_its_users_and_no_chunks(username: str, index: Index, tmp_path: Path) -> None:
    secret = json.dumps({"type": "service_account", "private_key": "-----BEGIN\n:é"})
    auth = TokenAuth(username, secret, service=_GAR, realm=f"https://{_GAR}/v2/token")
    registry = InMemoryRegistry(address=f"https://{_GAR}", auth=auth, contents=ContentApi(chunks=False))
    registry.auth = _TokenPath(auth, "/v2/token")
    chunks = Chunks(whole_bytes=1, chunk_bytes=1)
    with _client(registry, _GAR, _auths(_GAR, username, secret), tmp_path, chunks=chunks) as client:
        _push(client, index, f"{_GAR}/project/repo/app:1")
    assert registry.tags("project/repo/app")
    assert not [call for call in registry.calls if call.method == "PATCH"]


class _TokenPath:
    """Tokens at another path than usual."""

    def __init__(self, auth: TokenAuth, path: str) -> None:
        self._auth = auth
        self._path = path

    def serve(self, call: Call) -> Reply | None:
        return self._auth.serve(replace(call, path="/token")) if call.path == self._path else None

    def refuse(self, call: Call, scope: str | None, base: str) -> Reply | None:
        return self._auth.refuse(call, scope, base)


# --- Azure ACR: a refresh token for the user of zeroes, exchanged at POST /oauth2/token -----------------------------


@pytest.mark.parametrize("by_helper", [True, False])
def test_acr_exchanges_its_refresh_token(index: Index, tmp_path: Path, *, by_helper: bool) -> None:
    host = "me.azurecr.io"
    auth = TokenAuth(identity_tokens=frozenset({_SECRET}), service=host, realm=f"https://{host}/oauth2/token")
    registry = InMemoryRegistry(address=f"https://{host}")
    registry.auth = _TokenPath(auth, "/oauth2/token")
    # what `az acr login` leaves, and what its helper answers
    zeroes = base64.b64encode(f"{_ACR_USER}:".encode()).decode()
    config: dict[str, object] = {"auths": {host: {"auth": zeroes, "identitytoken": _SECRET}}}
    if by_helper:
        config = {"credHelpers": {host: "acr-env"}}
    with _client(registry, host, config, tmp_path, helpers={("acr-env", host): ("<token>", _SECRET)}) as client:
        _push(client, index, f"{host}/app:1")
    assert registry.tags("app")
    (exchange,) = [call for call in registry.calls if call.path == "/oauth2/token"]
    assert exchange.method == "POST"
    assert b"grant_type=refresh_token" in exchange.body
    assert b"service=me.azurecr.io" in exchange.body
    assert "authorization" not in exchange.headers


# --- Docker Hub: three names, an old key, short names, and a limit for pulls ----------------------------------------

_HUB_KEY = "https://index.docker.io/v1/"


def _hub(**auth: object) -> InMemoryRegistry:
    tokens = TokenAuth(
        "me",
        _SECRET,
        service="registry.docker.io",
        realm="https://auth.docker.io/token",
        **auth,  # type: ignore[arg-type]
    )
    return InMemoryRegistry(address="https://registry-1.docker.io", auth=tokens, redirect_blobs=True)


def test_docker_hub_is_pushed_to_by_its_old_key(index: Index, tmp_path: Path) -> None:
    registry = _hub()
    also = ("https://auth.docker.io",)
    with _client(registry, "docker.io", _auths(_HUB_KEY, "me", _SECRET), tmp_path, also=also) as client:
        _push(client, index, "me/app:1")
        _push(client, index, "app:1")
    assert set(registry.contents.repositories) == {"me/app", "library/app"}
    tokens = [call for call in registry.calls if call.path == "/token"]
    assert tokens[0].query["service"] == "registry.docker.io"


@pytest.mark.parametrize(
    ("headers", "pulled"), [({"Retry-After": "30"}, True), ({"RateLimit-Limit": "10;w=3600"}, False)]
)
def test_docker_hubs_limit_is_waited_for_or_reported(
    headers: Mapping[str, str], index: Index, tmp_path: Path, *, pulled: bool
) -> None:
    registry = _hub(anonymous=frozenset({"pull", "push"}))
    also = ("https://auth.docker.io",)
    words = (
        b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit."}]}'
    )
    with _client(registry, "docker.io", {}, tmp_path, also=also) as client:
        _push(client, index, "me/app:1")
        times = 3 if pulled else None
        registry.faults.append(Fault("GET", "/manifests/", status=429, headers=headers, body=words, times=times))
        reading: Callable[[], object] = lambda: fetch_index(client, Reference.parse("me/app:1"))  # noqa: E731
        if pulled:
            reading()
            assert client.budget.clock() >= 90.0
        else:
            with pytest.raises(RegistryRefused, match="reached your unauthenticated pull rate limit") as raised:
                reading()
            assert "log in for a higher one" in (raised.value.hint or "")


def test_no_host_is_given_anothers_password(index: Index, tmp_path: Path) -> None:
    config = _auths("ghcr.io", "me", _SECRET)
    registry = _hub()
    client = _client(registry, "docker.io", config, tmp_path, also=("https://auth.docker.io",))
    with client, pytest.raises(CargoshipError) as raised:
        _push(client, index, "me/app:1")
    assert isinstance(raised.value, Unauthorized)
    assert not [call for call in registry.calls if call.headers.get("authorization", "").startswith("Basic")]
