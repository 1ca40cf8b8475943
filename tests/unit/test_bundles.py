"""Bundles of Sigstore's, as other tools may write them."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cargoship.errors import ContentInvalid
from cargoship.signing.bundle import key_bundle, read_bundle
from cargoship.signing.keys import PrivateKey


def test_what_is_null_is_as_if_it_were_not_there() -> None:
    """ProtoJSON takes null for the default of any field."""
    made = json.loads(key_bundle(b"{}", PrivateKey(ec.generate_private_key(ec.SECP256R1()))))
    assert read_bundle(json.dumps(made).encode()).hint
    made["verificationMaterial"]["publicKey"]["hint"] = None
    assert read_bundle(json.dumps(made).encode()).hint == ""
    made["verificationMaterial"]["publicKey"] = None
    assert read_bundle(json.dumps(made).encode()).hint == ""
    made["verificationMaterial"]["certificate"] = None
    assert not read_bundle(json.dumps(made).encode()).has_certificate
    made["dsseEnvelope"] = None
    with pytest.raises(ContentInvalid, match="envelope"):
        read_bundle(json.dumps(made).encode())
