"""What provenance says of a build, as the request for the same one.

Anybody may have written it. So nothing of it is taken but what decides an image: no place that anything goes to, no
cache, no key, no program to start. Which folder is compiled the user says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import Struct

from cargoship.attest.provenance import BUILD, MERGE, BuildParameters, Provenance
from cargoship.context import Context
from cargoship.errors import NotRebuildable
from cargoship.oci.digest import Digest
from cargoship.plan import ImagePlan, Plan, Selection
from cargoship.printable import printable
from cargoship.settings.base import RegistryBase, parse_base_spec
from cargoship.settings.stated import STATEABLE

EPOCH = "SOURCE_DATE_EPOCH"
_EPOCH_MAX = 1 << 40
_PROFILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class RebuildRequest(Struct, frozen=True):
    """A build that was, asked for once more."""

    parameters: BuildParameters
    settings: Mapping[str, Any]
    """As they were, and a base from a registry by the digest that it had."""

    @classmethod
    def of(cls, provenance: Provenance, said: str) -> RebuildRequest:
        """The request for the build that made the image called `said`.

        Raises NotRebuildable for what no build of cargoship has made, or not of source, ContentInvalid.
        """
        if provenance.build_type == MERGE:
            raise NotRebuildable(
                f"{said} was merged of images that were built apart",
                hint="make one of them again: --platform linux/amd64",
            )
        if provenance.build_type != BUILD:
            made = printable(provenance.build_type[:200]) or "nobody knows what"
            raise NotRebuildable(f"{said} was made by something else than cargoship build: {made}")
        parameters = provenance.parameters
        if parameters.given:
            raise NotRebuildable(
                f"the programs of {said} were given to cargoship pack, and what they are made of is not known",
                hint="compile them as it was done, pack them, and compare: cargoship diff",
            )
        unknown = sorted(parameters.settings.keys() - STATEABLE)
        if unknown or not _PROFILE.fullmatch(parameters.profile) or not 0 <= parameters.epoch < _EPOCH_MAX:
            what = f"the setting {unknown[0][:80]!r}" if unknown else "a profile or a time that is none"
            raise NotRebuildable(f"the provenance of {said} says what none of cargoship says: {what}")
        return cls(parameters, _with_base(parameters.settings, provenance))

    def selection(self, folder: Path, given: Mapping[str, object], *, bins: tuple[str, ...] = ()) -> Selection:
        """As a request for the project in `folder`, with `given` settings over those that are recorded."""
        asked = self.parameters
        overrides = {**self.settings, **given, "platforms": asked.platforms}
        return Selection(
            path=folder,
            packages=asked.packages,
            bins=bins,
            profile=asked.profile,
            features=asked.features,
            all_features=asked.all_features,
            no_default_features=not asked.default_features,
            overrides=overrides,
        )

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of its programs."""
        return tuple(each.rpartition(":")[2] for each in self.parameters.binaries)

    def image(self, made: Plan) -> ImagePlan | None:
        """The image of a plan that has the same name and the same programs."""
        for image in made.images:
            names = tuple(f"{each.package}:{each.name}" for each in image.bins)
            if image.name == self.parameters.image and names == self.parameters.binaries:
                return image
        return None

    def context(self, context: Context) -> Context:
        """The context with the time that was set for the build, or none where none was."""
        env = {name: value for name, value in context.env.items() if name != EPOCH}
        if EPOCH in self.parameters.variables:
            env[EPOCH] = str(self.parameters.epoch)
        return replace(context, env=env)


def _with_base(settings: Mapping[str, Any], provenance: Provenance) -> Mapping[str, Any]:
    """The settings with the base by its digest: its tag may name another one today."""
    base = settings.get("base")
    digests = {
        Digest.parse(f"{algorithm}:{value}")
        for each in provenance.materials
        if each.name == "base"
        for algorithm, value in each.digest.items()
    }
    if not isinstance(base, str) or len(digests) != 1:
        return settings
    try:
        spec = parse_base_spec(base, packages=bool(settings.get("packages")))
    except ValueError as error:
        raise NotRebuildable(f"the provenance of an image names a base that is none: {error}") from error
    if not isinstance(spec, RegistryBase) or spec.reference.digest is not None:
        return settings
    return {**settings, "base": f"{base}@{digests.pop()}"}
