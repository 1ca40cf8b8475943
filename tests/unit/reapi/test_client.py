"""The client against a server that fails in every way that one can."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from cargoship.errors import ContentInvalid, RemoteFailed, Stopped
from cargoship.oci.descriptor import BytesBlob, Descriptor, FileBlob
from cargoship.reapi.client import OCTETS
from cargoship.reapi.schema import message_class
from support.reapi import Failing, FakeServer, client_at, fake_server
from support.units import noise

Codes = grpc.StatusCode


def blob(name: str, size: int = 1000) -> BytesBlob:
    return BytesBlob.of(OCTETS, noise(name, size))


def failing_until(method: str, times: int, code: grpc.StatusCode) -> Callable[[str, int], None]:
    def fault(asked: str, count: int) -> None:
        if asked == method and count <= times:
            raise Failing(code, "not now")

    return fault


def test_what_is_sent_is_read_again_and_sent_once() -> None:
    blobs = [blob("small"), blob("empty", 0), blob("middle", 900_000), blob("large", 5_000_000)]
    with fake_server() as server:
        client = client_at(f"{server.address}/main/team")
        assert client.upload(blobs) == blobs
        assert client.upload(blobs) == []
        for each in blobs:
            assert client.read(each.descriptor) == each.data
        assert client.read_range(blobs[3].descriptor, 4_000_001, 77) == blobs[3].data[4_000_001:4_000_078]
        assert client.read(blob("never").descriptor) is None
        client.close()
    assert server.asked["Write"] == 1
    tool = message_class("RequestMetadata").FromString(
        server.metadata[-1]["build.bazel.remote.execution.v2.requestmetadata-bin"]
    )
    assert tool.tool_details.tool_name == "cargoship"


def test_batches_keep_to_what_the_server_takes() -> None:
    blobs = [blob(f"{number}", 30_000) for number in range(40)]
    with fake_server(FakeServer(limit=200_000)) as server:
        client = client_at(server.address)
        assert len(client.upload(blobs)) == 40
        client.close()
    assert len(server.blobs) == 40
    assert server.asked["BatchUpdateBlobs"] > 5


@pytest.mark.parametrize("code", [Codes.UNAVAILABLE, Codes.RESOURCE_EXHAUSTED, Codes.ABORTED, Codes.INTERNAL])
@pytest.mark.parametrize(
    "method", ["FindMissingBlobs", "BatchUpdateBlobs", "Write, later", "Read, later", "Read", "GetCapabilities"]
)
def test_what_passes_is_tried_again(method: str, code: grpc.StatusCode) -> None:
    blobs = [blob("small"), blob("large", 3_000_000)]
    with fake_server(FakeServer(fault=failing_until(method, 1, code))) as server:
        client = client_at(server.address)
        client.upload(blobs)
        assert [client.read(each.descriptor) for each in blobs] == [each.data for each in blobs]
        client.close()


def test_what_does_not_pass_is_one_line() -> None:
    for code in (Codes.UNAVAILABLE, Codes.PERMISSION_DENIED, Codes.UNIMPLEMENTED, Codes.FAILED_PRECONDITION):
        with fake_server(FakeServer(fault=failing_until("FindMissingBlobs", 100, code))) as server:
            client = client_at(server.address)
            with pytest.raises(RemoteFailed) as raised:
                client.missing([blob("x").descriptor])
            client.close()
        assert server.address in raised.value.message
        assert "\n" not in raised.value.message


def test_single_blobs_of_a_batch_are_tried_again_alone() -> None:
    blobs = [blob(name) for name in ("a", "b", "c")]
    one = blobs[1].descriptor.digest.hex
    with fake_server(FakeServer(statuses={one: [8, 14]})) as server:
        client = client_at(server.address)
        client.upload(blobs)
        client.close()
    assert server.asked["BatchUpdateBlobs"] == 3
    assert len(server.blobs) == 3
    with fake_server(FakeServer(statuses={one: [3]})) as server:
        client = client_at(server.address)
        with pytest.raises(RemoteFailed, match="not now"):
            client.upload(blobs)
        client.close()


def test_a_server_says_how_long_to_wait() -> None:
    delay = message_class("RetryInfo")()
    delay.retry_delay.seconds = 7
    status = message_class("Status")(code=8)
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=delay.SerializeToString())
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)

    def fault(method: str, count: int) -> None:
        if method == "FindMissingBlobs" and count == 1:
            raise Failing(Codes.RESOURCE_EXHAUSTED, "slow down", trailers)

    waited: list[float] = []
    with fake_server(FakeServer(fault=fault)) as server:
        client = client_at(server.address)
        client.channel.budget.sleep = waited.append  # type: ignore[method-assign, assignment]
        client.missing([blob("x").descriptor])
        client.close()
    assert waited == [7.0]


def test_other_bytes_than_promised_are_refused() -> None:
    wanted = blob("x", 70_000)

    def other(data: bytes) -> bytes:
        return b"\0" + data[1:]

    for lie in (other, lambda data: data + b"more", lambda data: data[:-1]):
        server = FakeServer(blobs={wanted.descriptor.digest.hex: wanted.data}, lies=lie)
        with fake_server(server):
            client = client_at(server.address)
            with pytest.raises(ContentInvalid):
                client.read(wanted.descriptor)
            client.close()


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_a_file_that_is_gone_is_said_to_be(tmp_path: Path, size: int) -> None:
    gone = FileBlob(blob("gone", size).descriptor, tmp_path / "gone")
    with fake_server() as server:
        client = client_at(server.address)
        with pytest.raises(FileNotFoundError):
            client.upload([gone])
        client.close()


def test_results_of_actions_are_kept_by_digest() -> None:
    action, output = blob("action").descriptor, blob("output")
    with fake_server() as server:
        client = client_at(server.address)
        assert client.result(action) is None
        client.upload([output])
        client.put_result(action, {"file": output.descriptor})
        assert client.result(action) == {"file": output.descriptor}
        server.results[action.digest.hex].output_files[0].digest.hash = "../../etc"
        with pytest.raises(ContentInvalid):
            client.result(action)
        client.close()
    with fake_server(FakeServer(updates=False)) as server:
        client = client_at(server.address)
        with pytest.raises(RemoteFailed, match="lets nobody write"):
            client.put_result(action, {})
        client.close()


def test_a_server_that_names_content_otherwise_is_left_alone() -> None:
    with fake_server(FakeServer(digest_functions=(2, 9))) as server:
        client = client_at(server.address)
        with pytest.raises(RemoteFailed, match="SHA-256"):
            client.missing([blob("x").descriptor])
        client.close()


def test_nobody_there_is_said_soon() -> None:
    client = client_at("reapi://127.0.0.1:9")
    with pytest.raises(RemoteFailed, match="does not answer"):
        client.capabilities()
    client.close()


def test_refused_headers_are_asked_for_anew(tmp_path: Path) -> None:
    helper = tmp_path / "helper"
    helper.write_text(
        f'#!/bin/sh\necho x >>"{tmp_path}/asked"\n'
        f'echo "{{\\"headers\\": {{\\"x-key\\": [\\"$(wc -l <"{tmp_path}/asked" | tr -d " ")\\"]}}}}"\n'
    )
    helper.chmod(0o755)
    server = FakeServer()

    def fault(method: str, count: int) -> None:  # noqa: ARG001 - what a fault is given
        if server.metadata[-1]["x-key"] != "2":
            raise Failing(Codes.UNAUTHENTICATED, "expired")

    server.fault = fault
    with fake_server(server):
        client = client_at(server.address, {"CARGOSHIP_REMOTE_CREDENTIAL_HELPER": str(helper)})
        client.capabilities()
        server.fault = failing_until("FindMissingBlobs", 9, Codes.UNAUTHENTICATED)
        with pytest.raises(RemoteFailed, match="refuses") as raised:
            client.missing([blob("x").descriptor])
        assert "CARGOSHIP_REMOTE_HEADERS" in (raised.value.hint or "")
        client.close()


def test_a_stop_ends_what_is_under_way() -> None:
    reached = threading.Event()
    go_on = threading.Event()

    def fault(method: str, count: int) -> None:  # noqa: ARG001
        if method == "FindMissingBlobs":
            reached.set()
            go_on.wait(30)

    with fake_server(FakeServer(fault=fault)) as server:
        client = client_at(server.address)
        failed: list[BaseException] = []

        def ask() -> None:
            try:
                client.missing([blob("x").descriptor])
            except BaseException as error:  # noqa: BLE001 - what it was is looked at
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert reached.wait(30)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
        go_on.set()
    assert isinstance(failed[0], Stopped)


def test_certificates_come_from_the_folders_of_registries(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, own = authority.issue_cert("127.0.0.1"), authority.issue_cert("someone@example.com")
    tls = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    with fake_server(tls=tls) as server:
        address = server.address.replace("reapi", "grpcs")
        folder = tmp_path / f"127.0.0.1:{server.port}"
        folder.mkdir()
        (folder / "ca.crt").write_bytes(authority.cert_pem.bytes())
        (folder / "me.cert").write_bytes(own.cert_chain_pems[0].bytes())
        (folder / "me.key").write_bytes(own.private_key_pem.bytes())
        client = client_at(address, {"CARGOSHIP_CERTS_DIR": str(tmp_path)})
        assert client.missing([blob("x").descriptor]) == {blob("x").descriptor.digest}
        client.close()
        # nobody vouches for it, and it wants to know who asks
        (folder / "me.key").unlink()
        for env in ({}, {"CARGOSHIP_CERTS_DIR": str(tmp_path)}):
            client = client_at(address, env)
            with pytest.raises(RemoteFailed, match="does not answer"):
                client.capabilities()
            client.close()
        client = client_at(address, {"SSL_CERT_FILE": str(tmp_path / "none")})
        with pytest.raises(RemoteFailed, match="cannot read certificates"):
            client.capabilities()
        client.close()


def test_a_digest_that_nobody_has_is_missing() -> None:
    unknown = Descriptor(OCTETS, blob("x").descriptor.digest, 1000)
    with fake_server() as server:
        client = client_at(server.address)
        assert client.missing([unknown, unknown]) == {unknown.digest}
        client.close()
