"""Where a server is, as people write it."""

from __future__ import annotations

import pytest

from cargoship.errors import UsageError
from cargoship.reapi.address import ReapiAddress
from cargoship.settings.cache import StoreKind, StoreSpec


@pytest.mark.parametrize(
    ("text", "place", "instance"),
    [
        ("reapi://cache.example.com:8980", "cache.example.com:8980", ""),
        ("reapi://cache.example.com:8980/", "cache.example.com:8980", ""),
        ("grpcs://Remote.BuildBuddy.IO", "remote.buildbuddy.io:443", ""),
        ("grpc://localhost:50051/main/team-a", "localhost:50051", "main/team-a"),
        ("reapi://[::1]:50051/x", "[::1]:50051", "x"),
    ],
)
def test_an_address_has_a_place_and_an_instance(text: str, place: str, instance: str) -> None:
    address = ReapiAddress.parse(text)
    assert (address.place, address.instance) == (place, instance)
    assert ReapiAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://cache.example.com:80",
        "reapi://",
        "reapi:///instance",
        "reapi://host:0",
        "reapi://host:70000",
        "grpc://localhost",
        "reapi://user:word@host:443",
        "reapi://host:443/a b",
        "reapi://host:443/a//b",
        "reapi://host:443/team/blobs",
        "reapi://ho\nst:443",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        ReapiAddress.parse(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    "text", ["reapi://me:hidden-word@h.io:9/i", "grpcs://me:hidden-word@h.io", "x://me:hidden-word@h"]
)
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ReapiAddress.parse(text)
    assert "hidden-word" not in str(caught.value)


def test_tls_is_left_out_only_for_this_machine_and_for_hosts_that_are_named() -> None:
    def secure(text: str, *insecure: str, certificates: bool = False) -> bool:
        return ReapiAddress.parse(text).is_secure(insecure, certificates=certificates)

    assert secure("reapi://cache.example.com:8980")
    assert secure("grpcs://localhost:8980")
    assert secure("reapi://localhost:8980", certificates=True)
    assert not secure("reapi://localhost:8980")
    assert not secure("grpc://127.0.0.1:8980")
    assert not secure("reapi://cache.corp:8980", "cache.corp")
    assert not secure("grpc://cache.corp:8980", "*.corp")
    with pytest.raises(UsageError, match="without TLS"):
        secure("grpc://cache.example.com:8980")


def test_a_cache_there_is_written_as_it_was_read() -> None:
    for text in (
        "reapi://cache.example.com:8980/main",
        "reapi://cache.example.com:8980?trusted=true",
        "grpcs://cache.example.com:443?trusted=true&name=shop",
        "grpc://localhost:9092/a/b?name=shop",
    ):
        spec = StoreSpec.parse(text)
        assert spec.kind is StoreKind.REAPI
        assert str(spec) == text
    for text in ("reapi://host:1?name=", "reapi://host:1?name=a b", "reapi://host:1?x=1", "dir:x?name=shop"):
        with pytest.raises(UsageError, match="unknown option"):
            StoreSpec.parse(text)
