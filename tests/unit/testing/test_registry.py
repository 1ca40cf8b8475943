"""What the in-memory registry does beyond the suite that it shares with a real one."""

from __future__ import annotations

import json
import ssl

import pytest
import trustme

from cargoship.http.exchange import ConnectionBroken, Request, read_all
from cargoship.http.transport import HttpTransport
from cargoship.testing import Call, Fault, InMemoryRegistry, TokenAuth
from cargoship.testing.content_api import ContentApi


def _ask(
    registry: InMemoryRegistry, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    request = Request(
        method,
        registry.url + path,
        {name.replace("_", "-"): value for name, value in headers.items()},
        None if body is None else lambda: (body,),
        len(body or b""),
    )
    transport = HttpTransport(env={})
    try:
        with transport.send(request) as response:
            return response.status, read_all(response, limit_bytes=1 << 20, what="answer")
    finally:
        transport.close()


def test_pages_of_tags_follow_each_other() -> None:
    contents = ContentApi()
    for tag in ("c", "a", "b"):
        contents.answer(Call("PUT", f"/v2/r/manifests/{tag}", body=b"{}"))
    first = contents.answer(Call("GET", "/v2/r/tags/list", {"n": "2"}))
    assert json.loads(first.body)["tags"] == ["a", "b"]
    assert first.headers["Link"] == '</v2/r/tags/list?n=2&last=b>; rel="next"'
    rest = contents.answer(Call("GET", "/v2/r/tags/list", {"n": "2", "last": "b"}))
    assert json.loads(rest.body)["tags"] == ["c"]
    assert "Link" not in rest.headers


def test_a_piece_out_of_order_is_refused() -> None:
    contents = ContentApi()
    location = contents.answer(Call("POST", "/v2/r/blobs/uploads/")).headers["Location"].partition("?")[0]
    assert contents.answer(Call("PATCH", location, headers={"content-range": "0-1"}, body=b"ab")).status == 202
    assert contents.answer(Call("PATCH", location, headers={"content-range": "5-6"}, body=b"cd")).status == 416


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/", 200), ("GET", "/", 404), ("PATCH", "/v2/r/tags/list", 405), ("GET", "/v2/UP/tags/list", 404)],
)
def test_other_requests_are_answered_too(method: str, path: str, status: int) -> None:
    assert ContentApi().answer(Call(method, path)).status == status


def test_calls_are_recorded() -> None:
    with InMemoryRegistry() as registry:
        _ask(registry, "PUT", "/v2/r/manifests/1?x=a&x=b", b"{}", Content_Type="t")
    (call,) = registry.calls
    assert (call.method, call.path, call.query, call.body, call.status) == (
        "PUT", "/v2/r/manifests/1", {"x": "a b"}, b"{}", 201,
    )  # fmt: skip
    assert call.headers["content-type"] == "t"


def test_a_fault_strikes_where_and_as_often_as_it_says() -> None:
    fault = Fault("GET", "/v2/$", status=418, headers={"X": "y"}, body=b"teapot", skip=1, times=2)
    with InMemoryRegistry(faults=[fault]) as registry:
        statuses = [_ask(registry, "GET", "/v2/")[0] for _ in range(5)]
        assert _ask(registry, "GET", "/v2/other")[0] == 404
    assert statuses == [200, 418, 418, 200, 200]
    assert fault.hits == 2


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Fault("PUT", "", cut_request=1), False),
        (Fault("PUT", "", cut_response=0), True),
    ],
)
def test_a_cut_is_before_or_after_the_work(fault: Fault, *, done: bool) -> None:
    with InMemoryRegistry(faults=[fault]) as registry:
        with pytest.raises(ConnectionBroken):
            _ask(registry, "PUT", "/v2/r/manifests/1", b"{}")
        assert bool(registry.tags("r")) is done
        assert registry.calls[0].status == 0


def test_content_is_cut_and_corrupted() -> None:
    with InMemoryRegistry(faults=[Fault("GET", "", corrupt=True), Fault("GET", "", cut_response=1)]) as registry:
        assert _ask(registry, "GET", "/v2/") == (200, b"{|")
        with pytest.raises(ConnectionBroken):
            _ask(registry, "GET", "/v2/")
        assert _ask(registry, "GET", "/v2/") == (200, b"{}")


def test_a_chunked_body_is_read() -> None:
    with InMemoryRegistry() as registry:
        host, _, port = registry.host.partition(":")
        import socket  # noqa: PLC0415 - the one test that speaks by hand

        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"PUT /v2/r/manifests/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"
            )
            assert connection.makefile("rb").readline() == b"HTTP/1.1 201 Created\r\n"
    assert registry.calls[0].body == b"{}"


def test_tokens_allow_what_was_asked_for() -> None:
    auth = TokenAuth("u", "p", anonymous=frozenset({"pull"}), lifetime_s=None)
    with InMemoryRegistry(auth=auth) as registry:
        assert _ask(registry, "GET", "/v2/r/tags/list")[0] == 401
        status, body = _ask(registry, "GET", "/token?scope=repository:r:pull,push&scope=repository:s:pull")
        document = json.loads(body)
        token = document["token"]
        assert (status, set(document)) == (200, {"token"})
        assert auth.issued[token] == {("r", "pull"), ("s", "pull")}
        assert _ask(registry, "GET", "/v2/r/tags/list", Authorization=f"Bearer {token}")[0] == 404
        assert _ask(registry, "POST", "/v2/r/blobs/uploads/", b"", Authorization=f"Bearer {token}")[0] == 401


def test_it_speaks_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with InMemoryRegistry(tls=context) as registry, authority.cert_pem.tempfile() as trusted:
        transport = HttpTransport(env={"SSL_CERT_FILE": trusted})
        with transport.send(Request("GET", f"{registry.url}/v2/")) as response:
            assert response.status == 200
        transport.close()
        with pytest.raises(ConnectionBroken, match="certificate is not trusted"):
            _ask(registry, "GET", "/v2/")
        with pytest.raises(ConnectionBroken, match="SSL_CERT_FILE"):
            HttpTransport(env={"SSL_CERT_FILE": trusted + ".none"}).send(Request("GET", f"{registry.url}/v2/"))


def test_a_server_that_is_not_started_has_no_host() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = InMemoryRegistry().host
