"""Every place that follows an address from a server, with every address that a hostile one could name.

No credential and no blob leaves TLS, goes in plain http to a host that its user has not named, or with credentials to
another origin than the one that they are for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from cargoship.errors import CargoshipError, RegistryError, RegistryRefused
from cargoship.http.budget import Budget
from cargoship.http.endpoint import is_named, origin, parsed
from cargoship.http.exchange import Request, Response
from cargoship.http.proxies import is_loopback
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.auth.credentials import Credentials, FixedCredentials
from cargoship.registry.auth.entries import Credential, IdentityToken, Login
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.client import MirroredClient
from cargoship.registry.mirrors.model import Mirror, Mirrors, Rule
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from cargoship.registry.referrers import attach, list_referrers
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from support.pushing import HASTE, REPOSITORY, Emitted, client_of
from support.virtual import VirtualBudget

_PASSWORD = "s3cr3t-word"
_REFRESH = "r3fresh-word"
_LOGIN = Login("u", _PASSWORD)
_BLOB = BytesBlob.of("application/octet-stream", b"a blob that is nobody's business" * 10)
_CHUNKS = Chunks(whole_bytes=60, chunk_bytes=60)
_REGISTRIES = {
    "in TLS": "https://registry.example",
    "on this machine": "http://localhost:5000",
    "named as plain": "http://corp.example:5000",
}
_NAMED = ("corp.example:5000",)
_TARGETS = {
    "another host in plain http": "http://other.example",
    "another host in TLS": "https://other.example",
    "another port of the same host in plain http": "http://{host}:8080",
    "this machine in plain http": "http://127.0.0.1:6000",
    "another host by its default": "//other.example",
    "a host after a user": "http://registry.example@other.example",
    "a host after a backslash": "http://other.example\\@registry.example",
    "a port that is none": "https://{host}:99999",
    "half an address": "http://[::1",
    "a file": "file:///etc/passwd",
    "a space": "http://other .example",
    "a name with nothing between two dots": "https://other..example",
}


@dataclass
class _Watched:
    """A transport that notes all that leaves: where to, with an Authorization header, with a body."""

    inner: InMemoryTransport
    sent: list[tuple[str, str | None, bytes]] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        body = b"" if request.body is None else b"".join(request.body())
        self.sent.append((request.url, request.headers.get("Authorization"), body))
        return self.inner.send(request)

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class _World:
    """A registry, a hostile place that answers as it does, and a client that is watched."""

    base: str
    target: str
    insecure: tuple[str, ...] = _NAMED

    def __post_init__(self) -> None:
        self.host = urlsplit(self.base).netloc
        self.evil = self.target.format(host=urlsplit(self.base).hostname)
        self.registry = InMemoryRegistry(address=self.base, auth=BasicAuth("u", _PASSWORD))
        evil = f"{urlsplit(self.base).scheme}:{self.evil}" if self.evil.startswith("//") else self.evil
        self.elsewhere = InMemoryRegistry(address=evil, contents=self.registry.contents)
        self.evil_origin = evil
        # what is no address at all has nobody who answers
        registries = {evil: self.elsewhere} if parsed(evil) else {}
        self.transport = _Watched(InMemoryTransport(self.registry, registries=registries))
        self.credential: Credential = _LOGIN
        self.allowed: set[str] = set()
        """Origins that may see credentials, besides the registry."""

    @property
    def credentials(self) -> Credentials:
        return FixedCredentials(self.host, self.credential)

    def client(self) -> RegistryClient:
        return client_of(
            self.host,
            credentials=self.credentials,
            transport=self.transport,
            insecure=self.insecure,
            chunks=_CHUNKS,
            budget=VirtualBudget(600.0),
        )

    def fault(self, method: str, path: str, *, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.registry.faults.append(Fault(method, path, status=status, headers=headers, body=body, times=None))

    def redirect(self, method: str, path: str) -> None:
        """Send such requests elsewhere, once they have convinced."""
        self.fault(method, path, status=307, headers={"Location": f"{self.evil}/x?sig=1"})

    def violations(self) -> Iterator[str]:
        own = {origin(self.base), *map(origin, self.allowed)}
        for url, authorization, body in self.transport.sent:
            place = urlsplit(url)
            named = is_named(place.netloc, self.insecure)
            secret = authorization is not None or _REFRESH.encode() in body
            if secret and origin(url) not in own:
                yield f"credentials went to {url}"
            if place.scheme != "http" or named or url.startswith(self.base + "/"):
                continue
            if self.base.startswith("https:"):
                yield f"TLS was left for {url}"
            if (secret or body) and not is_loopback(place.hostname or ""):
                yield f"something went in clear to {url}"


def _push_blob(world: _World) -> None:
    with world.client() as client:
        client.upload(REPOSITORY, _BLOB)


def _moving_after(steps: int) -> Callable[[_World], None]:
    """An upload whose address changes after so many answers."""

    def act(world: _World) -> None:
        given: list[str] = []

        def location(path: str) -> str:
            given.append(path)
            return path if len(given) <= steps else world.evil + path

        world.registry.contents.location = location
        _push_blob(world)

    return act


def _moving_when_asked(world: _World) -> None:
    """An upload that is asked how far it is, after trouble, and has moved."""
    world.registry.faults.append(Fault("PATCH", "/uploads/", cut_request=30, skip=1))
    world.fault("GET", "/uploads/", status=204, headers={"Location": world.evil + "/x", "Range": "0-59"})
    _push_blob(world)


def _moving_when_refused(world: _World) -> None:
    """An upload that answers 416, and has moved."""
    headers = {"Location": world.evil + "/x", "Range": "0-29"}
    world.registry.faults.append(Fault("PATCH", "/uploads/", status=416, headers=headers, skip=1))
    _push_blob(world)


def _redirected(method: str, path: str, act: Callable[[_World], None]) -> Callable[[_World], None]:
    def redirected(world: _World) -> None:
        # Basic is asked for first, so that there are credentials to lose
        with world.client() as client, contextlib.suppress(CargoshipError):
            client.check_login()
        world.redirect(method, path)
        act(world)

    return redirected


def _read_manifest(world: _World) -> None:
    with world.client() as client:
        client.manifest(REPOSITORY, "1")


def _find_manifest(world: _World) -> None:
    with world.client() as client:
        client.find_manifest(REPOSITORY, "1")


def _put_manifest(world: _World) -> None:
    with world.client() as client:
        client.put_manifest(REPOSITORY, "1", BytesBlob.of(MediaType.OCI_MANIFEST, b'{"schemaVersion": 2}'))


def _delete_manifest(world: _World) -> None:
    with world.client() as client:
        client.delete_manifest(REPOSITORY, "1")


def _read_blob(world: _World) -> None:
    with world.client() as client:
        client.blob_bytes(REPOSITORY, _BLOB.descriptor)


def _stream_blob(world: _World) -> None:
    with world.client() as client, client.open_blob(REPOSITORY, _BLOB.descriptor) as stream:
        stream.read()


def _read_range(world: _World) -> None:
    with world.client() as client:
        client.blob_range(REPOSITORY, _BLOB.descriptor, 3, 5)


def _list_tags(world: _World) -> None:
    with world.client() as client:
        list(client.tags(REPOSITORY))


def _list_referrers(world: _World) -> None:
    with world.client() as client:
        list_referrers(client, REPOSITORY, Digest.of(b"x"))


def _attach(world: _World) -> None:
    subject = {"mediaType": MediaType.OCI_MANIFEST, "digest": str(Digest.of(b"x")), "size": 1}
    data = json.dumps({"schemaVersion": 2, "subject": subject}).encode()
    with world.client() as client:
        attach(client, REPOSITORY, BytesBlob.of(MediaType.OCI_MANIFEST, data))


def _tags_go_on(world: _World) -> None:
    world.fault(
        "GET", "/tags/list", status=200, headers={"Link": f'<{world.evil}/more>; rel="next"'}, body=b'{"tags": ["1"]}'
    )
    _list_tags(world)


def _referrers_go_on(world: _World) -> None:
    headers = {"Link": f'<{world.evil}/more>; rel="next"', "Content-Type": MediaType.OCI_INDEX}
    world.fault("GET", "/referrers/", status=200, headers=headers, body=b'{"schemaVersion": 2, "manifests": []}')
    _list_referrers(world)


def _ask_for_token(world: _World, credential: Credential, realm: str) -> None:
    world.credential = credential
    tokens = TokenAuth("u", _PASSWORD, identity_tokens=frozenset({_REFRESH}), realm=realm)
    world.registry.auth = world.elsewhere.auth = tokens
    _push_blob(world)


def _realm(credential: Credential) -> Callable[[_World], None]:
    def act(world: _World) -> None:
        # who asks for a password may name a token server at any https address
        if world.evil.startswith(("https:", "//")):
            world.allowed.add(world.evil_origin)
        elif is_loopback(urlsplit(world.base).hostname or ""):
            # nothing leaves this machine
            world.allowed.add("http://127.0.0.1:6000")
            world.allowed.add("http://localhost:8080")
        else:
            world.allowed.add("http://127.0.0.1:6000")
        _ask_for_token(world, credential, f"{world.evil}/token")

    return act


def _token_server_redirects(credential: Credential) -> Callable[[_World], None]:
    def act(world: _World) -> None:
        world.redirect("GET|POST", "^/token")
        _ask_for_token(world, credential, f"{world.base}/token")

    return act


def _read_by_mirror(world: _World, descriptor: Descriptor) -> None:
    """The mirror is the registry under test; what it mirrors is not there."""

    def open_mirror(host: str, budget: Budget) -> RegistryClient:
        del budget
        assert host == world.host
        return world.client()

    options = ClientOptions(
        credentials=FixedCredentials("upstream.example", _LOGIN),
        transport=world.transport,
        access=Access.PULL,
        budget=VirtualBudget(600.0),
        retry_policy=HASTE,
    )
    mirrors = Mirrors((Rule("upstream.example", (Mirror(world.host),)),))
    with MirroredClient("upstream.example", options, mirrors=mirrors, open_mirror=open_mirror) as client:
        client.manifest(REPOSITORY, "1")
        client.blob_bytes(REPOSITORY, descriptor)


def _mirror_redirects(world: _World) -> None:
    world.redirect("GET", "/(manifests|blobs)/")
    _read_by_mirror(world, _BLOB.descriptor)


def _mirror_wants_a_token(world: _World) -> None:
    world.registry.auth = TokenAuth("u", _PASSWORD, realm=f"{world.evil}/token")
    if not world.evil.startswith("http:"):
        world.allowed.add(world.evil_origin)
    elif not world.base.startswith("https:"):
        world.allowed |= {"http://127.0.0.1:6000", "http://localhost:8080"}
    _read_by_mirror(world, _BLOB.descriptor)


_PLACES: dict[str, Callable[[_World], None]] = {
    "an upload that begins elsewhere": _moving_after(0),
    "an upload that moves after its first chunk": _moving_after(1),
    "an upload that moves after its second chunk": _moving_after(2),
    "an upload that moved when it is asked": _moving_when_asked,
    "an upload that moved when it refuses": _moving_when_refused,
    "a redirect of an upload's start": _redirected("POST", "/uploads/", _push_blob),
    "a redirect of a chunk": _redirected("PATCH", "/uploads/", _push_blob),
    "a redirect of an upload's end": _redirected("PUT", "/uploads/", _push_blob),
    "a redirect of a question for a blob": _redirected("HEAD", "/blobs/", _push_blob),
    "a redirect of a blob": _redirected("GET", "/blobs/", _read_blob),
    "a redirect of a stream": _redirected("GET", "/blobs/", _stream_blob),
    "a redirect of a range": _redirected("GET", "/blobs/", _read_range),
    "a redirect of a manifest": _redirected("GET", "/manifests/", _read_manifest),
    "a redirect of a question for a manifest": _redirected("HEAD", "/manifests/", _find_manifest),
    "a redirect of a manifest's push": _redirected("PUT", "/manifests/", _put_manifest),
    "a redirect of a deletion": _redirected("DELETE", "/manifests/", _delete_manifest),
    "a redirect of tags": _redirected("GET", "/tags/", _list_tags),
    "a redirect of referrers": _redirected("GET", "/referrers/", _list_referrers),
    "a redirect of an attached manifest": _redirected("PUT", "/manifests/", _attach),
    "tags that go on elsewhere": _tags_go_on,
    "referrers that go on elsewhere": _referrers_go_on,
    "a token server for a password": _realm(_LOGIN),
    "a token server for a refresh token": _realm(IdentityToken(_REFRESH)),
    "a redirect of a token server for a password": _token_server_redirects(_LOGIN),
    "a redirect of a token server for a refresh token": _token_server_redirects(IdentityToken(_REFRESH)),
    "a mirror that redirects": _mirror_redirects,
    "a mirror that wants a token": _mirror_wants_a_token,
}


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize("kind", _REGISTRIES)
@pytest.mark.parametrize("place", _PLACES)
def test_nothing_secret_goes_where_a_server_points(place: str, kind: str, target: str) -> None:
    world = _World(_REGISTRIES[kind], _TARGETS[target])
    with contextlib.suppress(CargoshipError):
        _PLACES[place](world)
    assert world.transport.sent
    assert list(world.violations()) == []


@pytest.mark.parametrize("place", _PLACES)
def test_every_place_is_reached(place: str) -> None:
    """What is followed where it is safe: otherwise the cases above would show nothing."""
    world = _World("https://registry.example", "https://other.example")
    with contextlib.suppress(CargoshipError):
        _PLACES[place](world)
    reached = any(url.startswith("https://other.example/") for url, _, _ in world.transport.sent)
    # a refresh token is in the body, which is for the token server alone
    assert reached is (place != "a redirect of a token server for a refresh token")


@pytest.mark.parametrize("place", _PLACES)
def test_a_host_that_its_user_has_named_is_followed_in_plain_http(place: str) -> None:
    world = _World("https://registry.example", "http://other.example", insecure=(*_NAMED, "other.example"))
    world.allowed.add("http://other.example" if "wants a token" in place or "server for a" in place else world.base)
    with contextlib.suppress(CargoshipError):
        _PLACES[place](world)
    reached = any(url.startswith("http://other.example/") for url, _, _ in world.transport.sent)
    assert reached is (place != "a redirect of a token server for a refresh token")
    assert list(world.violations()) == []


def test_layers_do_not_leave_tls_by_the_address_of_an_upload(index: Index) -> None:
    world = _World("https://registry.example", "http://other.example")
    world.registry.contents.location = lambda path: world.evil + path
    with world.client() as client, pytest.raises(RegistryRefused) as raised:
        push_index(
            client, index, reference=Reference(world.host, REPOSITORY), tags=["1"], options=PushOptions(Emitted())
        )
    assert "registry.example leads the upload of sha256:" in raised.value.message
    assert "from https to plain http at other.example" in raised.value.message
    assert "CARGOSHIP_INSECURE_REGISTRIES" in (raised.value.hint or "")
    assert world.registry.tags(REPOSITORY) == {}


def test_a_local_registry_sends_no_password_to_another_host_in_clear_text() -> None:
    world = _World("http://localhost:5000", "http://other.example")
    with pytest.raises(RegistryError, match=r"in clear text to other\.example") as raised:
        _ask_for_token(world, _LOGIN, "http://other.example/token")
    assert "other.example" in (raised.value.hint or "")


def test_who_has_no_password_may_ask_any_token_server_of_a_plain_registry(index: Index) -> None:
    """Nothing secret goes there, and docker does it."""
    world = _World("http://localhost:5000", "http://other.example")
    tokens = TokenAuth(anonymous=frozenset({"pull", "push"}), realm="http://other.example/token")
    world.registry.auth = world.elsewhere.auth = tokens
    client = client_of(world.host, transport=world.transport, budget=VirtualBudget(600.0))
    with client:
        push_index(
            client, index, reference=Reference(world.host, REPOSITORY), tags=["1"], options=PushOptions(Emitted())
        )
        assert fetch_index(client, Reference(world.host, REPOSITORY, "1")).root == index.blob


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://registry.example/up", "https://registry.example/up"),
        ("http://registry.example:80/up", "https://registry.example/up"),
        ("http://REGISTRY.example/up", "https://REGISTRY.example/up"),
        ("//registry.example/up", "https://registry.example/up"),
        ("../up?a=b", "https://registry.example/v2/up?a=b"),
        ("?again", "https://registry.example/v2/me/app?again"),
        ("v2/up", "https://registry.example/v2/up"),
    ],
)
def test_a_registrys_own_address_is_taken_as_meant(given: str, meant: str) -> None:
    world = _World("https://registry.example", "https://other.example")
    with world.client() as client:
        assert client.session.follow(given, asked="/v2/me/app", what="it", sends=True) == meant


def test_an_address_that_a_registry_names_and_nobody_has_is_not_taken_for_the_registry() -> None:
    """A port that only another network has, as a proxy's configuration gets wrong."""
    registry = InMemoryRegistry(address="https://registry.example")
    headers = {"Link": '<https://registry.example:8443/v2/me/app/tags/list?last=1>; rel="next"'}
    registry.faults.append(Fault("GET", "/tags/list", status=200, headers=headers, body=b'{"tags": ["1"]}'))
    with (
        client_of(registry.host, transport=InMemoryTransport(registry)) as client,
        pytest.raises(
            RegistryError, match=r"^registry\.example:8443, which registry\.example names, cannot be reached"
        ),
    ):
        list(client.tags(REPOSITORY))
