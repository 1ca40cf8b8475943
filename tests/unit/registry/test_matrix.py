"""Every trouble at every request of pushes and pulls, without sockets and without waiting.

Whatever happens, a tag names the old image or the whole new one, what was pulled is what was asked for, and the run
ends within its budget with an error that names the registry. `test_faults.py` has those that need real connections.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cargoship.errors import CargoshipError, ContentInvalid
from cargoship.http.budget import Budget
from cargoship.http.exchange import Request, Response
from cargoship.http.retry import RetryPolicy
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.client import MirroredClient
from cargoship.registry.mirrors.model import Mirror, Mirrors, Rule
from cargoship.registry.options import ClientOptions
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from cargoship.testing.content_api import ContentApi
from support.images import ARM64, small_index
from support.pushing import REPOSITORY, Emitted, NoCredentials, client_of
from support.virtual import VirtualBudget

_ADDRESS = "https://registry.example"
_HOST = "registry.example"
_MIRROR = "mirror.example"
_TOTAL_S = 600.0
_IDLE_S = 60.0
_LONGER_THAN_IDLE_S = 90.0
_CALLS_MAX = 500
_PASSWORD = "s3cr3t-word"
_JUNK = b'{"errors":[{"code":"STRANGE","message":"something is wrong"}]}'


def _status(status: int, **headers: str) -> Fault:
    return Fault("", "", status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})


_TROUBLE: dict[str, Fault] = {
    **{
        str(status): replace(_status(status), body=_JUNK)
        for status in (400, 401, 403, 404, 405, 408, 409, 410, 411, 413, 415, 416, 418, 422, 429, 451)
    },
    **{str(status): replace(_status(status), body=b"<html>") for status in (500, 501, 502, 503, 504, 507, 599)},
    "401 with another challenge": _status(401, WWW_Authenticate='Negotiate, Bearer realm="file:///x"'),
    "429 for a moment": _status(429, Retry_After="2"),
    "429 for a day": _status(429, Retry_After="86400"),
    "503 until a date": _status(503, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT", Date="Wed, 21 Oct 2099 07:27:58 GMT"),
    "redirected in a circle": _status(307, Location="?again"),
    "redirected by the old code": _status(302, Location=_ADDRESS + "/v2/"),
    "redirected to nobody": _status(307, Location="https://nobody.example/x"),
    "redirected to plain http": _status(307, Location="http://plain.example/x"),
    "redirected nowhere": _status(308, Location="file:///etc/passwd"),
    "redirected without an address": _status(307),
    "cut before the request": Fault("", "", cut_request=0),
    "cut in the request": Fault("", "", cut_request=30),
    "cut after the work": Fault("", "", cut_response=0),
    "cut in the answer": Fault("", "", cut_response=20),
    "slow": Fault("", "", delay_s=_IDLE_S / 2),
    "too slow": Fault("", "", delay_s=_LONGER_THAN_IDLE_S),
    "slow content": Fault("", "", drip_s=_IDLE_S / 2),
    "too slow content": Fault("", "", drip_s=_LONGER_THAN_IDLE_S),
    "corrupted": Fault("", "", corrupt=True),
}
_LIES: dict[str, Fault] = {
    "empty 200": _status(200),
    "200 of something else": replace(_status(200, Content_Type="text/html"), body=b"<html>log in</html>" * 100),
    "201 without the work": _status(201),
    "202 without the work": _status(202, Location="/v2/me/app/blobs/uploads/0"),
    "204": _status(204),
    "206 of other bytes": replace(_status(206, Content_Range="bytes 900-999/1000"), body=b"x" * 100),
    "299": _status(299),
}
"""Answers that no registry should give. What they claim may be believed, but never makes half an image."""

# a client has no rule of its own for these: one of a kind is tried each time, the others where all tests run
_ALIKE = frozenset(
    {"403", "405", "409", "410", "411", "413", "415", "416", "418", "422", "451", "501", "502", "504", "507", "599"}
    | {"202 without the work", "204", "299", "redirected by the old code", "redirected to nobody"}
)


def _each(names: Iterable[str], *, apart: Container[str] = _ALIKE) -> list[object]:
    """Names to try; those in `apart` where all tests run alone."""
    return [pytest.param(each, marks=pytest.mark.thorough if each in apart else ()) for each in names]


@dataclass
class _Run:
    """A registry with an old image, a client of it, and what may go wrong between them."""

    old: Index
    auth: TokenAuth | None = None
    chunks: Chunks | None = None
    redirect_blobs: bool = False
    faults: list[Fault] = field(default_factory=list)
    revoke_at: int | None = None

    def __post_init__(self) -> None:
        self.budget = VirtualBudget(_TOTAL_S)
        self.registry = InMemoryRegistry(
            address=_ADDRESS, redirect_blobs=self.redirect_blobs, sleep=self.budget.pass_by
        )

    def client(self) -> RegistryClient:
        transport = _Revoking(self)
        credentials = FixedCredentials(_HOST, Login("u", _PASSWORD)) if self.auth else None
        return client_of(
            _HOST,
            transport=transport,
            credentials=credentials,
            budget=self.budget,
            retry_policy=RetryPolicy(),
            chunks=self.chunks,
        )

    def seed(self, index: Index) -> None:
        """Let the registry have an image, before anything goes wrong."""
        self.registry.contents = _seeded(index)

    def begin(self) -> None:
        self.registry.auth = self.auth
        self.registry.faults += self.faults


_SEEDED: dict[Digest, ContentApi] = {}
"""What a registry has after the push of an image: the same for thousands of runs."""


def _seeded(index: Index) -> ContentApi:
    """What a registry has that got this image, for one run alone."""
    if index.digest not in _SEEDED:
        registry = InMemoryRegistry(address=_ADDRESS)
        with client_of(_HOST, transport=InMemoryTransport(registry)) as client:
            push_index(
                client, index, reference=Reference(_HOST, REPOSITORY), tags=["1"], options=PushOptions(Emitted())
            )
        _SEEDED[index.digest] = registry.contents
    return copy.deepcopy(_SEEDED[index.digest])


class _Revoking(InMemoryTransport):
    """Tokens end in the middle: before one of the requests."""

    def __init__(self, run: _Run) -> None:
        super().__init__(run.registry, idle_s=_IDLE_S, sleep=run.budget.pass_by)
        self._run = run
        self._count = 0

    def send(self, request: Request) -> Response:  # type: ignore[override]
        if self._count == self._run.revoke_at and self._run.auth is not None:
            self._run.auth.revoke()
        self._count += 1
        return super().send(request)


def _push(run: _Run, index: Index, folder: Path) -> None:
    del folder
    with run.client() as client:
        push_index(
            client,
            index,
            reference=Reference(_HOST, REPOSITORY),
            tags=["1", "new"],
            options=PushOptions(Emitted(), jobs=1),
        )


def _pull(run: _Run, index: Index, folder: Path) -> None:
    layers = [layer.descriptor for layer in index.children[0].layers]
    with run.client() as client:
        found = fetch_index(client, Reference(_HOST, REPOSITORY, "1"))
        # whatever was read is what the digests say, also where a tag's answer was a lie
        for image in found.images:
            assert Digest.of(image.manifest.data) == image.descriptor.digest
            assert Digest.of(image.config.data) == image.config.descriptor.digest
        for layer in layers:
            client.download(REPOSITORY, layer, folder / layer.digest.hex)


@dataclass(frozen=True)
class _Scenario:
    """What is done, to a registry of which kind."""

    act: Callable[[_Run, Index, Path], None]
    token: bool = False
    chunks: Chunks | None = None
    redirect_blobs: bool = False

    @property
    def pulls(self) -> bool:
        return self.act is _pull

    def run(self, old: Index, new: Index, *, faults: list[Fault], revoke_at: int | None = None) -> _Run:
        auth = TokenAuth("u", _PASSWORD) if self.token else None
        run = _Run(old, auth, self.chunks, self.redirect_blobs, faults, revoke_at)
        run.seed(new if self.pulls else old)
        run.begin()
        return run


_SCENARIOS = {
    "push": _Scenario(_push),
    "push with tokens and chunks": _Scenario(_push, token=True, chunks=Chunks(whole_bytes=60, chunk_bytes=60)),
    "pull": _Scenario(_pull),
    "pull with tokens and a storage": _Scenario(_pull, token=True, redirect_blobs=True),
}
_PLAIN = frozenset({"push", "pull"})
"""Scenarios whose kinds of requests others have too, among more."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("old"), [ARM64])


