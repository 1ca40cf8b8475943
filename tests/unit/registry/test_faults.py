"""Trouble at every request of a push: it passes, or it is reported, and a tag never names half an image."""

from __future__ import annotations

import dataclasses

import pytest

from cargoship.errors import CargoshipError, RegistryRefused, RegistryUnreachable
from cargoship.http.budget import Budget
from cargoship.oci.index import Index
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry
from support.pushing import REPOSITORY, client_of, push

_REQUESTS = {
    "tag asked for": ("HEAD|GET", "/manifests/1$"),
    "index asked for": ("HEAD|GET", "/manifests/sha256:"),
    "blob asked for": ("HEAD|GET", "/blobs/sha256:"),
    "upload started": ("POST", "/blobs/uploads/"),
    "upload sent": ("PUT", "/blobs/uploads/"),
    "manifest put": ("PUT", "/manifests/sha256:"),
    "tag put": ("PUT", "/manifests/1$"),
}
_PASSING = {
    "500": Fault("", "", status=500),
    "502": Fault("", "", status=502, body=b"<html>bad gateway</html>"),
    "503 with a date": Fault("", "", status=503, headers={"Retry-After": "Tue, 24 Nov 2020 10:00:00 GMT"}),
    "429": Fault("", "", status=429, headers={"Retry-After": "0"}),
    "cut before the answer": Fault("", "", cut_request=0),
    "cut in the request": Fault("", "", cut_request=10),
    "cut, but done": Fault("", "", cut_response=0),
    "slow": Fault("", "", delay_s=0.02),
}
_FINAL = {
    "400": Fault("", "", status=400, times=None),
    "403": Fault("", "", status=403, times=None),
    "405": Fault("", "", status=405, times=None),
    "413": Fault("", "", status=413, times=None),
    "500 for ever": Fault("", "", status=500, times=None),
    "429 for ever": Fault("", "", status=429, times=None),
    "429 for long": Fault("", "", status=429, headers={"Retry-After": "86400"}, times=None),
    "cut for ever": Fault("", "", cut_request=5, times=None),
    "redirected in a circle": Fault("", "", status=307, headers={"Location": "?again"}, times=None),
    "redirected nowhere": Fault("", "", status=307, headers={"Location": "file:///etc/passwd"}, times=None),
    "made no sense": Fault("", "", status=299, times=None),
}


_NO_ANSWERS = ("400", "403", "405", "413", "made no sense")
"""What is no answer to the question for a blob: it is sent then."""


def _at(fault: Fault, request: str, times: int | None = 1) -> Fault:
    method, path = _REQUESTS[request]
    return dataclasses.replace(fault, method=method, path=path, times=times)


@pytest.mark.thorough
@pytest.mark.parametrize("request_name", _REQUESTS)
@pytest.mark.parametrize("fault", _PASSING)
def test_trouble_that_passes_does_not_stop_a_push(request_name: str, fault: str, index: Index) -> None:
    trouble = _at(_PASSING[fault], request_name, times=2)
    with InMemoryRegistry(faults=[trouble]) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        assert trouble.hits == 2 or fault == "slow"
        assert registry.tags(REPOSITORY) == {"1": str(index.digest)}


@pytest.mark.parametrize("fault", _NO_ANSWERS)
def test_a_blob_is_sent_where_nobody_says_whether_it_is_there(fault: str, index: Index) -> None:
    trouble = _at(_FINAL[fault], "blob asked for", times=None)
    with InMemoryRegistry(faults=[trouble]) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        assert registry.tags(REPOSITORY) == {"1": str(index.digest)}


@pytest.mark.parametrize(
    ("request_name", "fault"),
    [
        (name, fault)
        for name in _REQUESTS
        for fault in _FINAL
        if not (name == "blob asked for" and fault in _NO_ANSWERS)
    ],
)
def test_trouble_that_stays_is_reported_and_leaves_no_tag(request_name: str, fault: str, index: Index) -> None:
    trouble = _at(_FINAL[fault], request_name, times=None)
    with InMemoryRegistry(faults=[trouble]) as registry:
        with client_of(registry.host) as client, pytest.raises(CargoshipError) as raised:
            push(client, index, "1")
        assert registry.tags(REPOSITORY) == {}
        assert registry.host in raised.value.message
        assert 50 <= raised.value.exit_code <= 55


def test_an_upload_that_arrived_unheard_is_not_sent_again(index: Index) -> None:
    faults = [Fault("PUT", "/blobs/uploads/", cut_response=0)]
    with InMemoryRegistry(faults=faults) as registry:
        with client_of(registry.host) as client:
            published = push(client, index, "1")
        puts = [call for call in registry.calls if call.method == "PUT" and "/blobs/" in call.path]
        assert len(puts) == len(list(index.blobs()))
        assert published.skipped == 1


def test_the_number_of_tries_is_bounded(index: Index) -> None:
    faults = [Fault("HEAD", "/manifests/1$", status=503, times=None)]
    with InMemoryRegistry(faults=faults) as registry:
        with client_of(registry.host) as client, pytest.raises(RegistryRefused, match="HTTP 503") as raised:
            push(client, index, "1")
        assert len(registry.calls) == 6
        assert "try again later" in (raised.value.hint or "")


def test_a_registry_that_does_not_answer_costs_a_bounded_time(index: Index) -> None:
    faults = [Fault("PUT", "/blobs/uploads/", delay_s=3.0, times=None)]
    with InMemoryRegistry(faults=faults) as registry:
        with (
            client_of(registry.host, idle_s=0.1) as client,
            pytest.raises(RegistryUnreachable, match="stopped answering"),
        ):
            push(client, index, "1")
        assert registry.tags(REPOSITORY) == {}


def test_the_whole_push_has_a_budget(index: Index) -> None:
    faults = [Fault("HEAD", "/blobs/", delay_s=0.2, times=None)]
    with (
        InMemoryRegistry(faults=faults) as registry,
        client_of(registry.host, budget=Budget(0.1)) as client,
        pytest.raises(RegistryUnreachable, match="longer than"),
    ):
        push(client, index, "1")


def test_a_wrong_digest_from_the_registry_is_refused(index: Index) -> None:
    headers = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    for path in ("/blobs/uploads/", "/manifests/sha256:"):
        faults = [Fault("PUT", path, status=201, headers=headers)]
        with InMemoryRegistry(faults=faults) as registry:
            with client_of(registry.host) as client, pytest.raises(CargoshipError, match="stored sha256:0000"):
                push(client, index, "1")
            assert registry.tags(REPOSITORY) == {}


def test_an_upload_without_an_address_is_refused(index: Index) -> None:
    faults = [Fault("POST", "/blobs/uploads/", status=202, times=None)]
    with (
        InMemoryRegistry(auth=BasicAuth("", ""), faults=faults) as registry,
        client_of(registry.host) as client,
        pytest.raises(CargoshipError),
    ):
        push(client, index, "1")
