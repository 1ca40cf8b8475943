"""`cargoship verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options, signing
from cargoship.cli.session import CliSession

if TYPE_CHECKING:
    from cargoship.images.signatures import SignatureReport


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@signing.trust_options
@options.json_option
@options.talk_options
@click.pass_context
def verify(ctx: click.Context, /, **_: object) -> None:
    """Check that an image can start on each of its platforms, no matter who made it, and who has signed it.

    The image is in a registry (ghcr.io/me/app:1.0), an OCI layout folder (oci:FOLDER, oci:FOLDER:TAG), or an archive
    (oci-archive:FILE, docker-archive:FILE). What exists needs no word before it. Its layers are read: the
    program's machine, its loader, its libraries and their versions as the loader finds them, the user, the entrypoint,
    certificates, the health check. The exit code is 40 when an image cannot start.

    With --key, or --identity and --issuer, signatures come first: what cosign has made (bundles, and for keys the older
    .sig and .att) counts as cargoship's own. All that is attached is listed. What is not signed itself, by whom was
    asked for, ends with 41, and its layers are not read.
    """
    from cargoship.cli.results.verified import verification_document, verification_text
    from cargoship.errors import CannotStart, NotSigned

    session = options.begin(ctx)
    signed = _signed(session, ctx)
    if signed is not None and not signed.ok:
        ctx.exit(NotSigned.exit_code)
    with session.work() as context:
        examination = session.operations.verify(ctx.params["target"], context)
    if signed is not None and examination.digest != signed.subjects[0].digest:
        raise NotSigned(f"{ctx.params['target']} became another image while it was looked at", hint="verify it again")
    if ctx.params["as_json"]:
        session.result_json({**verification_document(examination), **_json(signed)})
    else:
        session.result(verification_text(examination, session.result_paint()))
    if not examination.ok:
        ctx.exit(CannotStart.exit_code)


def _signed(session: CliSession, ctx: click.Context) -> SignatureReport | None:
    """What is said of signatures, where that is asked; it is shown at once, for others may be all that there is."""
    from cargoship.cli.results.signed import signatures_text
    from cargoship.errors import UsageError

    asked = {name: ctx.params[name] for name in ("key", "identity", "issuer")}
    if not any(asked.values()):
        if ctx.params["required"]:
            raise UsageError("--require asks for a signed attestation", hint="say by whom: --key, or --identity")
        return None
    with session.work() as context:
        signed = session.operations.verify_signatures(
            ctx.params["target"], context, **asked, required=ctx.params["required"]
        )
    if not ctx.params["as_json"]:
        session.result(signatures_text(signed, session.result_paint()))
    elif not signed.ok:
        session.result_json({"target": signed.target, "ok": False, **_json(signed)})
    return signed


def _json(signed: SignatureReport | None) -> dict[str, object]:
    from cargoship.cli.results.signed import signatures_document

    return {} if signed is None else {"signatures": signatures_document(signed)}


command = options.panelled(verify)
