"""Running actions at a server in this process that fails on demand."""

# ruff: noqa: ANN401 - messages have classes that are made at run time

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from cargoship.errors import CargoshipError, ContentInvalid, InputsLost, RemoteFailed
from cargoship.oci.descriptor import BytesBlob
from cargoship.reapi.actions import Action, Directory, Input, action_of
from cargoship.reapi.client import OCTETS
from cargoship.reapi.execution import Executor
from cargoship.reapi.schema import message_class
from support.reapi import Failing, FakeServer, client_at, fake_server

MADE = BytesBlob.of(OCTETS, b"made")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        running.blobs[MADE.descriptor.digest.hex] = MADE.data
        yield running


@pytest.fixture
def executor(server: FakeServer) -> Iterator[Executor]:
    made = Executor(client_at(server.address))
    yield made
    made.close()


def an_action(**files: str) -> tuple[Action, Directory]:
    root = Directory()
    for name, text in files.items():
        root.add(f"folder/{name}", Input(BytesBlob.of(OCTETS, text.encode()), is_executable=name == "run"))
    return action_of(("./run",), ("folder/out",), root, env={"A": "1"}, platform=[("os", "linux")]), root


def response(code: int = 0, *, status: int = 0, stdout: bytes = b"said") -> Any:
    made = message_class("ExecuteResponse")()
    made.result.exit_code = code
    made.result.stdout_raw = stdout
    made.result.output_files.add(
        path="folder/out",
        digest=message_class("Digest")(hash=MADE.descriptor.digest.hex, size_bytes=MADE.descriptor.size_bytes),
    )
    made.status.code = status
    made.status.message = "something"
    return made


def run(executor: Executor, **files: str) -> Any:
    return executor.run(*an_action(**files or {"run": "#!/bin/sh\n"}), timeout_s=20)


def test_an_action_is_sent_whole_and_its_outcome_is_read(server: FakeServer, executor: Executor) -> None:
    server.outcomes = [response(3)]
    outcome = run(executor, run="#!/bin/sh\n", text="a text")
    assert (outcome.code, outcome.stdout, outcome.cached) == (3, b"said", False)
    assert outcome.outputs == {"folder/out": MADE.descriptor}
    (root,) = [data for data in server.blobs.values() if b"folder" in data and b"\x12" in data and len(data) < 100][:1]
    folder = message_class("Directory").FromString(root).directories[0]
    files = message_class("Directory").FromString(server.blobs[folder.digest.hash]).files
    assert [(each.name, each.is_executable) for each in files] == [("run", True), ("text", False)]
    assert server.blobs[files[1].digest.hash] == b"a text"


def test_what_was_sent_is_not_asked_for_again(server: FakeServer, executor: Executor) -> None:
    server.outcomes = [response(), response()]
    run(executor)
    run(executor)
    assert server.asked["FindMissingBlobs"] == 1
    assert server.asked["Execute"] == 2


@pytest.mark.parametrize("lost", ["status", "call"])
def test_what_the_server_has_lost_meanwhile_is_sent_once_more(
    server: FakeServer, executor: Executor, lost: str
) -> None:
    def forgets() -> Any:
        for digest in set(server.blobs) - {MADE.descriptor.digest.hex}:
            del server.blobs[digest]
        return response(status=9) if lost == "status" else Failing(grpc.StatusCode.FAILED_PRECONDITION, "missing")

    server.outcomes = [forgets, response()]
    assert run(executor).code == 0
    assert len(server.blobs) > 3
    server.outcomes = [forgets, forgets]
    with pytest.raises(InputsLost):
        run(executor)


@pytest.mark.parametrize(
    "outcome",
    [
        Failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "full"),
        Failing(grpc.StatusCode.UNAVAILABLE, "gone"),
        response(status=4),
        response(status=13),
        None,
    ],
    ids=["full", "gone", "too-late", "worker-lost", "ends-early"],
)
def test_what_passes_is_tried_again_and_what_stays_is_an_error(
    server: FakeServer, executor: Executor, outcome: Any
) -> None:
    server.outcomes = [outcome, response()]
    assert run(executor).code == 0
    server.outcomes = [outcome] * 4
    with pytest.raises(RemoteFailed):
        run(executor, run="another")


def test_words_that_are_kept_apart_are_fetched_and_bounded(server: FakeServer, executor: Executor) -> None:
    made = response(stdout=b"")
    made.result.stderr_digest.hash = MADE.descriptor.digest.hex
    made.result.stderr_digest.size_bytes = 4
    server.outcomes = [made]
    assert run(executor).stderr == b"made"
    made.result.stderr_digest.size_bytes = 1 << 40
    server.outcomes = [made]
    with pytest.raises(ContentInvalid, match="of an action's output"):
        run(executor)


def test_what_is_known_is_taken_without_giving_work(server: FakeServer, executor: Executor) -> None:
    action, _ = an_action(run="x")
    assert executor.known(action) is None
    server.results[action.descriptor.digest.hex] = response().result
    known = executor.known(action)
    assert known is not None
    assert known.cached
    assert not {"Execute", "BatchUpdateBlobs", "FindMissingBlobs", "Write"} & set(server.asked)


def test_what_is_under_way_at_the_end_is_cancelled(server: FakeServer, executor: Executor) -> None:
    begun, over = threading.Event(), threading.Event()

    def waits() -> Any:
        begun.set()
        over.wait(20)
        return response()

    server.outcomes = [waits]
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(executor)
        except CargoshipError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    deadline = time.monotonic() + 20
    # the server has answered, and the client has heard it a moment later
    while not executor.running and time.monotonic() < deadline:
        time.sleep(0.01)
    executor.close()
    thread.join(20)
    over.set()
    assert ended
    assert len(server.cancelled) == 1
    assert server.cancelled[0].startswith("operations/")
