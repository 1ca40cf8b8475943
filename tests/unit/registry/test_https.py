"""What only https registries can get wrong, with answers by script: no credentials in clear text, no step down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import pytest

from cargoship.errors import RegistryError, RegistryRefused
from cargoship.http.exchange import ConnectionBroken, Request
from cargoship.oci.descriptor import BytesBlob
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.upload import BlobOutcome
from support.pushing import HASTE, REPOSITORY, Emitted

_REGISTRY = "registry.example"
_LOGIN = FixedCredentials(_REGISTRY, Login("u", "s3cr3t-word"))


@dataclass
class Scripted:
    """A response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def chunks(self) -> Iterator[bytes]:
        yield self.body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Script:
    """A transport that gives these responses, one after the other."""

    def __init__(self, *responses: Scripted) -> None:
        self.responses = list(responses)
        self.requests: list[Request] = []

    def send(self, request: Request) -> Scripted:
        self.requests.append(request)
        if not self.responses:
            raise ConnectionBroken("the script is over", permanent=True)
        return self.responses.pop(0)

    def close(self) -> None:
        pass

    @property
    def sent(self) -> list[tuple[str, str, bool]]:
        """Method, address, and whether it carried credentials."""
        return [(request.method, request.url, "Authorization" in request.headers) for request in self.requests]


def _client(script: Script) -> RegistryClient:
    options = ClientOptions(
        credentials=_LOGIN, transport=script, emit=Emitted(), access=Access.PUSH, retry_policy=HASTE
    )
    return RegistryClient(_REGISTRY, options)


def test_credentials_are_not_sent_to_a_token_server_in_clear_text() -> None:
    challenge = {"www-authenticate": 'Bearer realm="http://token.example/t",service="s"'}
    script = Script(Scripted(401, challenge))
    with pytest.raises(RegistryError, match=r"in clear text to token\.example"):
        _client(script).find_manifest(REPOSITORY, "1")
    assert len(script.requests) == 1


def test_a_redirect_does_not_leave_https() -> None:
    script = Script(Scripted(307, {"location": "http://mirror.example/x"}))
    with pytest.raises(RegistryRefused, match=r"from https to plain http at mirror\.example"):
        _client(script).find_manifest(REPOSITORY, "1")
    assert len(script.requests) == 1


def test_credentials_do_not_come_back_after_a_detour() -> None:
    script = Script(
        Scripted(401, {"www-authenticate": "Basic"}),
        Scripted(307, {"location": "https://other.example/x"}),
        Scripted(307, {"location": f"https://{_REGISTRY}/y"}),
        Scripted(404),
    )
    assert _client(script).find_manifest(REPOSITORY, "1") is None
    manifest = f"https://{_REGISTRY}/v2/{REPOSITORY}/manifests/1"
    assert script.sent == [
        ("HEAD", manifest, False),
        ("HEAD", manifest, True),
        ("HEAD", "https://other.example/x", False),
        ("HEAD", f"https://{_REGISTRY}/y", False),
    ]


@pytest.mark.parametrize(
    ("location", "url", "carried"),
    [
        (f"http://{_REGISTRY}/up/1", f"https://{_REGISTRY}/up/1", True),
        (f"https://{_REGISTRY}:443/up/1", f"https://{_REGISTRY}:443/up/1", True),
        (f"https://{_REGISTRY}:8443/up/1", f"https://{_REGISTRY}:8443/up/1", False),
        ("https://uploads.example/1?sig=x%2Fy", "https://uploads.example/1?sig=x%2Fy", False),
    ],
)
def test_an_upload_stays_with_https_and_its_origin(location: str, url: str, *, carried: bool) -> None:
    blob = BytesBlob.of("application/octet-stream", b"data")
    script = Script(
        Scripted(401, {"www-authenticate": "Basic"}),
        Scripted(404),
        Scripted(202, {"location": location}),
        Scripted(201),
    )
    assert _client(script).upload(REPOSITORY, blob) is BlobOutcome.PUSHED
    joint = "&" if "?" in url else "?"
    assert script.sent[-1] == ("PUT", f"{url}{joint}digest=sha256%3A{blob.descriptor.digest.hex}", carried)


def test_a_tags_next_page_at_another_place_gets_no_credentials() -> None:
    link = {"link": '<https://other.example/more>; rel="next"'}
    script = Script(
        Scripted(401, {"www-authenticate": "Basic"}),
        Scripted(200, link, b'{"tags":["1"]}'),
        Scripted(200, {}, b'{"tags":["2"]}'),
    )
    assert list(_client(script).tags(REPOSITORY)) == ["1", "2"]
    assert [carried for _, _, carried in script.sent] == [False, True, False]


def test_an_answer_that_ends_while_it_is_read_is_reported() -> None:
    class Ending(Scripted):
        def chunks(self) -> Iterator[bytes]:
            raise ConnectionBroken("gone", permanent=True)

    with pytest.raises(RegistryError, match="gone"):
        _client(Script(Ending(200))).manifest(REPOSITORY, "1")
    with pytest.raises(RegistryRefused, match="HTTP 400"):
        _client(Script(Ending(400))).manifest(REPOSITORY, "1")
