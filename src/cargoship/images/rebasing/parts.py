"""What of an image is its base's, and what cargoship has put there: by its history, its annotations, and a trial.

Taking an image apart is believed only where putting it together again gives the same bytes. So what is put together
over another base is what a build over that base would make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from msgspec import Struct, structs

from cargoship.bases.base import Base
from cargoship.bases.static import static_config
from cargoship.errors import CargoshipError, NotRebasable, UsageError
from cargoship.image_layers import over_base, without_base
from cargoship.oci.config import ImageConfig
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, make_image
from cargoship.oci.layer import Layer
from cargoship.oci.reference import Reference

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
UNVERIFIED = "dev.cargoship.verified"
_MADE = "cargoship: "
_PROGRAMS = f"{_MADE}/"
_FILES = f"{_MADE}included files"
_STATIC = f"{_MADE}static base"
_PACKAGES = f"{_MADE}deb:"
_MADE_BY_BUILDS = "cargoship build makes it again"


class Parts(Struct, frozen=True):
    """An image taken apart: `own` layers over `base`, and what says how it is run, without what the base says."""

    image: Image
    base: Base
    own: tuple[Layer, ...]
    config: ImageConfig
    annotations: Mapping[str, str]

    def verified(self, *, verify: bool) -> Parts:
        """The same for images of which it was checked, or not, that they start."""
        kept = {name: value for name, value in self.annotations.items() if name != UNVERIFIED}
        return structs.replace(self, annotations=kept if verify else {**kept, UNVERIFIED: "false"})

    def over(self, base: Base) -> Image:
        """The image as a build over `base` makes it."""
        config_file = self.image.config_file
        about_base = {BASE_NAME: base.name, BASE_DIGEST: None if base.digest is None else str(base.digest)}
        return make_image(
            platform=config_file.platform,
            config=over_base(self.config, base.config),
            layers=(*base.layers, *self.own),
            created=config_file.created or "",
            annotations={
                **{name: value for name, value in about_base.items() if value is not None},
                **self.annotations,
            },
            author=config_file.author,
            below=base.steps,
        )


OldBase = Callable[[Reference], Base]
"""Finds the base that an image names, for its platform, by its digest."""


def taken_apart(image: Image, said: str, *, find: OldBase, given: Base | None = None) -> Parts:
    """Take an image apart; `given` is its base where its user says so, `find` asks a registry for the one it names.

    Raises NotRebasable for an image that cannot be taken apart or was not made by cargoship as it is.
    """
    layers, count = _named_layers(image), own_layers(image, said)
    below, own = layers[: len(layers) - count], layers[len(layers) - count :]
    known = image.manifest.annotations
    named = Base("", known.get(BASE_NAME), _digest(known), tuple(below), ImageConfig(), has_loader=None)
    base = _old_base(named, said, find=find, given=given)
    annotations = {name: value for name, value in known.items() if name not in {BASE_NAME, BASE_DIGEST}}
    config = without_base(image.config, base.config, known=annotations)
    parts = Parts(image, base, tuple(own), config, annotations)
    if [layer.diff_id for layer in base.layers] != [layer.diff_id for layer in below]:
        raise NotRebasable(
            f"{said} ({image.platform}): its lower layers are not those of {base.name or base.spec}",
            hint=_MADE_BY_BUILDS,
        )
    again = parts.over(base)
    if (again.raw_config, again.raw_manifest) != (image.raw_config, image.raw_manifest):
        raise NotRebasable(
            f"{said} ({image.platform}) is not as cargoship makes images of its layers on {base.name or base.spec}",
            hint=f"something has changed it, or another version of cargoship has made it: {_MADE_BY_BUILDS}",
        )
    return parts


def own_layers(image: Image, said: str) -> int:
    """How many of an image's layers are on its base; raises NotRebasable where others than cargoship have made it."""
    count = _own_count([layer.created_by for layer in _named_layers(image)])
    if not count:
        raise NotRebasable(
            f"{said} ({image.platform}): nothing tells which layers are its base's",
            hint="what others have made is not rebased: cargoship knows its own by the history of the image, where a "
            "layer of programs is the last",
        )
    return count


def _named_layers(image: Image) -> list[Layer]:
    """The layers with the history's words; without words where it is not that of these layers."""
    history = image.config_file.history
    texts = history if len(history) == len(image.layers) else ("",) * len(image.layers)
    return [structs.replace(layer, created_by=text) for layer, text in zip(image.layers, texts, strict=True)]


def _own_count(texts: Sequence[str]) -> int:
    """How many layers on top are cargoship's own: programs, and below them included files."""
    if not texts or not texts[-1].startswith(_PROGRAMS):
        return 0
    return 2 if texts[-2:-1] == [_FILES] else 1


def _made_of_packages(texts: Sequence[str]) -> bool:
    """Whether a history is that of a base of Debian's packages: what every image has, and what was asked for."""
    return len(texts) in {1, 2} and texts[0].startswith(_PACKAGES) and all(text.startswith(_MADE) for text in texts)


def packages_of(base: Base) -> tuple[str, ...]:
    """The packages that were asked for, of a base that is made of Debian's; none of any other."""
    texts = [layer.created_by for layer in base.layers]
    if base.digest is not None or not _made_of_packages(texts):
        return ()
    return tuple(texts[1].removeprefix(_MADE).split(", ")) if texts[1:] else ()


def _digest(annotations: Mapping[str, str]) -> Digest | None:
    text = annotations.get(BASE_DIGEST)
    return None if text is None else Digest.parse(text)


def _old_base(named: Base, said: str, *, find: OldBase, given: Base | None) -> Base:
    """The base that an image has, with its own layers as they lie in the image."""
    texts = [layer.created_by for layer in named.layers]
    if given is not None:
        found = given
    elif named.digest is None and not texts:
        return replace(named, spec="scratch")
    elif named.digest is None and texts == [_STATIC]:
        return replace(named, spec="static", config=static_config())
    elif named.digest is None and _made_of_packages(texts):
        return replace(named, spec=texts[0].removeprefix(_MADE), config=static_config())
    elif named.digest is None or named.name is None:
        raise NotRebasable(
            f"{said} does not say which base it stands on", hint="name the base that it has: --old-base BASE"
        )
    else:
        try:
            found = find(structs.replace(Reference.parse(named.name), digest=named.digest))
        except UsageError as error:
            raise NotRebasable(f"{said} names {named.name!r} as its base, which is no reference") from error
        except CargoshipError as error:
            raise NotRebasable(
                f"{said} stands on {named.name}@{named.digest}, which cannot be had: {error.message}",
                hint="what the base says of how it is run has to be known: --old-base names a copy of it",
            ) from error
    return replace(found, name=named.name, digest=named.digest)