_REQUESTS: dict[_Scenario, int] = {}
"""How many requests a scenario takes where nothing goes wrong."""


def _requests(scenario: _Scenario, old: Index, index: Index, folder: Path) -> int:
    if scenario not in _REQUESTS:
        run = scenario.run(old, index, faults=[])
        scenario.act(run, index, folder)
        _REQUESTS[scenario] = len(run.registry.calls)
    return _REQUESTS[scenario]


def _check(run: _Run, scenario: _Scenario, index: Index, folder: Path, *, honest: bool) -> bool:
    """Do it, and look at what is left; whether it went well."""
    error: CargoshipError | None = None
    try:
        scenario.act(run, index, folder)
    except CargoshipError as raised:
        error = raised
    if error is not None:
        assert 50 <= error.exit_code <= 55, error
        assert _HOST in error.message or "sha256:" in error.message or REPOSITORY in error.message, error.message
        assert _PASSWORD not in error.message + (error.hint or "")
    assert run.budget.elapsed_s <= _TOTAL_S + 5 * _LONGER_THAN_IDLE_S
    assert len(run.registry.calls) < _CALLS_MAX
    tags = run.registry.tags(REPOSITORY)
    allowed = {str(index.digest)} if scenario.pulls else {str(run.old.digest), str(index.digest)}
    assert tags["1"] in allowed
    assert set(tags.values()) <= allowed
    if not scenario.pulls:
        if str(index.digest) in tags.values():
            _assert_whole(run.registry, index)
        if error is None and honest:
            assert tags == {"1": str(index.digest), "new": str(index.digest)}
    for path in folder.iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
        path.unlink()
    return error is None


