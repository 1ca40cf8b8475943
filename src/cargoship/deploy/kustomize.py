"""Kustomizations: a name, a tag and a digest stand apart there, and a whole reference in place of one is none.

Specification: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/
"""

from __future__ import annotations

from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import FOUND, Page, ReferencePart
from cargoship.deploy.tree import YamlDocument
from cargoship.errors import DocumentInvalid

FILE = "Kustomization"
"""A name without an ending that Kustomize looks for, too."""
_KINDS = (None, "Kustomization", "Component")
_FLUX = "kustomize.toolkit.fluxcd.io/"
"""Flux has the same list, below `spec` (https://fluxcd.io/flux/components/kustomize/kustomizations/#images)."""
_NEW_NAME = "newName"
_DIGEST = "digest"
_TAKES = {_NEW_NAME: ReferencePart.NAME, _DIGEST: ReferencePart.DIGEST}
_NAME = "name"
_TAG = "newTag"


def check_images(document: YamlDocument, page: Page) -> None:
    """Refuse what Kustomize would make `NAME@DIGEST:TAG` of, or `NAME:OLDTAG`, in silence.

    Raises DocumentInvalid with the place.
    """
    root = document.root
    if root is None or root.form is not Form.TABLE or root.text("kind") not in _KINDS:
        return
    flux = (root.text("apiVersion") or "").startswith(_FLUX)
    holder = root.get("spec") if flux else root
    images = holder.get("images") if holder is not None and holder.form is Form.TABLE else None
    for image in images.items if images is not None and images.form is Form.LIST else ():
        if image.form is not Form.TABLE or image.get(_NAME) is None:
            continue
        for key in (_NAME, *_TAKES, _TAG):
            value = image.get(key)
            found = None if value is None or value.form is not Form.SCALAR else FOUND.search(value.value)
            if value is None or found is None:
                continue
            if key == _NAME:
                raise DocumentInvalid(
                    f"{page.place(value.start)}: name is what Kustomize looks for in other files, and no place for an "
                    "image",
                    hint="write another name here and in those files, such as web",
                )
            if key == _TAG:
                raise DocumentInvalid(
                    f"{page.place(value.start)}: an image that is built has no tag to stand here",
                    hint=f"write digest: {found[0].partition('#')[0]}#digest in place of newTag",
                )
            part = _TAKES[key].value
            if not found[0].endswith(f"#{part}"):
                raise DocumentInvalid(
                    f"{page.place(value.start)}: {key} is no place for a whole reference",
                    hint=f"write {found[0].partition('#')[0]}#{part}",
                )
            if key == _NEW_NAME and not (image.text(_DIGEST) or image.text(_TAG)):
                raise DocumentInvalid(
                    f"{page.place(value.start)}: newName stands alone: Kustomize would keep the tag that it finds, and "
                    "the image could be any",
                    hint=f"write digest: {found[0].partition('#')[0]}#digest beside it",
                )
        _check_pair(image, page)


def _check_pair(image: YamlNode, page: Page) -> None:
    """Refuse the name of one image with the digest of another: no registry has that."""
    name, digest = (FOUND.search(image.text(key) or "") for key in _TAKES)
    if name is None or digest is None:
        return
    wanted = name[0].partition("#")[0]
    if wanted != digest[0].partition("#")[0]:
        value = image.get(_DIGEST)
        raise DocumentInvalid(
            f"{page.place((value or image).start)}: this is the digest of another image than newName is of",
            hint=f"write {wanted}#digest",
        )
