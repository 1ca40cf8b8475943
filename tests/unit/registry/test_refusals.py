# ruff: noqa: E501 - the cases are one line each
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.errors import CargoshipError, Forbidden, RegistryRefused, Unauthorized
from cargoship.registry.refusals import Refusal, refused, warnings


def _body(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": {"x": 1}}]}).encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (_body("DENIED", "requested access is denied"), "DENIED: requested access is denied (HTTP 400)"),
        (
            (
                b'{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid",'
                b'"detail":"Repository does not allow updating assets: docker"}]}'
            ),
            "BLOB_UPLOAD_INVALID: blob upload invalid: Repository does not allow updating assets: docker (HTTP 400)",
        ),
        (
            (
                b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid",'
                b'"detail":{"message":"manifest schema version not supported"}}]}'
            ),
            "MANIFEST_INVALID: manifest invalid: manifest schema version not supported (HTTP 400)",
        ),
        (b'{"errors":[{"code":"X","message":"no such tag","detail":"No such tag"}]}', "X: no such tag (HTTP 400)"),
        (
            b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"description":"HTTP 403 Forbidden"}}]}',
            "MANIFEST_INVALID: manifest invalid: HTTP 403 Forbidden (HTTP 400)",
        ),
        (
            b'{"errors":[{"code":"X","message":"m","detail":{"description":"%s"}}]}'
            % (b"During upload, manifests " * 9),
            "X: m (HTTP 400)",
        ),
        (b'{"errors":[{"code":"X","detail":{"reason":["a"],"error":"b"}}]}', "X: b (HTTP 400)"),
        (b'{"errors":[{"code":"UNKNOWN"}]}', "UNKNOWN (HTTP 400)"),
        (b'{"error":"invalid_grant","error_description":"expired"}', "invalid_grant: expired (HTTP 400)"),
        (b'{"details":"incorrect username or password"}', "incorrect username or password (HTTP 400)"),
        (b"404 page not found\n", "404 page not found (HTTP 400)"),
        (b"<html>nginx</html>", "HTTP 400"),
        (b"", "HTTP 400"),
        (b"[]", "HTTP 400"),
        (b'{"errors":[3]}', "HTTP 400"),
        (b'{"errors":[{"code":"X","message":"a\\u001b[31m\\nb"}]}', "X: a[31m b (HTTP 400)"),
    ],
)
def test_the_registrys_own_words_are_reported(body: bytes, text: str) -> None:
    assert str(Refusal.parse(400, body)) == text


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "this repository is deprecated"', ("this repository is deprecated",)),
        ('299 - "say \\"no\\"", 299 - "a\u001b[31m"', ('say "no"', "a[31m")),
        ('199 - "not for people", 299 proxy "nor this"', ()),
        ("299 - nothing", ()),
        ("", ()),
    ],
)
def test_warnings_are_those_of_the_specification(header: str, texts: tuple[str, ...]) -> None:
    assert warnings(header) == texts


@given(st.text())
def test_any_warning_is_read_without_an_error(header: str) -> None:
    assert all(text.isprintable() for text in warnings(header))


@given(st.binary())
def test_any_body_is_read_without_an_error(body: bytes) -> None:
    assert str(Refusal.parse(500, body)).isprintable()


@pytest.mark.parametrize(
    ("refusal", "kind", "hint"),
    [
        (Refusal(401), Unauthorized, "does not accept the credentials from a file"),
        (Refusal(403, "DENIED"), Forbidden, "may not do this"),
        (Refusal(404, "NAME_UNKNOWN"), RegistryRefused, "created before the first push"),
        (Refusal(400, "TAG_INVALID", "The tag is immutable"), RegistryRefused, "push under another one"),
        (Refusal(403, "DENIED", "storage quota exceeded"), RegistryRefused, "storage is used up"),
        (Refusal(403, "DENIED", "adding 9 B of storage resource will exceed the configured upper limit of 5 B."), RegistryRefused, "storage is used up"),
        (Refusal(403, "DENIED", "can not push artifact to a proxy project: hub"), RegistryRefused, "cache of another registry"),
        (Refusal(405, "METHOD_NOT_ALLOWED", "can not push artifact to a proxy project: hub"), RegistryRefused, "cache of another registry"),
        (Refusal(400, "MANIFEST_INVALID", "cannot update tag v3. The repository has enabled tag immutability"), RegistryRefused, "push under another one"),
        (Refusal(403, "DENIED", "manifest unknown"), Forbidden, "may not do this"),
        (Refusal(405, "UNKNOWN", "The operation is disallowed."), RegistryRefused, "locked there"),
        (Refusal(400, "BLOB_UPLOAD_INVALID", "blob upload invalid: Repository does not allow updating assets: d"), RegistryRefused, "push under another one"),
        (Refusal(403, "DENIED", "User x is not permitted to deploy: Not enough permissions to delete/overwrite artifact"), RegistryRefused, "push under another one"),
        (Refusal(400, "MANIFEST_INVALID", 'changing manifest media-type from "a" to "b" is disallowed'), RegistryRefused, "another kind"),
        (Refusal(400, "MANIFEST_INVALID", "manifest invalid: HTTP 403 Forbidden"), RegistryRefused, "may not overwrite it"),
        (Refusal(415, "MANIFEST_INVALID"), RegistryRefused, "OCI alone"),
        (Refusal(413), RegistryRefused, "larger than the registry"),
        (Refusal(429, "TOOMANYREQUESTS"), RegistryRefused, "rate limit"),
        (Refusal(502), RegistryRefused, "try again later"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_to_do(refusal: Refusal, kind: type[CargoshipError], hint: str) -> None:
    error = refused(refusal, registry="r.example", asked="the push of a:1", credentials="a file")
    assert type(error) is kind
    assert "r.example" in error.message
    assert "the push of a:1" in error.message
    assert hint in (error.hint or "")


def test_without_credentials_it_says_how_to_get_some() -> None:
    error = refused(Refusal(401), registry="r.example", asked="x", credentials=None)
    assert "docker login r.example" in (error.hint or "")
