"""Hostile registries, what they answer, and what users keep to log in to them."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cargoship.errors import CargoshipError
from cargoship.events import Event, Note
from cargoship.http.encoding import unpacked
from cargoship.http.exchange import Request
from cargoship.http.links import next_page
from cargoship.http.proxies import proxy_for, proxy_shown
from cargoship.http.retry import retry_after_s
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.process import Completed
from cargoship.registry.addresses import absolute, objection, unsafe_hint
from cargoship.registry.auth.challenge import can_be_answered, merge_scopes, parse_challenges, parse_scopes
from cargoship.registry.auth.credentials import ConfigFiles, FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.auth.login import registry_name
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.files import read_mirrors
from cargoship.registry.mount_sources import RememberedMountSources
from cargoship.registry.referrers import list_referrers
from cargoship.registry.refusals import Refusal, clean, warnings
from cargoship.registry.source import remote_source
from support.hostile.changes import Chance, as_json, changed, changed_text
from support.hostile.images import image_files
from support.hostile.judge import Kind, shown
from support.pushing import client_of
from support.scripted import ScriptedRunner
from support.virtual import VirtualBudget

HOST = "registry.example"
REPOSITORY = "me/app"
_BASE = {
    "challenge": 'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:me/app:pull,push"',
    "basic": 'Basic realm="x", Bearer realm="https://auth.example/token"',
    "link": '</v2/me/app/tags/list?n=100&last=x>; rel="next"',
    "location": "https://registry.example/v2/me/app/blobs/uploads/1?_state=abc#f",
    "range": "0-1023",
    "warning": '299 - "this is deprecated"',
    "after": "Wed, 21 Oct 2099 07:28:00 GMT",
    "proxy": "http://user:pass@proxy.example:3128",
}


def headers(chance: Chance, _: Path) -> None:
    """Every header that is read, and what follows from it."""
    text = changed_text(_BASE[chance.choice(list(_BASE))], chance)
    readers: tuple[Callable[[str], object], ...] = (
        parse_challenges,
        can_be_answered,
        lambda text: merge_scopes(parse_scopes(text)),
        next_page,
        _follow,
        lambda text: retry_after_s({"retry-after": text, "date": text}),
        clean,
        registry_name,
        lambda text: (proxy_shown(text), proxy_for("https", text, None, {"no_proxy": text, "all_proxy": text})),
    )
    for read in readers:
        with contextlib.suppress(CargoshipError):
            read(text)
    for each in warnings(text):
        shown(each)
    shown(str(Refusal.parse(chance.choice((400, 401, 403, 404, 429, 500)), text.encode("utf-8", "surrogatepass"))))


def _follow(text: str) -> None:
    for asked in ("https://registry.example/v2/x", "http://localhost:5000/v2/x"):
        url = absolute(asked, text)
        if url is not None:
            objection(asked, url, ("a", "*.b"), sends=True)
            unsafe_hint(url)


def wired(text: str) -> str:
    """A header's value as it comes out of a connection: bytes, taken for Latin-1, in one line."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1").replace("\r", "").replace("\n", "")


_ERRORS = {"errors": [{"code": "DENIED", "message": "no", "detail": {"a": 1}}]}
_TOKEN = {
    "token": "abc",
    "access_token": "abc",
    "expires_in": 300,
    "issued_at": "2026-01-01T00:00:00Z",
    "refresh_token": "r",
}
_TAGS = {"name": "me/app", "tags": ["1", "2", "latest"]}
_REFERRERS = {
    "schemaVersion": 2,
    "mediaType": str(MediaType.OCI_INDEX),
    "manifests": [
        {
            "mediaType": str(MediaType.OCI_MANIFEST),
            "digest": "sha256:" + "a" * 64,
            "size": 3,
            "artifactType": "x",
            "annotations": {"a": "b"},
        }
    ],
}


def errors(chance: Chance, _: Path) -> None:
    """Refusals in JSON."""
    refusal = Refusal.parse(
        chance.choice((400, 401, 403, 404, 413, 429, 500)), as_json(changed(_ERRORS, chance), chance)
    )
    shown(str(refusal.message))
    shown(str(refusal.code))


Answered = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""
_ASKED_MAX = 3000
_WAITED_MAX_S = 700.0
_SPOILT = (
    *("content-type", "content-encoding", "content-length", "docker-content-digest", "location", "warning", "link"),
    "oci-subject",
)


