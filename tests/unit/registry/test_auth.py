from __future__ import annotations

import pytest

from cargoship.errors import CargoshipError, Forbidden, RegistryError, Unauthorized
from cargoship.oci.index import Index
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Credential, IdentityToken, Login, RegistryToken
from cargoship.registry.options import Access
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from support.pushing import REPOSITORY, Emitted, client_of, push

_PASSWORD = "s3cr3t-word"
_LOGIN = Login("u", _PASSWORD)


def _token_auth(**changes: object) -> TokenAuth:
    return TokenAuth("u", _PASSWORD, identity_tokens=frozenset({"refresh"}), **changes)  # type: ignore[arg-type]


def _token_requests(registry: InMemoryRegistry) -> list[str]:
    return [call.query.get("scope", "") for call in registry.calls if call.path == "/token"]


@pytest.mark.parametrize(
    ("auth", "credential"),
    [
        (BasicAuth("u", _PASSWORD), _LOGIN),
        (_token_auth(), _LOGIN),
        (_token_auth(), IdentityToken("refresh")),
        (_token_auth(anonymous=frozenset({"pull", "push"})), None),
        (None, None),
        (None, _LOGIN),
    ],
)
def test_a_push_convinces(auth: BasicAuth | TokenAuth | None, credential: Credential | None, index: Index) -> None:
    with InMemoryRegistry(auth=auth) as registry:
        credentials = None if credential is None else FixedCredentials(registry.host, credential)
        with client_of(registry.host, credentials=credentials) as client:
            push(client, index, "1")
        assert registry.tags(REPOSITORY) == {"1": str(index.digest)}


def test_a_registry_token_is_sent_as_it_is(index: Index) -> None:
    auth = _token_auth()
    auth.issued["given"] = frozenset({(REPOSITORY, "pull"), (REPOSITORY, "push")})
    with InMemoryRegistry(auth=auth) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, RegistryToken("given"))) as client:
            push(client, index, "1")
        assert _token_requests(registry) == []
        assert registry.tags(REPOSITORY)


def test_a_push_needs_a_single_token(index: Index) -> None:
    with InMemoryRegistry(auth=_token_auth()) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            push(client, index, "1", "2")
            push(client, index, "3")
        assert _token_requests(registry) == [f"repository:{REPOSITORY}:pull,push"]


def test_an_expired_token_is_renewed_in_the_middle(index: Index) -> None:
    auth = _token_auth()
    with InMemoryRegistry(auth=auth) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            client.find_manifest(REPOSITORY, "1")
            auth.revoke()
            push(client, index, "1")
        assert len(_token_requests(registry)) == 2
        assert registry.tags(REPOSITORY)


def test_a_token_is_not_used_past_its_time() -> None:
    # the margin makes a token of five seconds one of a single request or two
    with InMemoryRegistry(auth=_token_auth(lifetime_s=1)) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            now = client.budget.clock()
            client.find_manifest(REPOSITORY, "1")
            client.budget.clock = lambda: now + 2.0
            client.find_manifest(REPOSITORY, "1")
        assert len(_token_requests(registry)) == 2
        assert [call.status for call in registry.calls].count(401) == 1


def test_a_mount_asks_for_the_source_too(index: Index) -> None:
    with InMemoryRegistry(auth=_token_auth()) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            push(client, index, "1", repository="me/base")
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            reported = Emitted()
            push(client, index, "1", reported=reported, mount_from="me/base")
        assert set(reported.outcomes.values()) == {"mounted"}
        assert f"repository:{REPOSITORY}:pull,push repository:me/base:pull" in _token_requests(registry)


