"""What a bundle's certificate says of its owner. Nobody has verified it here: `identity` does that."""

from __future__ import annotations

import base64
from typing import Any

from cargoship.decoding import decode_json

_ISSUER = "1.3.6.1.4.1.57264.1.8"
_ISSUER_FORMER = "1.3.6.1.4.1.57264.1.1"
"""Of certificates before 2023 (sigstore/fulcio, docs/oid-info.md)."""
_LENGTH_MAX = 500
_UTF8_STRING = 0x0C
_LONG = 0x80


def claimed_identity(bundle: bytes) -> tuple[str, str] | None:
    """Who a bundle says has signed it, and the issuer whose word that is; None where it does not say."""
    try:
        said = decode_json(bundle, dict[str, Any])["verificationMaterial"]
        certificate = said.get("certificate") or said["x509CertificateChain"]["certificates"][0]
        return _owner(base64.b64decode(certificate["rawBytes"], validate=True))
    except Exception:  # noqa: BLE001 - anybody may have written it, and the library raises what its parts raise
        return None


def _owner(der: bytes) -> tuple[str, str] | None:
    from cryptography import x509  # noqa: PLC0415 - heavy

    extensions = x509.load_der_x509_certificate(der).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = (x509.UniformResourceIdentifier, x509.RFC822Name)
    found = [name for kind in kinds for name in names.get_values_for_type(kind)]
    values = {
        each.oid.dotted_string: each.value.value
        for each in extensions
        if isinstance(each.value, x509.UnrecognizedExtension)
    }
    issuer = _text(values[_ISSUER]) if _ISSUER in values else values.get(_ISSUER_FORMER, b"").decode()
    if not found or not issuer or max(len(found[0]), len(issuer)) > _LENGTH_MAX:
        return None
    return found[0], issuer


def _text(der: bytes) -> str:
    """A UTF8String's text (X.690, 8.1.3): its length has one byte, or says of how many it is."""
    if der[0] != _UTF8_STRING:
        return ""
    more = der[1] - _LONG if der[1] & _LONG else 0
    size = int.from_bytes(der[2 : 2 + more], "big") if more else der[1]
    return der[2 + more : 2 + more + size].decode()
