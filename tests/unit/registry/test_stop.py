"""A push that is stopped ends at once and leaves no tag."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from cargoship.errors import RegistryRefused
from cargoship.events import BlobPushed, Event
from cargoship.http.budget import Budget
from cargoship.http.parallel import each
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import Fault, InMemoryRegistry
from support.pushing import REPOSITORY, client_of, push

_PUSHER = """
import sys, pathlib
sys.path[:0] = {path!r}
from cargoship.http.budget import Budget
from support.images import small_index
from support.pushing import client_of, push
index = small_index(pathlib.Path({blobs!r}))
client = client_of({host!r}, idle_s=60.0, budget=Budget(300.0))
print("ready", flush=True)
push(client, index, "1")
"""


_BLOBS = 5


@pytest.mark.thorough
@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "/blobs/uploads/", status=418, delay_s=30.0, times=None),
        Fault("HEAD", "/manifests/1", status=418, delay_s=30.0, times=None),
        Fault("PUT", "/manifests/1", status=418, delay_s=30.0, times=None),
        Fault("POST", "/blobs/uploads/", status=503, headers={"Retry-After": "60"}, times=None),
    ],
    ids=["uploading", "asking", "tagging", "waiting"],
)
def test_an_interrupt_ends_a_push(fault: Fault, tmp_path: Path) -> None:
    with InMemoryRegistry(faults=[fault]) as registry:
        program = _PUSHER.format(path=sys.path, blobs=str(tmp_path), host=registry.host)
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 20.0
            while not fault.hits and time.monotonic() < deadline:
                time.sleep(0.01)
            assert process.poll() is None, "it has not been given up"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
        calls = list(registry.calls)
        assert fault.hits, errors.decode()
        assert process.returncode != 0
        assert 418 not in {call.status for call in calls}, "the answer has not been waited for"
        assert len([call for call in calls if call.method == "POST"]) <= _BLOBS, "no second attempt has been waited for"
        assert registry.tags(REPOSITORY) == {}


def test_a_failure_stops_the_other_uploads(index: Index) -> None:
    layers = [layer.descriptor.digest for image in index.children for layer in image.layers]
    faults = [
        Fault("POST", "", status=400, times=None),
        Fault("HEAD", f"/blobs/(?!{layers[0]})", status=503, headers={"Retry-After": "60"}, times=None),
    ]
    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host, budget=Budget(300.0)) as client:
        with pytest.raises(RegistryRefused, match="HTTP 400"):
            push(client, index, "1")
        assert max(Counter(call.path for call in registry.calls if call.method == "HEAD").values()) == 1
        # and the client serves on
        registry.faults.clear()
        push(client, index, "1")
        assert registry.tags(REPOSITORY)


def test_an_observer_that_fails_stops_the_other_uploads(index: Index) -> None:
    faults = [Fault("HEAD", "/blobs/", status=503, headers={"Retry-After": "60"}, skip=1, times=None)]

    def emit(event: Event) -> None:
        assert not isinstance(event, BlobPushed), "the terminal is gone"

    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host, budget=Budget(300.0)) as client:
        reference = Reference(registry.host, REPOSITORY)
        with pytest.raises(AssertionError, match="terminal"):
            push_index(client, index, reference=reference, tags=["1"], options=PushOptions(emit))
        assert max(Counter(call.path for call in registry.calls if call.method == "HEAD").values()) == 1
        assert registry.tags(REPOSITORY) == {}
        client.budget.check()


def test_results_come_as_they_are_done_and_errors_at_once() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(10.0)
        return item

    results = each(work, [0, 1, 2], jobs=2, budget=Budget(10.0))
    assert [next(results), next(results)] == [1, 2]
    gate.set()
    assert list(results) == [0]
    assert list(each(work, [], jobs=2, budget=Budget(10.0))) == []
    with pytest.raises(ZeroDivisionError):
        list(each(lambda item: 1 // item, [0, 1], jobs=2, budget=Budget(10.0)))


def test_no_more_threads_than_jobs() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
        return item

    assert sorted(each(work, range(20), jobs=3, budget=Budget(10.0))) == list(range(20))
    assert most <= 3