@pytest.mark.parametrize(
    ("auth", "credential", "kind", "hint"),
    [
        (BasicAuth("u", _PASSWORD), None, Unauthorized, "docker login"),
        (BasicAuth("u", _PASSWORD), Login("u", "wr0ng-word"), Unauthorized, "does not accept the credentials from the"),
        (BasicAuth("u", _PASSWORD), IdentityToken("wr0ng-word"), Unauthorized, "does not accept"),
        (_token_auth(), None, Unauthorized, "docker login"),
        (_token_auth(), Login("u", "wr0ng-word"), Unauthorized, "does not accept the credentials from the caller"),
        (_token_auth(), IdentityToken("wr0ng-word"), Unauthorized, "does not accept"),
        (_token_auth(), RegistryToken("wr0ng-word"), Unauthorized, "does not accept"),
        (_token_auth(anonymous=frozenset({"pull"})), None, Unauthorized, "docker login"),
        (
            _token_auth(actions=frozenset({"pull"})),
            _LOGIN,
            Forbidden,
            "the credentials from the caller may not do this",
        ),
    ],
)
def test_a_push_that_does_not_convince_says_why(
    auth: BasicAuth | TokenAuth,
    credential: Credential | None,
    kind: type[CargoshipError],
    hint: str,
    index: Index,
) -> None:
    with InMemoryRegistry(auth=auth) as registry:
        credentials = None if credential is None else FixedCredentials(registry.host, credential)
        with client_of(registry.host, credentials=credentials) as client, pytest.raises(kind) as raised:
            push(client, index, "1")
        assert hint in (raised.value.hint or "")
        assert registry.host in raised.value.message
        assert len(registry.calls) < 20
        assert registry.tags(REPOSITORY) == {}


def test_403_reads_differently_from_401(index: Index) -> None:
    faults = [Fault("POST", "/uploads/", status=403, body=b'{"errors":[{"code":"DENIED","message":"no"}]}', times=None)]
    auth = BasicAuth("u", _PASSWORD)
    with InMemoryRegistry(auth=auth, faults=faults) as registry:
        credentials = FixedCredentials(registry.host, _LOGIN, source="a file")
        with client_of(registry.host, credentials=credentials) as client, pytest.raises(Forbidden) as raised:
            push(client, index, "1")
        assert "DENIED: no (HTTP 403)" in raised.value.message
        assert "the credentials from a file may not do this" in (raised.value.hint or "")


def test_credentials_are_looked_up_only_when_asked_for(index: Index, registry: InMemoryRegistry) -> None:
    class Untouched:
        def find(self, registry: str, repository: str | None = None) -> None:
            pytest.fail(f"looked up for {registry} {repository}")

    with client_of(registry.host, credentials=Untouched()) as client:
        push(client, index, "1")


def test_the_source_of_credentials_is_reported(index: Index) -> None:
    reported = Emitted()
    with InMemoryRegistry(auth=BasicAuth("u", _PASSWORD)) as registry:
        credentials = FixedCredentials(registry.host, _LOGIN, source="/home/me/.docker/config.json")
        with client_of(registry.host, credentials=credentials, reported=reported) as client:
            push(client, index, "1")
        assert reported.notes == [f"{registry.host}: using the credentials from /home/me/.docker/config.json"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "gave no token"),
        (b"[]", "gave no token"),
        (b"no json", "gave no token"),
        (b'{"token": "a\\r\\nX: y"}', "gave no token"),
        (b'{"token": 7}', "gave no token"),
    ],
)
def test_a_token_servers_nonsense_is_refused(body: bytes, words: str, index: Index) -> None:
    faults = [Fault("GET", "^/token", status=200, body=body)]
    with (
        InMemoryRegistry(auth=_token_auth(), faults=faults) as registry,
        client_of(registry.host) as client,
        pytest.raises(RegistryError, match=words),
    ):
        push(client, index, "1")


def test_a_token_servers_trouble_passes(index: Index) -> None:
    faults = [Fault("GET", "^/token", status=503), Fault("GET", "^/token", cut_response=3)]
    with InMemoryRegistry(auth=_token_auth(), faults=faults) as registry:
        with client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client:
            push(client, index, "1")
        assert registry.tags(REPOSITORY)


