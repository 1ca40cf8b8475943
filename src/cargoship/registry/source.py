"""An image that exists somewhere, opened: what reads it, and what is about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from cargoship.oci.content import Content, Each, in_turn
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.remote import RemoteContent


class Attachments(Protocol):
    """Finds what is about manifests and is in none of them: signatures, SBOMs, attestations."""

    def __call__(self, subject: Digest, /) -> Iterator[tuple[BytesBlob, str | None]]:
        """Manifests about `subject`, each with the tag by which it is found (None: by its subject)."""
        ...


class ImageSource(Struct, frozen=True):
    """An image or index, and where the rest of it is read.

    `said` is how it is called in messages, `reference` what it is called in a registry (None: it is in none).
    """

    said: str
    root: BytesBlob
    content: Content
    each: Each = in_turn
    reference: Reference | None = None
    names: tuple[Reference, ...] = ()
    """What it is called where it is."""
    about: Attachments | None = None


def remote_source(client: RegistryClient, reference: Reference) -> ImageSource:
    """What a reference names, by digest where it has one, else by tag (default `latest`).

    Raises RegistryError's family, ContentInvalid.
    """
    root = client.manifest(reference.repository, reference.digest or reference.tag or "latest")
    content = RemoteContent(client, reference.repository)
    names = () if reference.tag is None and reference.digest is not None else (reference,)
    return ImageSource(reference.familiar, root, content, content.each, reference, names)
