"""Sigstore's services on the loopback: an issuer of job identities, Fulcio, its certificate log, and Rekor.

They do what the real ones do as far as a client can see: Fulcio verifies the token and the key in the request, and
gives a certificate of ten minutes that a certificate log has seen; Rekor notes an envelope in a Merkle tree, with a
proof, a signed checkpoint and a signed time. Specifications: Fulcio's docs/oid-info.md and
certificate-specification.md, Rekor's openapi.yaml, RFC 6962 for both logs, GitHub's "OpenID Connect reference".
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from support.serving import serving

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
REQUEST_TOKEN = "a-token-of-this-job-alone"
_SCTS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER, _ISSUER_V2 = (ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}") for number in (1, 8))
_MINUTES = 10
_RSA_BITS = 2048
_ENTRY_OF_PRECERTIFICATE = 1
_P256 = ec.SECP256R1


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _utf8_string(text: str) -> bytes:
    data = text.encode()
    return bytes((0x0C, len(data))) + data


@dataclass
class SigstoreServices:
    """Where the services are, and what tests ask of them."""

    url: str = ""
    job: str = "https://github.com/me/app/.github/workflows/image.yml@refs/heads/main"
    """What GitHub says of the job that asks for a token."""
    entries: list[bytes] = field(default_factory=list)
    """What Rekor has noted."""
    certified: list[str] = field(default_factory=list)
    """Whom Fulcio has given certificates."""
    refuses: str = ""
    """`fulcio` or `rekor`: answers with an error."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._authority, self._ct, self._rekor = (ec.generate_private_key(_P256()) for _ in range(3))
        self._jobs = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test")])
        self._begin = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=1)
        self._root = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._authority.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begin)
            .not_valid_after(self._begin + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key()), critical=False)
            .sign(self._authority, hashes.SHA256())
        )

    def token(self, subject: str, issuer: str, *, audience: str = "sigstore", lifetime_s: int = 600) -> str:
        """The identity of a job, as an issuer signs it."""
        now = int(time.time())
        claims = {"iss": issuer, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + lifetime_s}
        if issuer == GITHUB:
            workflow = subject.removeprefix("https://github.com/")
            claims |= {"sub": "repo:me/app:ref:refs/heads/main", "job_workflow_ref": workflow}
        return jwt.encode(claims, self._jobs, algorithm="RS256")

    def on_github(self) -> dict[str, str]:
        """What a job on GitHub sees that may have an identity."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/github/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
        }

    def trust_config(self, folder: Path) -> Path:
        """A file with these services and the roots of trust, as organisations with services of their own give it."""
        valid = {"start": self._begin.isoformat().replace("+00:00", "Z")}

        def log(key: ec.EllipticCurvePrivateKey, path: str) -> dict[str, Any]:
            der = _der(key.public_key())
            return {
                "baseUrl": f"{self.url}{path}",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": _b64(der), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
                "logId": {"keyId": _b64(hashlib.sha256(der).digest())},
            }

        def service(url: str) -> dict[str, Any]:
            return {"url": url, "majorApiVersion": 1, "validFor": valid, "operator": "sigstore.test"}

        chain = [{"rawBytes": _b64(self._root.public_bytes(Encoding.DER))}]
        authority = {
            "subject": {"organization": "sigstore.test", "commonName": "root"},
            "uri": self.url,
            "certChain": {"certificates": chain},
            "validFor": valid,
        }
        config = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self._rekor, "")],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self._ct, "/ct")],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service(self.url)],
                "oidcUrls": [service(f"{self.url}/github")],
                "rekorTlogUrls": [service(self.url)],
                "rekorTlogConfig": {"selector": "ANY"},
            },
        }
        path = folder / "trust-config.json"
        path.write_text(json.dumps(config))
        return path

    def certificate(self, request: bytes, token: str) -> list[str]:
        """What Fulcio gives for a token and a key; raises jwt.InvalidTokenError, ValueError."""
        claims = jwt.decode(token, self._jobs.public_key(), algorithms=["RS256"], audience="sigstore")
        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise ValueError("the request is not signed by its key")
        workflow = claims.get("job_workflow_ref")
        name = f"https://github.com/{workflow}" if workflow else claims["sub"]
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(seconds=1))
            .not_valid_after(now + dt.timedelta(minutes=_MINUTES))
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key()), critical=False
            )
            .add_extension(x509.UnrecognizedExtension(_ISSUER, claims["iss"].encode()), critical=False)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_V2, _utf8_string(claims["iss"])), critical=False)
        )
        # what the log signs is the certificate without the log's word
        seen = builder.add_extension(x509.UnrecognizedExtension(_SCTS, self._scts(b"", now)), critical=False)
        precertificate = seen.sign(self._authority, hashes.SHA256()).tbs_precertificate_bytes
        whole = builder.add_extension(
            x509.UnrecognizedExtension(_SCTS, self._scts(precertificate, now)), critical=False
        )
        made = whole.sign(self._authority, hashes.SHA256())
        self.certified.append(name)
        return [each.public_bytes(Encoding.PEM).decode() for each in (made, self._root)]

    def _scts(self, precertificate: bytes, now: dt.datetime) -> bytes:
        """A certificate's word of the log, as a list of one in an OCTET STRING (RFC 6962, 3.3)."""
        when = int(now.timestamp() * 1000)
        issuer = hashlib.sha256(_der(self._authority.public_key())).digest()
        size = struct.pack("!I", len(precertificate))[1:]
        signed = struct.pack("!BBQH", 0, 0, when, _ENTRY_OF_PRECERTIFICATE) + issuer + size + precertificate + b"\0\0"
        signature = self._ct.sign(signed, ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(_der(self._ct.public_key())).digest()
        one = b"\0" + log + struct.pack("!Q", when) + b"\0\0" + b"\4\3" + struct.pack("!H", len(signature)) + signature
        many = struct.pack("!H", len(one) + 2) + struct.pack("!H", len(one)) + one
        return b"\4" + (bytes((len(many),)) if len(many) < 0x80 else bytes((0x81, len(many)))) + many

    def note(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """What Rekor answers to an entry, which it has verified; raises ValueError and what verification raises."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"].encode()
        (verifier,) = content["verifiers"]
        key = x509.load_pem_x509_certificate(base64.b64decode(verifier)).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        for each in envelope["signatures"]:
            key.verify(base64.b64decode(each["sig"]), pae, ec.ECDSA(hashes.SHA256()))
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": _sha256(content["envelope"].encode()),
                    "payloadHash": _sha256(payload),
                    "signatures": [{"signature": each["sig"], "verifier": verifier} for each in envelope["signatures"]],
                },
            }
        )
        with self._lock:
            self.entries.append(body)
            index, leaves = len(self.entries) - 1, [hashlib.sha256(b"\0" + each).digest() for each in self.entries]
        root, path = _root(leaves), _path(index, leaves)
        log = hashlib.sha256(_der(self._rekor.public_key())).digest()
        entry: dict[str, int | str] = {
            "body": _b64(body),
            "integratedTime": int(time.time()),
            "logID": log.hex(),
            "logIndex": index,
        }
        note = f"rekor.sigstore.test - 1\n{len(leaves)}\n{_b64(root)}\n"
        signature = self._rekor.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        promise = self._rekor.sign(rfc8785.dumps({**entry}), ec.ECDSA(hashes.SHA256()))
        proof = {
            "logIndex": index,
            "treeSize": len(leaves),
            "rootHash": root.hex(),
            "hashes": [each.hex() for each in path],
            "checkpoint": f"{note}\n\N{EM DASH} rekor.sigstore.test {_b64(log[:4] + signature)}\n",
        }
        verification = {"signedEntryTimestamp": _b64(promise), "inclusionProof": proof}
        return {leaves[index].hex(): {**entry, "verification": verification}}


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    others = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        **others,
    )


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _split(count: int) -> int:
    """The largest power of two below a count (RFC 6962, 2.1)."""
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return hashlib.sha256(b"\1" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*_path(index, leaves[:middle]), _root(leaves[middle:])]
    return [*_path(index - middle, leaves[middle:]), _root(leaves[:middle])]


class _Handler(BaseHTTPRequestHandler):
    services: SigstoreServices

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        if parts.path == "/github/token" and self.headers["Authorization"] == f"bearer {REQUEST_TOKEN}":
            self._say(200, {"value": self.services.token(self.services.job, GITHUB, audience=asked["audience"][0])})
        else:
            self._say(404, {"message": "there is nothing here"})

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fulcio = self.path == "/api/v2/signingCert"
        if self.services.refuses == ("fulcio" if fulcio else "rekor"):
            self._say(500, {"message": "not today"})
            return
        try:
            if fulcio:
                token = self.headers["Authorization"].removeprefix("Bearer ")
                chain = self.services.certificate(base64.b64decode(said["certificateSigningRequest"]), token)
                self._say(201, {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})
            elif self.path == "/api/v1/log/entries":
                self._say(201, self.services.note(said))
            else:
                self._say(404, {"message": "there is nothing here"})
        except (jwt.InvalidTokenError, ValueError) as error:
            self._say(400, {"message": str(error)})

    def _say(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the tests' output clean."""


@contextlib.contextmanager
def sigstore_services() -> Iterator[SigstoreServices]:
    """All of them on one port of the loopback, until the end of the block."""
    services = SigstoreServices()
    handler = type("Handler", (_Handler,), {"services": services})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    services.url = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield services
