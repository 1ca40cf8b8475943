"""Signing without a key of one's own: Sigstore's services vouch for a job's identity, for ten minutes.

The identity is a token that the CI system gives (https://docs.sigstore.dev/cosign/signing/overview). Fulcio makes a
certificate of it, Rekor notes the signature in public. All of it is done by Sigstore's own library.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cargoship.decoding import decode_json
from cargoship.errors import SigningFailed
from cargoship.oci.digest import Digest
from cargoship.signing.services import named_services, read_services

if TYPE_CHECKING:
    from sigstore.sign import Signer as SigstoreSigner
    from sigstore.sign import SigningContext

TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105 - a variable's name
_MISSING = "signing without a key takes the extra `sign`"
_INSTALL = "pip install 'cargoship[sign]', or sign with a key: --sign cosign.key"
_WHERE = (
    "on GitHub the job needs `permissions: id-token: write`; on GitLab `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore`; "
    "elsewhere sign with a key"
)


@dataclass
class KeylessSigner:
    """Signs with a certificate for the identity of this job; `token` gets a fresh one, `context` the services."""

    token: Callable[[], str] = field(repr=False)
    context: Callable[[], SigningContext] = field(repr=False)
    name: str
    """Of whose identity it is, too: what one job has signed, another one has not."""
    key: None = None
    named: Path | None = None
    """A file with other services than Sigstore's public ones."""
    _signer: SigstoreSigner | None = field(default=None, repr=False)

    def bundle(self, statement: bytes) -> bytes:
        """See `Signer`."""
        from sigstore.dsse import Statement  # noqa: PLC0415

        try:
            if self._signer is None:
                from sigstore.oidc import IdentityToken  # noqa: PLC0415
                from sigstore.sign import Signer  # noqa: PLC0415

                self._signer = Signer(IdentityToken(self.token()), self.context())
            return self._signer.sign_dsse(Statement(statement)).to_json().encode()
        except SigningFailed:
            raise
        except Exception as error:
            # whatever the library and what is below it raise; of what they say some quote the token
            raise SigningFailed(
                f"Sigstore's services did not sign ({type(error).__name__})",
                hint="fulcio.sigstore.dev, rekor.sigstore.dev and tuf-repo-cdn.sigstore.dev have to be reachable"
                if self.named is None
                else f"the services that {self.named} names have to be reachable",
            ) from error


def open_keyless(env: Mapping[str, str], cwd: Path) -> KeylessSigner:
    """The identity of this job; raises SigningFailed where there is none, or no library."""
    services = named_services(env, cwd)
    try:
        from sigstore.oidc import IdentityError, IdentityToken, detect_credential  # noqa: PLC0415
        from sigstore.sign import SigningContext  # noqa: PLC0415
    except ImportError as error:
        raise SigningFailed(_MISSING, hint=_INSTALL) from error
    if services is not None:
        # a file of one's own is tried before anything is compiled
        read_services(services)

    def token() -> str:
        try:
            found = env.get(TOKEN) or detect_credential()
        except IdentityError as error:
            raise SigningFailed("the CI system gave no identity", hint=_WHERE) from error
        if not found:
            raise SigningFailed("there is no identity to sign with here", hint=_WHERE)
        return found

    try:
        identity = IdentityToken(given := token())
    except IdentityError as error:
        raise SigningFailed("the identity that the CI system gave cannot be used: is it for `sigstore`?") from error
    owner = f"{identity.issuer} {_workflow(given) or identity.identity}"

    return KeylessSigner(
        token,
        lambda: SigningContext.from_trust_config(read_services(services)),
        name=f"keyless {Digest.of(owner.encode()).short}",
        named=services,
    )


def _workflow(token: str) -> str:
    """The workflow that GitHub names in a token, which is what Fulcio certifies; empty: another CI system's."""
    payload = token.split(".")[1]
    said = decode_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), dict[str, Any])
    return str(said.get("job_workflow_ref") or "")