@dataclass
class Speaker:
    """A registry whose every answer is made by chance: right now and then, so that more is asked."""

    chance: Chance
    budget: VirtualBudget
    files: Mapping[str, bytes] = field(default_factory=dict)
    asked: int = 0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    endless: bool = False

    def send(self, request: Request) -> Self:
        self.asked += 1
        if self.asked > _ASKED_MAX:
            raise AssertionError(f"{self.asked} requests")
        assert request.url.lower().startswith(("https://", "http://")), request.url
        self.endless = self.chance.often(0.02)
        self.status, self.headers, self.data = self._right(request) or self._anything(request)
        self._spoil()
        self.headers = {name: wired(value) for name, value in self.headers.items()}
        return self

    def _right(self, request: Request) -> Answered | None:
        """What is asked for, or what a registry says before it is given."""
        chance, path = self.chance, request.url.partition("?")[0]
        blob = self.files.get("blobs/sha256/" + path.rpartition(":")[2])
        if blob is not None and chance.often(0.9):
            right = {"docker-content-digest": str(Digest.of(blob))} if chance.often(0.2) else {}
            return 200, {"content-type": MediaType.OCI_MANIFEST, "content-length": str(len(blob)), **right}, blob
        if chance.often(0.15) and not path.endswith("/token"):
            said = _BASE[chance.choice(("challenge", "basic"))]
            return 401, {"www-authenticate": changed_text(said, chance) if chance.often(0.5) else said}, b""
        if "/manifests/" in path and request.method in {"GET", "HEAD"} and "index" in self.files:
            return 200, {"content-type": MediaType.OCI_INDEX}, self.files["index"]
        lists = {"/token": _TOKEN, "/tags/list": _TAGS, "/referrers/": _REFERRERS}
        found = next((document for word, document in lists.items() if word in path), None)
        if found is None:
            return None
        more = {"link": changed_text(_BASE["link"], chance)} if chance.often(0.3) else {}
        data = as_json(changed(found, chance) if chance.often(0.7) else found, chance)
        return 200, {"content-type": MediaType.OCI_INDEX, **more}, data

    def _anything(self, request: Request) -> Answered:
        chance = self.chance
        if request.method in {"POST", "PATCH", "PUT"}:
            said = {
                name: changed_text(_BASE[name], chance) if chance.often(0.4) else _BASE[name]
                for name in ("location", "range")
            }
            if chance.often(0.1):
                said["oci-chunk-min-length"] = str(chance.number())[:400]
            return chance.choice((200, 201, 202, 204, 404, 416, 500)), said, b""
        said = {
            "content-type": chance.choice(list(MediaType)),
            "location": changed_text(_BASE["location"], chance),
            "retry-after": changed_text("1", chance),
            "content-range": changed_text("bytes 0-9/10", chance),
        }
        status = chance.choice((200, 206, 301, 307, 400, 403, 404, 416, 429, 500, 503, 999, 0))
        return status, said, as_json(changed(_ERRORS, chance), chance)

    def _spoil(self) -> None:
        chance = self.chance
        if chance.often(0.1):
            self.headers = {**self.headers, chance.choice(_SPOILT): chance.choice(("gzip", chance.word(), "-1", "br"))}
        if chance.often(0.05):
            self.headers = {**self.headers, "content-encoding": "gzip"}
            self.data = gzip.compress(self.data, 1) if chance.often() else self.data

    def chunks(self) -> Iterator[bytes]:
        while self.endless:
            self.budget.pass_by(1.0)
            yield self.data[:4096] or b" "
        if self.data:
            yield self.data

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


_BLOB = BytesBlob.of("application/octet-stream", b"data" * 100)
_ACTS: tuple[Callable[[RegistryClient], object], ...] = (
    lambda client: client.upload(REPOSITORY, _BLOB),
    lambda client: client.upload(REPOSITORY, _BLOB),
    lambda client: client.manifest(REPOSITORY, "1"),
    lambda client: client.find_manifest(REPOSITORY, "1"),
    lambda client: list(client.tags(REPOSITORY)),
    lambda client: list_referrers(client, REPOSITORY, Digest.of(b"x")),
    lambda client: client.blob_bytes(REPOSITORY, _BLOB.descriptor),
    lambda client: client.open_blob(REPOSITORY, _BLOB.descriptor).read(),
    lambda client: client.blob_range(REPOSITORY, Descriptor("x", Digest.of(b"x"), 9), 1, 3),
    lambda client: client.put_manifest(REPOSITORY, "1", _BLOB),
    lambda client: client.check_login(),
)


def answers(chance: Chance, _: Path) -> None:
    """Whole exchanges with a registry that says anything."""
    budget = VirtualBudget(600.0)
    speaker = Speaker(chance, budget)
    credentials = FixedCredentials(HOST, Login("u", "s3cr3t-word"))
    refused: CargoshipError | None = None
    with client_of(HOST, transport=speaker, credentials=credentials, budget=budget) as client:
        try:
            chance.choice(_ACTS)(client)
        except CargoshipError as error:
            refused = error
    assert budget.elapsed_s <= _WAITED_MAX_S
    if refused is not None:
        assert "s3cr3t-word" not in f"{refused.message} {refused.hint} {refused.details}"
        raise refused