@pytest.mark.parametrize("realm", ["", "file:///etc/passwd", "token", "ftp://h/token"])
def test_a_realm_that_is_no_web_address_is_refused(realm: str, index: Index) -> None:
    with (
        InMemoryRegistry(auth=_token_auth(realm=realm or " ")) as registry,
        client_of(registry.host, credentials=FixedCredentials(registry.host, _LOGIN)) as client,
        pytest.raises(RegistryError, match="names no server"),
    ):
        push(client, index, "1")


def test_a_reader_asks_for_reading_alone() -> None:
    with InMemoryRegistry(auth=_token_auth()) as registry:
        with client_of(registry.host, access=Access.PULL) as client, pytest.raises(Unauthorized):
            client.manifest(REPOSITORY, "1")
        registry.calls.clear()
        with client_of(
            registry.host, access=Access.PULL, credentials=FixedCredentials(registry.host, _LOGIN)
        ) as client:
            assert client.find_manifest(REPOSITORY, "1") is None
        assert _token_requests(registry) == [f"repository:{REPOSITORY}:pull"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "hint"),
    [
        (
            400,
            b'{"error": "invalid_grant"}',
            Unauthorized,
            "does not accept the credentials from the caller: log in again",
        ),
        (
            404,
            b"404 page not found",
            RegistryError,
            "its token server at registry.example answers nothing at that address",
        ),
    ],
)
def test_a_token_server_that_does_not_exchange_an_identity_token(
    status: int, body: bytes, kind: type[RegistryError], hint: str
) -> None:
    registry = InMemoryRegistry(address="https://registry.example", auth=_token_auth())
    registry.faults.append(Fault("POST", "/token", status=status, body=body, times=None))
    credentials = FixedCredentials(registry.host, IdentityToken("ended"))
    with (
        client_of(registry.host, credentials=credentials, transport=InMemoryTransport(registry)) as client,
        pytest.raises(kind) as caught,
    ):
        client.find_manifest(REPOSITORY, "1")
    assert hint in (caught.value.hint or "")


_EXCHANGES_NOTHING = [
    (404, b"<!DOCTYPE html><p>404"),
    (405, b""),
    (400, b'{"errors": [{"code": "UNSUPPORTED"}]}'),
    (401, b'{"details": "who are you?"}'),
    (200, b"<!DOCTYPE html><p>Sign in"),
]


@pytest.mark.parametrize(("status", "body"), _EXCHANGES_NOTHING)
@pytest.mark.parametrize("username", ["u", ""])
def test_an_identity_token_is_shown_as_a_password_where_it_is_not_exchanged(
    status: int, body: bytes, username: str, index: Index
) -> None:
    """A push ended with `404`: containerd asks such a server by GET."""
    with InMemoryRegistry(auth=TokenAuth(username, "refresh")) as registry:
        fault = Fault("POST", "/token", status=status, body=body, times=None)
        registry.faults.append(fault)
        credentials = FixedCredentials(registry.host, IdentityToken("refresh", username))
        with client_of(registry.host, credentials=credentials) as client:
            push(client, index, "1")
            registry.auth.revoke()  # type: ignore[union-attr]
            push(client, index, "2")
        assert registry.tags(REPOSITORY) == {"1": str(index.digest), "2": str(index.digest)}
        assert fault.hits == 1, "it is not tried again with each token"
        asked = [call for call in registry.calls if call.path == "/token" and call.method == "GET"]
        assert {call.query.get("account", "") for call in asked} == {username}


def test_a_refusal_of_the_exchange_counts_where_a_password_is_refused_too() -> None:
    registry = InMemoryRegistry(address="https://registry.example", auth=TokenAuth("u", "other"))
    registry.faults.append(Fault("POST", "/token", status=400, body=b'{"error": "invalid_grant"}', times=None))
    credentials = FixedCredentials(registry.host, IdentityToken("ended-token", "u"))
    with (
        client_of(registry.host, credentials=credentials, transport=InMemoryTransport(registry)) as client,
        pytest.raises(Unauthorized) as caught,
    ):
        client.find_manifest(REPOSITORY, "1")
    assert "ended-token" not in str(caught.value)
    assert [call.method for call in registry.calls if call.path == "/token"] == ["POST", "GET"]
