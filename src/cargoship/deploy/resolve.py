"""From documents with references to documents with digests: the whole way on one page.

    documents --find--> spots --catalog--> targets --plan--> known to be possible
    targets --build--> digests --splice--> documents

Nothing is built before every reference of every document is known, and nothing is written before every image exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Protocol

from msgspec import Struct

from cargoship.context import Context
from cargoship.deploy import charts, misspelt, overrides
from cargoship.deploy.catalog import Catalog, ImageToBuild
from cargoship.deploy.collecting import uncollected
from cargoship.deploy.containers import refuse_parts
from cargoship.deploy.documents import Format, ScannedFile, SourceFile, scan
from cargoship.deploy.places import FolderReference, NameReference
from cargoship.deploy.probes import unchecked
from cargoship.deploy.selector import Selector
from cargoship.errors import ReferenceUnknown, UsageError
from cargoship.events import Level, Note
from cargoship.oci.index import normalized_platform
from cargoship.oci.platform import Platform
from cargoship.plan import ImagePlan, Plan, Selection
from cargoship.settings.health import Healthcheck
from cargoship.shipping import BuildResult, BuiltImage


class ImageBuilder(Protocol):
    """What images are made with; the module `cargoship.operations` has the real ones."""

    def plan(self, selection: Selection, context: Context) -> Plan:
        """See `cargoship.planning.plan`."""
        ...

    def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
        """See `cargoship.pipeline.build_each`."""
        ...


class ResolveRequest(Struct, frozen=True):
    """What is to be resolved, and how its images are built."""

    sources: tuple[SourceFile, ...]
    projects: tuple[Path, ...]
    """Where names are looked up."""
    selection: Selection
    """Options of the builds; what it selects is not used."""
    selector: Selector | None = None
    format: Format = Format.AUTO


class ResolvedDocument(Struct, frozen=True):
    """A file, resolved: its name, its place in a folder, its bytes."""

    name: str
    relative: PurePath
    data: bytes


class Prepared(Struct, frozen=True):
    """Everything that is known before anything is built."""

    found: tuple[ScannedFile, ...]
    targets: Mapping[tuple[str, NameReference | FolderReference], ImageToBuild]
    """By file and what is wanted."""
    plans: Mapping[Path, tuple[Selection, Plan]]
    """By workspace."""


class Resolved(Struct, frozen=True):
    """The documents, and what was built for them."""

    documents: tuple[ResolvedDocument, ...]
    results: tuple[BuildResult, ...]


def _anything(found: Sequence[ScannedFile], form: Format) -> None:
    """Where documents are written for whatever takes them."""
    del found, form


@uncollected()
def prepare(
    request: ResolveRequest,
    context: Context,
    builder: ImageBuilder,
    check: Callable[[Sequence[ScannedFile], Format], None] = _anything,
) -> Prepared:
    """Find everything and refuse what cannot be done.

    `check` refuses what the tool does not take that gets the documents: what they are comes before what they want.
    Raises what it does, DocumentInvalid, ReferenceUnknown, UsageError and what planning raises.
    """
    found = tuple(scan(each, request.format, request.selector, context.emit) for each in request.sources)
    check(found, request.format)
    for each in found:
        refuse_parts(each)
        for note in (*charts.doubtful(each), *misspelt.left_standing(each)):
            context.emit(note)
    for note in overrides.builds_that_stay(found):
        context.emit(note)
    catalog = Catalog(request.projects, request.selection, context)
    targets: dict[tuple[str, NameReference | FolderReference], ImageToBuild] = {}
    for each in found:
        for spot in each.spots:
            if spot.wanted is not None and (each.source.name, spot.wanted) not in targets:
                targets[each.source.name, spot.wanted] = catalog.find(spot.wanted, spot.place)
    selections = catalog.selections(tuple(targets.values()))
    plans = {root: (selection, builder.plan(selection, context)) for root, selection in selections.items()}
    _check_platforms(found, targets, plans)
    for each in found:
        for note in unchecked(each, _checks(each.source.name, targets, plans)):
            context.emit(note)
    if not targets:
        context.emit(Note("there is nothing to resolve in " + ", ".join(each.source.name for each in found)))
    return Prepared(found, targets, plans)


def _check_platforms(
    found: tuple[ScannedFile, ...],
    targets: Mapping[tuple[str, NameReference | FolderReference], ImageToBuild],
    plans: Mapping[Path, tuple[Selection, Plan]],
) -> None:
    built = {root: [normalized_platform(platform) for platform in plan.platforms] for root, (_, plan) in plans.items()}
    understood: dict[str, Platform] = {}
    for each in found:
        for demand in each.demands:
            target = targets.get((each.source.name, demand.wanted))
            if target is None or demand.platform.lower() == "linux":
                continue  # of whatever architecture the machine is
            if demand.platform not in understood:
                understood[demand.platform] = _platform(demand.platform)
            if understood[demand.platform] not in built[target.root]:
                raise UsageError(
                    f"{demand.place}: the service runs on {demand.platform}, and the image is built for "
                    + ", ".join(map(str, plans[target.root][1].platforms)),
                    hint=f"add --platform {demand.platform}, or change the service's platform",
                )


def _platform(text: str) -> Platform:
    """What engines take it for: an architecture may stand alone (https://github.com/containerd/platforms, Parse)."""
    parts = text.split("/")
    if len(parts) == 1:
        parts = ["linux", *parts]
    return normalized_platform(Platform(*[*parts, ""][:3]))


def _checks(
    name: str,
    targets: Mapping[tuple[str, NameReference | FolderReference], ImageToBuild],
    plans: Mapping[Path, tuple[Selection, Plan]],
) -> dict[NameReference, Healthcheck]:
    """The health checks of what a document names."""
    found = {}
    for (document, wanted), target in targets.items():
        if document != name or not isinstance(wanted, NameReference):
            continue
        image = next((each for each in plans[target.root][1].images if _is_of(each, target)), None)
        check = None if image is None else image.settings.healthcheck
        if check is not None:
            found[wanted] = check
    return found


def _is_of(image: ImagePlan, target: ImageToBuild) -> bool:
    return any((each.package, each.name) == (target.package, target.binary) for each in image.bins)


def by_digest(plan: ImagePlan, image: BuiltImage) -> str:
    """What an image is called that was pushed."""
    del plan
    return image.reference


def resolve(
    prepared: Prepared,
    context: Context,
    builder: ImageBuilder,
    called: Callable[[ImagePlan, BuiltImage], str] = by_digest,
) -> Resolved:
    """Build and push every image once, and fill in what it is called; raises as `pipeline.build` does, DocumentInvalid.

    Images are pushed unless what was prepared asks to load them.
    """
    references: dict[ImageToBuild, str] = {}
    results = builder.build_each([selection for selection, _ in prepared.plans.values()], context)
    wanted = set(prepared.targets.values())
    for root, result in zip(prepared.plans, results, strict=True):
        for plan, image in zip(result.plan.images, result.images, strict=True):
            first, name = plan.bins[0], called(plan, image)
            for target in wanted:
                if (target.root, target.package, target.binary) == (root, first.package, first.name):
                    references[target] = name
                # a bundle may begin with a binary of another package than the one whose bundle it is
                elif target.root == root and target.bundle and target.binary == first.name and len(plan.bins) > 1:
                    references.setdefault(target, name)
    missing = [target for target in wanted if target not in references]
    if missing:  # pragma: no cover - the build would have refused
        raise ReferenceUnknown(f"{missing[0]} was not built")
    with uncollected():
        documents = tuple(_filled(each, prepared, references, context) for each in prepared.found)
    return Resolved(documents, results)


def _filled(
    found: ScannedFile, prepared: Prepared, references: Mapping[ImageToBuild, str], context: Context
) -> ResolvedDocument:
    source = found.source

    def reference(wanted: NameReference | FolderReference) -> str:
        return references[prepared.targets[source.name, wanted]]

    for spot in found.spots:
        if spot.wanted is not None:
            context.emit(Note(f"{spot.place}: {reference(spot.wanted)}", Level.VERBOSE))
    return ResolvedDocument(source.name, source.relative, found.filled(reference))


def as_they_are(sources: Sequence[SourceFile]) -> tuple[ResolvedDocument, ...]:
    """The documents with their references as they stand: what is deleted needs no images."""
    return tuple(ResolvedDocument(each.name, each.relative, each.data) for each in sources)