def images(chance: Chance, _: Path) -> None:
    """Hostile images in a registry, read as `inspect` and `copy` read them."""
    files = image_files(chance, names=False)
    try:
        top = json.loads(files["index.json"])["manifests"][0]["digest"].rpartition(":")[2]
        index = files[f"blobs/sha256/{top}"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        index = files["index.json"]
    budget = VirtualBudget(600.0)
    speaker = Speaker(chance, budget, {**files, "index": index})
    from cargoship.registry.pull import read_images  # noqa: PLC0415 - only here

    with client_of(HOST, transport=speaker, budget=budget) as client:
        source = remote_source(client, Reference.parse(f"{HOST}/{REPOSITORY}:1"))
        for each in read_images(source.content, source.root, source.each).images:
            assert each.descriptor.digest == each.manifest.descriptor.digest


_AUTH = base64.b64encode(b"user:password").decode()
_CONFIG: dict[str, Any] = {
    "auths": {
        HOST: {"auth": _AUTH},
        "https://index.docker.io/v1/": {"username": "u", "password": "p"},
        "ghcr.io/me": {"identitytoken": "t"},
        "quay.io": {"registrytoken": "r"},
        "other.example": {},
    },
    "credHelpers": {"gcr.io": "gcloud", "x.example": ""},
    "credsStore": "pass",
    "proxies": {},
    "HttpHeaders": {"X": "y"},
}


def credentials(chance: Chance, folder: Path) -> None:
    """Files with logins, the variable that holds one, and what helper programs say."""
    (folder / "config.json").write_bytes(as_json(changed(_CONFIG, chance), chance))
    answer = as_json(changed({"ServerURL": HOST, "Username": "u", "Secret": "p"}, chance), chance)
    runner = ScriptedRunner({("get",): Completed(chance.choice((0, 0, 0, 1, -9)), answer, b"x")})
    env = {"DOCKER_CONFIG": str(folder)}
    if chance.often(0.3):
        text = as_json(changed(_CONFIG, chance), chance).decode("utf-8", "surrogateescape")
        env = {"DOCKER_AUTH_CONFIG": text, **env}
    found = ConfigFiles(env, runner, _hear)
    for host in (HOST, "docker.io", "gcr.io", "ghcr.io", "x.example"):
        found.find(host, "me/app")


def _hear(event: Event) -> None:
    if isinstance(event, Note):
        assert len(event.text) < 20_000


_REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io/library"
location = "mirror.example/library"
insecure = true
blocked = false
mirror-by-digest-only = true
[[registry.mirror]]
location = "127.0.0.1:5000"
pull-from-mirror = "all"
insecure = false
"""


def mirrors(chance: Chance, folder: Path) -> None:
    """registries.conf, docker's daemon.json, and the variable."""
    path = folder / "registries.conf"
    path.write_bytes(changed_text(_REGISTRIES, chance).encode("utf-8", "surrogatepass"))
    read_mirrors({"CONTAINERS_REGISTRIES_CONF": str(path), "HOME": str(folder)}, _hear)
    read_mirrors(
        {"CARGOSHIP_REGISTRY_MIRRORS": changed_text("docker.io=mirror.gcr.io,ghcr.io=http://h:1", chance)}, _hear
    )


def memory(chance: Chance, folder: Path) -> None:
    """What is remembered of registries."""
    known = RememberedMountSources(folder)
    known.remember(HOST, "a/b", [Digest.of(b"x")])
    (path,) = folder.iterdir()
    document = json.loads(path.read_bytes())
    path.write_bytes(as_json(changed(document, chance), chance))
    known.source(HOST, "me/app", Digest.of(b"x"))
    known.remember(HOST, "me/app", [Digest.of(b"y")])


def encodings(chance: Chance, _: Path) -> None:
    """Answers that are packed, or say so."""
    data = gzip.compress(as_json(_TAGS, chance), 1)
    data = chance.choice(
        (
            data,
            data[: chance.randrange(len(data))],
            data + data,
            data + b"x",
            changed_text("x", chance).encode("utf-8", "surrogatepass"),
        )
    )
    header = {
        "content-encoding": chance.choice(("gzip", "x-gzip", "GZIP", "gzip, gzip", "br", "identity", chance.word()))
    }
    unpacked(header, data, limit_bytes=100, what="it")


KINDS = (
    Kind("registries' headers", headers, 5),
    Kind("registries' refusals", errors, 6),
    Kind("registries' answers", answers, 3),
    Kind("images in a registry", images, 2),
    Kind("packed answers", encodings, 3),
    Kind("credentials", credentials, 2),
    Kind("mirrors of registries", mirrors, 2),
    Kind("memory of registries", memory, 1, on_disk=True),
)