def _assert_whole(registry: InMemoryRegistry, index: Index) -> None:
    repository = registry.contents.repositories[REPOSITORY]
    for blob in index.blobs():
        digest = str(blob.descriptor.digest)
        assert digest in repository.blobs
        assert str(Digest.of(registry.contents.blobs[digest])) == digest
    for manifest in index.manifests():
        assert repository.manifests[str(manifest.descriptor.digest)][1] == manifest.data


@pytest.mark.parametrize("trouble", _each((*_TROUBLE, *_LIES)))
@pytest.mark.parametrize("name", _each(_SCENARIOS, apart=_PLAIN))
def test_trouble_at_any_request_leaves_the_old_or_the_whole_new(
    name: str, trouble: str, old: Index, index: Index, tmp_path: Path
) -> None:
    scenario = _SCENARIOS[name]
    fault = {**_TROUBLE, **_LIES}[trouble]
    for place in range(_requests(scenario, old, index, _empty(tmp_path))):
        for times in (1, None):
            struck = replace(fault, method=".*", skip=place, times=times)
            run = scenario.run(old, index, faults=[struck])
            _check(run, scenario, index, _empty(tmp_path), honest=trouble in _TROUBLE)


@pytest.mark.parametrize("trouble", _each(("408", "429", "429 for a moment", "500", "502", "503", "504",
                                           "503 until a date", "cut before the request", "cut in the request",
                                           "cut after the work", "slow", "too slow", "slow content"),
                                          apart=_ALIKE | {"408", "429", "500"}))  # fmt: skip
