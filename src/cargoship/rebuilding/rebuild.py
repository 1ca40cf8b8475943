"""An image that exists, made again from its provenance, and compared with what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct, field, structs

from cargoship.apart import REBUILD, compiled_apart, environment_apart, folder_apart
from cargoship.context import Context
from cargoship.errors import BinaryUnknown, NothingToShip, NotRebuildable, PackageUnknown
from cargoship.events import Level, Note
from cargoship.images.comparing.compare import diff
from cargoship.images.comparing.difference import Comparison
from cargoship.images.opening import open_image
from cargoship.images.rebasing.parts import UNVERIFIED
from cargoship.images.statements import find_provenance
from cargoship.oci.content import manifest_of
from cargoship.oci.descriptor import INDEX_TYPES
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index
from cargoship.oci.target import ImageTarget, RegistryTarget
from cargoship.pipeline import build_planned
from cargoship.plan import ImagePlan, Output, OutputKind, Plan
from cargoship.planning import plan as plan_of
from cargoship.rebuilding.materials import MaterialDifference, differing_materials, differing_parameters
from cargoship.rebuilding.request import RebuildRequest
from cargoship.registry.source import ImageSource
from cargoship.settings.attach import Attach
from cargoship.settings.cache import CacheOptions
from cargoship.settings.stated import stated_default, stated_settings
from cargoship.statements.provenance import parameters_of

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class RebuildOptions(Struct, frozen=True):
    """How an image is made again, where its provenance does not say it."""

    platform: str | None = None
    """The one to make alone; None: all that the provenance is about."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """By their keys, in the place of those that the provenance has."""
    cached: bool = False
    """Whether units come from the caches too."""
    offline: bool = False
    jobs: int | None = None
    """How many compilers run at a time; None: as cargo has it."""
    compiles: bool = True
    """Whether it is compiled, or only said what is not as it was."""


class Rebuilt(Struct, frozen=True):
    """What came of making an image again."""

    target: str
    digest: Digest
    """Of the image, or the index, whose provenance it was."""
    source: Path
    builder: str
    """Who has made the image, as its provenance says."""
    materials: tuple[MaterialDifference, ...]
    """What is not as it was then."""
    withheld: tuple[str, ...]
    """Settings whose values are not given: taken from the project, or from the caller."""
    comparison: Comparison | None = None
    """With the image; None where nothing was compiled."""

    @property
    def is_same(self) -> bool:
        """Whether it came out the same to the byte; where nothing was compiled, whether nothing speaks against that."""
        return not self.materials if self.comparison is None else self.comparison.is_equal


def rebuild(
    target: str,
    source: Path,
    context: Context,
    options: RebuildOptions | None = None,
) -> Rebuilt:
    """Make an image again, of the project in `source` as it lies there, and compare it with `target`.

    How it is made is what provenance says (nobody checks its signature here), but for `options`. Everything is
    compiled, in a folder apart. Raises NothingAttached without provenance, NotRebuildable for what cannot be made
    again, and what a build and `diff` raise.
    """
    options = options or RebuildOptions()
    platform = options.platform
    where = ImageTarget.parse(target, context.cwd)
    with open_image(where, context) as opened:
        root = opened.root.descriptor
        verified = _annotations(opened).get(UNVERIFIED) != "false"
    # a tag may name another image by then
    pinned = str(where.reference.at(root.digest)) if isinstance(where, RegistryTarget) else target
    found = find_provenance(pinned, context, platform=platform)
    if platform is None and found.subject != root.digest:
        raise NotRebuildable(
            f"it is stated of each image in {target} alone where it comes from", hint="name one: --platform linux/amd64"
        )
    request = RebuildRequest.of(found.provenance, target)
    context = replace(request.context(context), verify=verified)
    made, image = _planned(request, source, options, context)
    now = parameters_of(image, made.platforms, made, context.env, given=False)
    materials = (
        *differing_materials(found.provenance, made, image, context),
        *differing_parameters(request.parameters, request.settings, now),
    )
    for each in materials:
        context.emit(Note(f"not as it was: {each}", Level.WARNING))
    commit = found.provenance.material("source")
    sha = "" if commit is None else commit.digest.get("gitCommit", "")
    if any(each.name == "source" for each in materials) and _SHA.fullmatch(sha):
        context.emit(Note(f"the commit of then, in a folder beside: git worktree add FOLDER {sha}"))
    done = Rebuilt(
        target, found.subject, source, found.provenance.run.builder, materials, request.parameters.withheld
    )  # fmt: skip
    if not options.compiles:
        return done
    # statements in an index name their maker: of such a one the images are compared
    alone = platform is not None or root.media_type not in INDEX_TYPES or made.attest.in_index
    asked = request.parameters.platforms if alone else ()
    return structs.replace(done, comparison=_compared(pinned, made, image, context, asked, cached=options.cached))


def _annotations(opened: ImageSource) -> Mapping[str, str]:
    root = opened.root
    if root.descriptor.media_type in INDEX_TYPES:
        return decode_index(root.data, root.descriptor.media_type).annotations
    return manifest_of(root).annotations


def _planned(
    request: RebuildRequest,
    source: Path,
    options: RebuildOptions,
    context: Context,
) -> tuple[Plan, ImagePlan]:
    """The plan for the same image and nothing else; raises NotRebuildable where the project makes no such image."""

    def decided(overrides: Mapping[str, object], bins: tuple[str, ...]) -> tuple[Plan, ImagePlan] | None:
        selection = request.selection(source, {**options.settings, **overrides}, bins=bins)
        try:
            made = plan_of(structs.replace(selection, offline=options.offline, jobs=options.jobs), context)
        except (BinaryUnknown, NothingToShip, PackageUnknown):
            return None
        image = request.image(made)
        return None if image is None else (made, image)

    found = None
    for bins in ((), request.bins):
        found = decided({}, bins)
        reset = {} if found is None else _reset(found[1], request, options.settings)
        if reset:
            found = decided(reset, bins)
        if found is not None:
            break
    if found is None:
        asked = request.parameters
        raise NotRebuildable(
            f"the project in {source} makes no image {asked.image[:80]} of {', '.join(asked.binaries)[:200]}",
            hint="name the folder of the project, as it was: cargoship rebuild IMAGE FOLDER",
        )
    made, image = found
    packages = {each.package for each in image.bins}
    cargo, *further = (each for each in made.builds if packages & set(each.names))
    return structs.replace(made, images=(image,), cargo=cargo, further=tuple(further)), image


def _reset(image: ImagePlan, request: RebuildRequest, settings: Mapping[str, object]) -> dict[str, object]:
    """What the project sets and the build had as it is by default, such as `--base static` over another one."""
    own, known = stated_settings(image.settings).values, {*request.settings, *request.parameters.withheld, *settings}
    defaults = {key: stated_default(key) for key in own if key not in known}
    # tables are merged, and what is nothing cannot be asked for
    return {key: value for key, value in defaults.items() if value is not None and not isinstance(value, dict)}


def _compared(
    pinned: str, made: Plan, image: ImagePlan, context: Context, platforms: Sequence[str], *, cached: bool
) -> Comparison:
    with folder_apart(made, REBUILD, "rebuild") as folder:
        target, layout = folder / "target", folder / "image"
        apart = structs.replace(
            compiled_apart(made, target),
            cache=made.cache if cached else CacheOptions(enabled=False),
            # statements about an image, no matter who made them, do not count for what it is
            attest=Attach.NONE,
            outputs=(Output(OutputKind.OCI, layout),),
            sign=None,
        )
        around = replace(context, env=environment_apart(made, target, context.env))
        build_planned(structs.replace(apart, images=(image,)), around)
        found = diff(pinned, f"oci:{layout}", context, platforms=platforms)
    return structs.replace(found, targets=(found.targets[0], f"what {made.root} makes"))
