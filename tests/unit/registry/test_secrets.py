"""No secret is ever in a message, an event, a log or a representation, not even when a server echoes it."""

from __future__ import annotations

import base64
import logging
import traceback
from dataclasses import replace

import pytest

from cargoship.errors import CargoshipError
from cargoship.http.exchange import Request
from cargoship.oci.index import Index
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Credential, IdentityToken, Login, RegistryToken
from cargoship.registry.http_client import NamedRequest
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry, TokenAuth
from support.pushing import REPOSITORY, Emitted, client_of, push

_SECRET = "s3cr3t-word"
_BASIC = base64.b64encode(f"u:{_SECRET}".encode()).decode()


def _auth() -> TokenAuth:
    return TokenAuth("u", _SECRET, identity_tokens=frozenset({_SECRET}))


@pytest.mark.parametrize(
    ("auth", "credential"),
    [
        (BasicAuth("u", _SECRET), Login("u", _SECRET)),
        (BasicAuth("u", "other"), Login("u", _SECRET)),
        (_auth(), Login("u", _SECRET)),
        (_auth(), IdentityToken(_SECRET)),
        (_auth(), RegistryToken(_SECRET)),
        (TokenAuth("u", "other"), Login("u", _SECRET)),
        (TokenAuth("u", "other"), IdentityToken(_SECRET)),
    ],
)
@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault("POST", "/uploads/", status=400, body=f'{{"errors":[{{"code":"X","message":"{_SECRET}"}}]}}'.encode()),
        Fault("POST", "/uploads/", status=403, body=f"you sent Basic {_BASIC}".encode()),
        Fault("POST|GET", "/token", status=401, body=f'{{"details":"{_SECRET} {_BASIC}"}}'.encode()),
        Fault("POST|GET", "/token", status=400, body=f'{{"error":"{_SECRET}"}}'.encode()),
        Fault("PUT", "/uploads/", cut_request=1, times=None),
        Fault("HEAD", "", status=307, headers={"Location": "http://localhost:1/?sig=" + _SECRET}, times=None),
    ],
)
def test_no_secret_is_reported(
    auth: BasicAuth | TokenAuth,
    credential: Credential,
    fault: Fault | None,
    index: Index,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    reported = Emitted()
    texts: list[str] = []
    with InMemoryRegistry(auth=auth, faults=[replace(fault)] if fault else []) as registry:
        credentials = FixedCredentials(registry.host, credential)
        with client_of(registry.host, credentials=credentials, reported=reported) as client:
            try:
                push(client, index, "1", reported=reported)
            except CargoshipError as error:
                texts += [error.message, error.hint or "", error.details or "", repr(error)]
                texts += [line for line in traceback.format_exception(error) if "push(" not in line]
            texts += [repr(client), repr(credentials)]
    # httpcore2's own debugging log has answers' headers in it, and so the addresses that they name
    texts += [repr(reported.events), repr(auth), caplog.text.replace("?sig=" + _SECRET, "")]
    tokens = list(auth.issued) if isinstance(auth, TokenAuth) else []
    # what was not sent cannot be known when it comes back
    sent = [_BASIC] if isinstance(credential, Login) else []
    for secret in (_SECRET, *sent, *tokens):
        assert not [text for text in texts if secret in text]


def test_a_token_that_is_echoed_is_not_reported(index: Index) -> None:
    auth = _auth()
    with InMemoryRegistry(auth=auth) as registry:
        credentials = FixedCredentials(registry.host, Login("u", _SECRET))
        with client_of(registry.host, credentials=credentials) as client:
            client.find_manifest(REPOSITORY, "1")
            (token,) = auth.issued
            registry.faults.append(Fault("HEAD|POST", "", status=400, body=f"bad token {token}".encode(), times=None))
            with pytest.raises(CargoshipError) as raised:
                client.upload(REPOSITORY, index.children[0].config_blob)
    assert token not in raised.value.message


def test_a_registrys_warnings_are_reported_once_and_without_secrets(index: Index) -> None:
    reported = Emitted()
    header = {"Warning": f'299 - "move to v2", 299 - "you are {_SECRET}"'}
    auth = BasicAuth("u", _SECRET)
    with InMemoryRegistry(auth=auth) as registry:
        credentials = FixedCredentials(registry.host, Login("u", _SECRET))
        registry.faults += [Fault("HEAD", "/manifests/", status=404, headers=header, skip=1, times=2)]
        with client_of(registry.host, credentials=credentials, reported=reported) as client:
            push(client, index, "1", "2")
            assert reported.notes[-2:] == [f"{registry.host} warns: move to v2", f"{registry.host} warns: you are ***"]


def test_a_request_does_not_show_where_signatures_live() -> None:
    headers = {"Authorization": _SECRET}
    assert _SECRET not in repr(Request("GET", f"https://h/?sig={_SECRET}", headers))
    assert _SECRET not in repr(NamedRequest("GET", f"https://h/?sig={_SECRET}", "a blob", headers))


@pytest.mark.parametrize(
    ("password", "words", "reported"),
    [
        ("a", "a bad password: a", "its words are not shown, for they may have a secret in them"),
        ("a", "unauthorized", "unauthorized"),
        ("ab", "the password is 'ab'", "its words are not shown, for they may have a secret in them"),
        ("abcd", "the password is abcd", "the password is ***"),
    ],
)
def test_a_short_password_is_not_starred_out_of_words(password: str, words: str, reported: str) -> None:
    body = f'{{"errors":[{{"code":"DENIED","message":"{words}"}}]}}'.encode()
    faults = [Fault("GET", "/manifests/", status=400, body=body, skip=1, times=None)]
    with InMemoryRegistry(auth=BasicAuth("u", password), faults=faults) as registry:
        credentials = FixedCredentials(registry.host, Login("u", password))
        with client_of(registry.host, credentials=credentials) as client, pytest.raises(CargoshipError) as raised:
            client.manifest(REPOSITORY, "1")
    assert raised.value.message.endswith(f"DENIED: {reported} (HTTP 400)")