@pytest.mark.parametrize("name", _each(_SCENARIOS, apart=_PLAIN))
def test_trouble_that_passes_stops_nobody(name: str, trouble: str, old: Index, index: Index, tmp_path: Path) -> None:
    scenario = _SCENARIOS[name]
    for place in range(_requests(scenario, old, index, _empty(tmp_path))):
        struck = replace(_TROUBLE[trouble], method=".*", skip=place, times=2)
        run = scenario.run(old, index, faults=[struck])
        assert _check(run, scenario, index, _empty(tmp_path), honest=True), place


@pytest.mark.parametrize("name", [name for name, scenario in _SCENARIOS.items() if scenario.token])
def test_tokens_that_end_at_any_request_are_renewed(name: str, old: Index, index: Index, tmp_path: Path) -> None:
    scenario = _SCENARIOS[name]
    for place in range(_requests(scenario, old, index, _empty(tmp_path))):
        run = scenario.run(old, index, faults=[], revoke_at=place)
        assert _check(run, scenario, index, _empty(tmp_path), honest=True), place


@pytest.mark.parametrize("trouble", _each((*_TROUBLE, *_LIES)))
def test_a_mirror_in_trouble_stops_no_pull(trouble: str, index: Index, tmp_path: Path) -> None:
    fault = {**_TROUBLE, **_LIES}[trouble]
    # what was handed on before it turned out to be something else cannot be called back
    late = trouble in {"corrupted", "redirected by the old code", *_LIES}
    for place in range(_pull_by_mirror(index, _empty(tmp_path), [])):
        struck = replace(fault, method=".*", skip=place, times=None)
        with contextlib.ExitStack() as allowed:
            if late:
                allowed.enter_context(contextlib.suppress(ContentInvalid))
            _pull_by_mirror(index, _empty(tmp_path), [struck])


def _pull_by_mirror(index: Index, folder: Path, faults: list[Fault]) -> int:
    """Pull through a mirror; how many requests it got. The registry itself is well, and slowness is no trouble."""
    budget = VirtualBudget(_TOTAL_S * 10)
    registry, mirror = (InMemoryRegistry(address=f"https://{host}", sleep=budget.pass_by) for host in (_HOST, _MIRROR))
    transport = InMemoryTransport(registry, mirror, idle_s=_IDLE_S, sleep=budget.pass_by)
    registry.contents, mirror.contents = _seeded(index), _seeded(index)
    mirror.faults += faults

    def open_mirror(host: str, budget: Budget) -> RegistryClient:
        return client_of(
            host, transport=transport, budget=budget, retry_policy=RetryPolicy(tries=2, connection_tries=1)
        )

    options = ClientOptions(credentials=NoCredentials(), transport=transport, budget=budget)
    mirrors = Mirrors((Rule(_HOST, (Mirror(_MIRROR),)),))
    with MirroredClient(_HOST, options, mirrors=mirrors, open_mirror=open_mirror) as client:
        found = fetch_index(client, Reference(_HOST, REPOSITORY, "1"))
        for image in index.children:
            for layer in image.layers:
                path = folder / layer.descriptor.digest.hex
                client.download(REPOSITORY, layer.descriptor, path)
                assert Digest.of(path.read_bytes()) == layer.descriptor.digest
    if not faults:
        assert found.root == index.blob
    return len(mirror.calls)


def test_the_matrix_is_large(old: Index, index: Index, tmp_path: Path) -> None:
    places = sum(_requests(scenario, old, index, _empty(tmp_path)) for scenario in _SCENARIOS.values())
    assert places * (len(_TROUBLE) + len(_LIES)) * 2 >= 1_000


def _empty(folder: Path) -> Path:
    place = folder / "pulled"
    with contextlib.suppress(FileExistsError):
        place.mkdir()
    for path in place.iterdir():
        path.unlink()
    return place
