"""Words from strangers: whatever a server or a file says, it is read or refused with an error of our own, and soon."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import CargoshipError, ContentInvalid, RegistryError, RegistryUnreachable
from cargoship.http.encoding import unpacked
from cargoship.http.exchange import Request
from cargoship.http.links import next_page
from cargoship.http.proxies import proxy_for, proxy_shown
from cargoship.http.retry import retry_after_s
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.registry.addresses import absolute, objection, unsafe_hint
from cargoship.registry.auth.challenge import merge_scopes, parse_challenges, parse_scopes
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import (
    HUB_NAMES,
    ConfigUnreadable,
    Login,
    credential_in,
    helper_of,
    key_place,
    parse_config,
)
from cargoship.registry.auth.login import registry_name
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.model import Mirror
from cargoship.registry.referrers import list_referrers
from cargoship.registry.refusals import Refusal, clean, warnings
from cargoship.registry.upload import BlobOutcome
from cargoship.testing import Fault, InMemoryRegistry, InMemoryTransport
from support.pushing import REPOSITORY, client_of
from support.virtual import VirtualBudget

_HOST = "registry.example"
_WORDS = [
    "Bearer", "Basic", "Negotiate", "realm", "service", "scope", "error", "=", '"', "\\", ",", ";", " ", "\t", "\n",
    "\x00", "<", ">", "rel", "next", "https://", "http://", "//", "/v2/", "registry.example", "@", ":", "#", "?",
    "&", "%", "[", "]", "::1", "127.0.0.1", "0-", "bytes=", "-", "9" * 20, "sha256:", "0" * 64, "a" * 64,
    "repository:", "pull,push", "*", "..", "{", "}", '"auths"', '"auth"', "null", "true", "1e999", '"ghcr.io"',
    "dTpw", "Wed, 21 Oct 2099 07:28:00 GMT", "é", "\ud800", "٣", "localhost", "LOCALHOST", "latest", "299 - ",
    "docker://", "socks5://", "99999", "~", "_", "-----",
]  # fmt: skip
_TEXT = st.one_of(
    st.lists(st.sampled_from(_WORDS), max_size=24).map("".join),
    st.text(max_size=60),
    st.lists(st.one_of(st.sampled_from(_WORDS), st.text(max_size=3)), max_size=16).map("".join),
)
_KEYS = ["auths", "credHelpers", "credsStore", "auth", "ghcr.io", "username"]
_HEADERS = [
    *("Location", "Range", "Link", "WWW-Authenticate", "Docker-Content-Digest", "Warning", "Retry-After"),
    *("OCI-Chunk-Min-Length", "OCI-Subject", "Content-Type", "Content-Encoding", "Content-Range"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS) | _TEXT, inner, max_size=4),
    max_leaves=12,
)


def _look_up(text: str) -> None:
    with contextlib.suppress(ConfigUnreadable):
        config = parse_config(text)
        for names in (HUB_NAMES, ("ghcr.io",)):
            helper_of(config, names)
            credential_in(config, names, "me/app")


def _follow(text: str) -> None:
    for asked in ("https://registry.example/v2/x", "http://localhost:5000/v2/x"):
        url = absolute(asked, text) or text
        if objection(asked, url, ("a", "*.b"), sends=True) is None:
            Reference.parse("a/b")
        unsafe_hint(url)


_PARSERS: dict[str, Callable[[str], object]] = {
    "challenges": parse_challenges,
    "scopes": lambda text: merge_scopes(parse_scopes(text)),
    "links": next_page,
    "references": Reference.parse,
    "digests": Digest.parse,
    "addresses": _follow,
    "times to wait": lambda text: retry_after_s({"retry-after": text, "date": text}),
    "refusals": lambda text: Refusal.parse(400, text.encode("utf-8", "surrogatepass")),
    "warnings": lambda text: (warnings(text), clean(text)),
    "configurations": _look_up,
    "keys": key_place,
    "names of registries": registry_name,
    "mirrors": Mirror.parse,
    "proxies": lambda text: (proxy_shown(text), proxy_for("https", text, None, {"no_proxy": text, "all_proxy": text})),
    "encodings": lambda text: unpacked(
        {"content-encoding": "gzip"}, b"\x1f\x8b" + text.encode("utf-8", "surrogatepass"), limit_bytes=9999, what="it"
    ),
}


@pytest.mark.parametrize("name", _PARSERS)
@settings(derandomize=True, max_examples=200, deadline=2000)
@given(text=_TEXT)
def test_anything_is_read_or_refused(name: str, text: str) -> None:
    with contextlib.suppress(CargoshipError):
        _PARSERS[name](text)


@settings(derandomize=True, max_examples=300, deadline=2000)
@given(document=_JSON)
def test_any_configuration_is_read_or_refused(document: object) -> None:
    _look_up(json.dumps(document))


@settings(derandomize=True, max_examples=200, deadline=2000)
@given(
    status=st.sampled_from([200, 201, 202, 204, 206, 307, 400, 401, 403, 404, 416]),
    headers=st.dictionaries(st.sampled_from(_HEADERS), _TEXT, max_size=5),
    body=_TEXT | _JSON.map(json.dumps),
    method=st.sampled_from(["GET", "HEAD", "POST", "PATCH", "PUT", ".*"]),
)
def test_any_answer_ends_in_a_result_or_an_error(status: int, headers: dict[str, str], body: str, method: str) -> None:
    budget = VirtualBudget(600.0)
    fault = Fault(method, "", status=status, headers=headers, body=body.encode("utf-8", "surrogatepass"), times=3)
    registry = InMemoryRegistry(address=f"https://{_HOST}", faults=[fault], sleep=budget.pass_by)
    blob = BytesBlob.of("application/octet-stream", b"data")
    acts: list[Callable[[RegistryClient], object]] = [
        lambda client: client.upload(REPOSITORY, blob),
        lambda client: client.manifest(REPOSITORY, "1"),
        lambda client: client.find_manifest(REPOSITORY, "1"),
        lambda client: list(client.tags(REPOSITORY)),
        lambda client: list_referrers(client, REPOSITORY, Digest.of(b"x")),
        lambda client: client.blob_bytes(REPOSITORY, blob.descriptor),
        lambda client: client.open_blob(REPOSITORY, blob.descriptor).read(),
        lambda client: client.put_manifest(REPOSITORY, "1", blob),
        lambda client: client.check_login(),
    ]
    for act in acts:
        fault.hits = 0
        transport = InMemoryTransport(registry, sleep=budget.pass_by)
        credentials = FixedCredentials(_HOST, Login("u", "s3cr3t-word"))
        client = client_of(_HOST, transport=transport, credentials=credentials, budget=VirtualBudget(600.0))
        with client, contextlib.suppress(CargoshipError):
            act(client)


@dataclass
class _Speaker:
    """A server that says the same to everything, without an end where `piece` is repeated."""

    piece: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    budget: VirtualBudget = field(default_factory=lambda: VirtualBudget(600.0))
    sent: int = 0
    spoken: int = 0

    def send(self, request: Request) -> Self:
        del request
        self.sent += 1
        return self

    def chunks(self) -> Iterator[bytes]:
        while True:
            # slow enough to never be silent for long
            self.budget.pass_by(1.0)
            self.spoken += 1
            yield self.piece

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


_ACTS: dict[str, Callable[[RegistryClient], object]] = {
    "a manifest": lambda client: client.manifest(REPOSITORY, "1"),
    "tags": lambda client: list(client.tags(REPOSITORY)),
    "referrers": lambda client: list_referrers(client, REPOSITORY, Digest.of(b"x")),
    "a small blob": lambda client: client.blob_bytes(REPOSITORY, Descriptor("x", Digest.of(b"x"), 1)),
    "a stream": lambda client: client.open_blob(REPOSITORY, Descriptor("x", Digest.of(b"x"), 1 << 20)).read(),
    "a range": lambda client: client.blob_range(REPOSITORY, Descriptor("x", Digest.of(b"x"), 9), 1, 3),
}


@pytest.mark.parametrize(
    "piece",
    [b" " * 65536, gzip.compress(bytes(1 << 20)), gzip.compress(b""), b"."],
    # gzip writes the time: the processes of one run must agree on the names of tests
    ids=["spaces", "much in little", "nothing packed", "dots"],
)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("act", _ACTS)
def test_an_answer_without_an_end_is_given_up(act: str, piece: bytes, *, packed: bool) -> None:
    headers = {"content-type": MediaType.OCI_INDEX, **({"content-encoding": "gzip"} if packed else {})}
    speaker = _Speaker(piece, headers)
    with client_of(_HOST, transport=speaker, budget=speaker.budget) as client, pytest.raises(CargoshipError) as raised:
        _ACTS[act](client)
    assert isinstance(raised.value, ContentInvalid | RegistryError)
    assert speaker.budget.elapsed_s <= 610.0
    assert speaker.spoken <= 700


def test_words_that_drip_are_not_waited_for() -> None:
    speaker = _Speaker(b"a", status=400)
    with client_of(_HOST, transport=speaker, budget=speaker.budget) as client, pytest.raises(RegistryError):
        client.manifest(REPOSITORY, "1")
    assert speaker.budget.elapsed_s < 30.0


def test_a_blob_that_drips_ends_with_the_budget() -> None:
    speaker = _Speaker(b".")
    stream = client_of(_HOST, transport=speaker, budget=speaker.budget).open_blob(
        REPOSITORY, Descriptor("x", Digest.of(b"x"), 1 << 20)
    )
    with pytest.raises(RegistryUnreachable, match="longer than the 600 s"):
        stream.read()


@pytest.mark.parametrize(
    "depth", [b'{"a":' * 50_000, b"[" * 100_000, b'{"errors":' * 50_000], ids=["objects", "lists", "errors"]
)
@pytest.mark.parametrize("act", ["a manifest", "tags", "referrers"])
@pytest.mark.parametrize("status", [200, 400])
def test_json_without_a_floor_is_refused(act: str, depth: bytes, status: int) -> None:
    headers = {"Content-Type": MediaType.OCI_INDEX}
    faults = [Fault("GET", "", status=status, headers=headers, body=depth, times=None)]
    registry = InMemoryRegistry(address=f"https://{_HOST}", faults=faults)
    with client_of(_HOST, transport=InMemoryTransport(registry)) as client, contextlib.suppress(CargoshipError):
        # a registry without referrers may say anything
        assert _ACTS[act](client) == ()


@pytest.mark.parametrize(
    "tags", ["7", '"abc"', '{"a": 1}', "true", "[[1]]", '["ok", 7, null, "\\u001b[2J", "a b", ""]']
)
def test_tags_are_tags_or_none(tags: str) -> None:
    faults = [Fault("GET", "/tags/list", status=200, body=b'{"tags": ' + tags.encode() + b"}")]
    registry = InMemoryRegistry(address=f"https://{_HOST}", faults=faults)
    with client_of(_HOST, transport=InMemoryTransport(registry)) as client:
        if tags.startswith("["):
            assert list(client.tags(REPOSITORY)) == (["ok"] if "ok" in tags else [])
        else:
            with pytest.raises(ContentInvalid, match="gave no list of tags"):
                list(client.tags(REPOSITORY))


@pytest.mark.parametrize(
    "fault", [Fault("PATCH", "", delay_s=90.0, times=None), Fault("PATCH", "", cut_request=0, times=None)]
)
def test_chunks_that_are_never_answered_are_followed_by_the_whole(fault: Fault) -> None:
    budget = VirtualBudget(3600.0)
    registry = InMemoryRegistry(address=f"https://{_HOST}", faults=[fault], sleep=budget.pass_by)
    transport = InMemoryTransport(registry, sleep=budget.pass_by)
    blob = BytesBlob.of("application/octet-stream", bytes(300))
    with client_of(_HOST, transport=transport, budget=budget, chunks=Chunks(99, 100)) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
        assert budget.elapsed_s < 400.0
        registry.calls.clear()
        client.upload("me/other", blob)
    assert [call.method for call in registry.calls] == ["HEAD", "POST", "PUT"]


def test_an_upload_that_begins_elsewhere_goes_on_from_there() -> None:
    """A relative Location is about the address that answered, after redirects too (RFC 9110 section 10.2.2)."""
    registry = InMemoryRegistry(
        address=f"https://{_HOST}", quirks=["location-relative"],
        faults=[Fault("POST", "/me/app/", status=307, headers={"Location": "/v2/me/moved/blobs/uploads/"}, times=None)],
    )  # fmt: skip
    blob = BytesBlob.of("application/octet-stream", b"data")
    with client_of(_HOST, transport=InMemoryTransport(registry)) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
    assert str(blob.descriptor.digest) in registry.contents.repositories["me/moved"].blobs
