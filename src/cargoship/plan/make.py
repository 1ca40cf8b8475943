"""From a project, its settings and a request to the plan, refusing what cannot be done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.features import check_features, split_features
from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Package
from cargoship.errors import NothingChanged, PlatformUnknown, TreeNotClean, UsageError
from cargoship.events import Level, Note
from cargoship.oci.platform import Platform
from cargoship.plan.choose import FeatureChoice, Group, Keep, choose_groups
from cargoship.plan.describe import describe, placeholders, provenance, reference, rfc3339
from cargoship.plan.destinations import check_destinations
from cargoship.plan.facts import ProjectFacts
from cargoship.plan.invocations import features_of, set_apart
from cargoship.plan.model import ImagePlan, Plan, Selection
from cargoship.plan.packages import check_packages, libc_of
from cargoship.platforms import LibcFamily, by_processor, row
from cargoship.settings.attach import Attach
from cargoship.settings.fields import FIELDS
from cargoship.settings.model import Settings
from cargoship.suggest import listed

_PATHS_SHOWN = 6
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]*[^a-z0-9._-][^a-z0-9]*")


def choose_epoch(env: Mapping[str, str], git: GitFacts | None, settings: Settings) -> int:
    """The time of all that is in the images: SOURCE_DATE_EPOCH, else 0, or the commit's where images tell of that.

    In seconds since 1970; raises UsageError for a value that is no time. Specification:
    https://reproducible-builds.org/specs/source-date-epoch/
    """
    text = env.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return git.commit_time if git and settings.provenance_labels == "image" else 0
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}", hint="it must be a number of seconds since 1970")
    rfc3339(int(text))
    return int(text)


def make_plan(known: ProjectFacts, selection: Selection, *, keep: Keep | None = None) -> Plan:
    """Decide everything; `keep` says which images are wanted (None: all).

    Raises BinaryUnknown, FeatureUnknown, NothingToShip, NothingChanged (`keep` wants none), PlatformUnknown and
    UsageError.
    """
    project, first, git = known.project, known.common, known.git
    _check_shared(known.packages, known.settings)
    features = _features(known, selection)
    choice = FeatureChoice(
        features, first.default_features and not selection.no_default_features, selection.all_features
    )
    groups, left_out = choose_groups(project, known.packages, known.settings, selection, choice)
    _check_clean(git, selection)
    groups = _wanted(groups, keep, selection)
    images = tuple(_image(group, known) for group in groups)
    # nobody is served by the same platform twice
    platforms = tuple(dict.fromkeys(first.platforms))
    check_destinations(images, platforms, selection)
    cargo, *further = _cargo(known, images, platforms, choice, selection)
    plan = Plan(
        root=project.root,
        target_dir=project.target_dir,
        build_dir=project.build_dir or project.target_dir,
        project=project.said,
        images=images,
        platforms=platforms,
        libc=libc_of(first),
        allocator=first.allocator,
        auditable=first.auditable,
        splits_symbols=first.debug_symbols == "split",
        sboms=first.sbom,
        sbom_creator=first.sbom_creator or "",
        attest=Attach(first.attest),
        provenance=first.provenance,
        sign=first.sign,
        signature_formats=first.signature_format,
        source=git,
        cargo=cargo,
        further=tuple(further),
        epoch=known.epoch,
        created=rfc3339(known.epoch),
        revision=git.revision if git else None,
        outputs=selection.outputs,
        push=selection.push or selection.push_by_digest,
        push_by_digest=selection.push_by_digest,
        load=selection.load,
        clusters=selection.clusters,
        remote=selection.remote,
        cache=selection.caches_of(first),
        offline=selection.is_offline,
        insist=bool(selection.locked) or selection.frozen,
        notes=(*known.notes, *left_out, *_remarks(images, selection), *_remarks_of_git(git, selection)),
    )
    _check_floor(plan)
    if plan.allocator != "system" and plan.libc.family is not LibcFamily.MUSL:
        raise UsageError(
            f'allocator = "{plan.allocator}" is for static musl programs, and libc is {plan.libc}',
            hint="leave it out: glibc's own allocator is fast with threads",
        )
    check_packages(images)
    return plan


def _wanted(groups: Sequence[Group], keep: Keep | None, selection: Selection) -> tuple[Group, ...]:
    """The groups whose images are wanted; raises NothingChanged for none."""
    kept = tuple(group for group in groups if keep is None or keep(group))
    if not kept:
        names = listed(group.bins[0].name for group in groups)
        raise NothingChanged(f"nothing of {names} has changed since {selection.changed_since}")
    return kept


def _check_shared(packages: Sequence[Package], settings: Mapping[str, Settings]) -> None:
    """Refuse packages that cannot be compiled in one invocation, for what holds for all of it differs."""
    parts: list[tuple[str, Callable[[Settings], object]]] = [(each.key, each.shared) for each in FIELDS]
    # packages to compile with are those of one base; last, for their own difference says more
    parts.append(("base", lambda each: each.debian if each.build_packages else None))
    for key, part in parts:
        by_value: dict[object, list[str]] = {}
        for package in packages:
            by_value.setdefault(part(settings[package.name]), []).append(package.name)
        if len(by_value) > 1:
            sides = " and ".join(listed(names) for names in by_value.values())
            raise UsageError(
                f"{sides} have different {key}, but are compiled together",
                hint=f"set {key} in [workspace.metadata.cargoship], or build one with --package",
            )


def _features(known: ProjectFacts, selection: Selection) -> tuple[str, ...]:
    project, packages = known.project, known.packages
    if selection.features:
        names = split_features(selection.features)
        check_features(project, packages, names)
        return names
    found: list[str] = []
    for package in packages:
        names = split_features(known.settings[package.name].features)
        # A list of the workspace holds for all its packages, of which one at least must know each name
        check_features(project, packages, names)
        own = [name for name in names if "/" in name or name in package.features]
        found += [name if "/" in name or len(packages) == 1 else f"{package.name}/{name}" for name in own]
    return tuple(dict.fromkeys(found))


def _image(group: Group, known: ProjectFacts) -> ImagePlan:
    package, git, epoch = group.package, known.git, known.epoch
    # A bundle may begin with a binary of a package that is not shipped itself: then its settings are the asker's
    own = known.settings.get(package.name, known.common)
    name = own.name or _NOT_IN_NAMES.sub("-", group.bins[0].name.lower()).strip("-._")
    facts = placeholders(name, package, git)
    described = describe(name, package, git, epoch)
    moment = provenance(git, epoch)
    where = own.provenance_labels
    described |= moment if where == "image" else {}
    templates = [_template(each, own) for each in own.tags or (("",) if own.repository else ())]
    return ImagePlan(
        name=name,
        package=package,
        bins=group.bins,
        settings=own,
        references=tuple(dict.fromkeys(named for each in templates if (named := reference(each, facts)) is not None)),
        labels={**described, **own.labels},
        annotations={**described, **own.annotations},
        index_annotations={**described, **(moment if where == "index" else {}), **own.annotations},
        origins=known.origins.get(package.name, {}),
    )


def _template(tag: str, settings: Settings) -> str:
    """A tag with the repository before it, where it has none of its own."""
    if tag and not tag.startswith(":"):
        return tag
    if settings.repository is None:
        raise UsageError(f"tag {tag!r} is one of no repository", hint="set repository, or CARGOSHIP_REPO=ghcr.io/me")
    name = settings.repository if "{name}" in settings.repository else settings.repository + "/{name}"
    return name + tag


def _remarks(images: Sequence[ImagePlan], selection: Selection) -> list[Note]:
    remarks = []
    checked = [image.name for image in images if image.settings.healthcheck is not None]
    if checked:
        text = f"only Docker reads the healthcheck of {listed(checked)}; the OCI format has none"
        remarks.append(Note(text, Level.VERBOSE))
    for image in images:
        check, exposed = image.settings.healthcheck, image.settings.expose
        if check is not None and check.port is not None and f"{check.port}/tcp" not in exposed:
            text = f"the healthcheck of {image.name} asks port {check.port}, which expose does not have"
            said = f" ({', '.join(exposed)})" if exposed else ""
            remarks.append(Note(text + said, Level.WARNING))
    names = [reference.familiar for image in images for reference in image.references]
    goes = selection.push or selection.push_by_digest or selection.load or selection.clusters or selection.outputs
    # tags in the settings wait for a --push of their own; one that somebody has just typed is expected somewhere
    if names and "tags" in selection.overrides and not goes:
        text = f"nothing will be called {listed(names)}: the image goes into a folder alone; --push or --load names it"
        remarks.append(Note(text, Level.WARNING))
    return remarks


def _check_clean(git: GitFacts | None, selection: Selection) -> None:
    if not selection.require_clean:
        return
    if git is None:
        raise TreeNotClean("git knows no commit here, and --require-clean asks for one", hint="commit the project")
    if git.dirty:
        raise TreeNotClean(
            f"files differ from the commit {git.short}: {listed(git.changed, _PATHS_SHOWN)}",
            hint="commit or stash them, or leave out --require-clean",
        )


def _remarks_of_git(git: GitFacts | None, selection: Selection) -> list[Note]:
    if git is None or not git.dirty or not selection.push:
        return []
    paths = listed(git.changed, _PATHS_SHOWN)
    return [Note(f"the image is of a changed tree, which differs from the commit in {paths}", Level.WARNING)]


def _check_floor(plan: Plan) -> None:
    floor = plan.libc.floor
    if plan.libc.family is not LibcFamily.GNU or floor is None:
        return
    for platform in plan.platforms:
        lowest = row(platform).gnu_floor
        if floor < lowest:
            raise PlatformUnknown(
                f"programs for {platform} cannot start on glibc {floor[0]}.{floor[1]}",
                hint=f"the lowest for this platform is gnu:{lowest[0]}.{lowest[1]}",
            )


def _cargo(
    known: ProjectFacts,
    images: Sequence[ImagePlan],
    platforms: Sequence[Platform],
    choice: FeatureChoice,
    selection: Selection,
) -> list[CargoBuild]:
    """One invocation for everything, or several where cargo would write two binaries to one file.

    Variants of a platform have its triple, and so an invocation each, after that for all others.
    """
    if selection.jobs is not None and selection.jobs < 1:
        raise UsageError(f"cannot build with {selection.jobs} jobs", hint="--jobs takes a number above 0")
    if selection.remote is not None:
        selection.remote.check(offline=selection.is_offline)
    project, common = known.project, known.common
    wanted: dict[str, set[str]] = {}
    for binary in (binary for image in images for binary in image.bins):
        wanted.setdefault(binary.package, set()).add(binary.name)
    together = [package for package in project.packages if package.name in wanted]
    return [
        CargoBuild(
            manifest=project.manifest,
            cwd=project.folder,
            packages=tuple(project.specification(package) for package in packages),
            names=tuple(package.name for package in packages),
            bins=tuple(sorted(set().union(*(wanted[package.name] for package in packages)))),
            targets=tuple(each.triple(common.libc) for each in rows),
            profile=selection.profile or common.profile or "release",
            features=features_of(packages, choice.requested, project.packages),
            all_features=choice.everything,
            no_default_features=not choice.default,
            locked=project.lock is not None if selection.locked is None else selection.locked,
            offline=selection.offline,
            frozen=selection.frozen,
            jobs=selection.jobs,
            processor=processor,
        )
        for processor, rows in by_processor(platforms).items()
        for packages in set_apart(together, wanted)
    ]
