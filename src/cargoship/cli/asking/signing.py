"""Options about signatures: who signs, and whose signatures are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click

from cargoship.cli.asking import offers

sign_option = click.option(
    "--sign",
    metavar="KEY",
    shell_complete=offers.files,
    help="Sign what is pushed: with a private key (a file, or env://NAME; its password is in COSIGN_PASSWORD), or "
    "`keyless`, with the identity of a CI job.",
)


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose signatures are wanted."""
    for option in reversed(
        (
            click.option(
                "--key",
                metavar="KEY",
                shell_complete=offers.files,
                help="A public key that has signed the image: a file, or env://NAME.",
            ),
            click.option("--identity", metavar="URI", help="Who has signed it without a key, such as a workflow."),
            click.option("--issuer", metavar="URL", help="Who vouches for that identity."),
            click.option(
                "--require",
                "required",
                multiple=True,
                type=click.Choice(("provenance", "sbom")),
                help="Refuse an image without this attestation, signed; may be repeated.",
            ),
        )
    ):
        command = option(command)
    return command
