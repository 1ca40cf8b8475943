from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Binary, Package, Project
from cargoship.errors import (
    BinaryUnknown,
    CargoshipError,
    FeatureUnknown,
    NothingToShip,
    PackageUnknown,
    PlatformUnknown,
    TreeNotClean,
    UsageError,
)
from cargoship.plan import (
    Cluster,
    Output,
    OutputKind,
    Plan,
    ProjectFacts,
    Selection,
    choose_epoch,
    choose_packages,
    make_plan,
    plan_to_json,
    without_skipped,
)
from cargoship.platforms import TABLE, Libc
from cargoship.settings.fields import BY_KEY, FIELDS
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_settings
from cargoship.settings.spec import SettingScope

ROOT = Path("/w")
SHA = "0123456789abcdef0123456789abcdef01234567"
GIT = GitFacts(SHA, 86400, branch="fix/it", tag="v1.0+x", remote="https://git.example.com/me/w")


def package(name: str, *bins: str | Binary, **more: Any) -> Package:  # noqa: ANN401
    binaries = tuple(each if isinstance(each, Binary) else Binary(each, name) for each in bins)
    folder = ROOT / name
    return Package(f"path+file:///w/{name}#1.2.3", name, "1.2.3", folder / "Cargo.toml", folder, binaries, **more)


@dataclass(frozen=True)
class Workspace:
    """A project, and what is asked of it."""

    packages: tuple[Package, ...]
    selected: str | None = None
    workspace: Mapping[str, object] = field(default_factory=dict)
    lock: bool = True
    git: GitFacts | None = GIT
    selection: Selection = field(default_factory=lambda: Selection(ROOT))

    def asked(self, **what: Any) -> Workspace:  # noqa: ANN401
        return replace(self, selection=structs.replace(self.selection, **what))

    def flags(self, **settings: object) -> Workspace:
        return self.asked(overrides=settings)

    def plan(self) -> Plan:
        chosen = next((each for each in self.packages if each.name == self.selected), None)
        project = Project(
            root=ROOT,
            folder=chosen.root if chosen else ROOT,
            target_dir=ROOT / "target",
            packages=self.packages,
            default_members=self.packages,
            selected=chosen,
            lock=ROOT / "Cargo.lock" if self.lock else None,
            metadata_cargoship=self.workspace,
        )
        packages = choose_packages(project, self.selection)
        settings, notes = load_settings(project, packages, env={}, overrides=self.selection.overrides)
        packages = without_skipped(packages, settings, self.selection)
        epoch = choose_epoch({}, self.git, settings[packages[0].name])
        return make_plan(ProjectFacts(project, packages, settings, self.git, epoch, notes=notes), self.selection)


def check(
    workspace: Workspace,
    *,
    images: Mapping[str, Sequence[str]],
    arguments: str | None = None,
    references: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    plan = workspace.plan()
    assert {image.name: [binary.name for binary in image.bins] for image in plan.images} == {
        name: list(bins) for name, bins in images.items()
    }
    if arguments is not None:
        assert " ".join(plan.cargo.arguments()[5:]) == arguments
    if references is not None:
        assert [str(reference) for image in plan.images for reference in image.references] == list(references)
    assert len(plan.notes) == len(notes)
    for note, words in zip(plan.notes, notes, strict=True):
        assert words in note.text
    json.dumps(plan_to_json(plan))


def refuse(workspace: Workspace, family: type[CargoshipError], word: str, hint: str = "") -> None:
    with pytest.raises(CargoshipError) as caught:
        workspace.plan()
    assert type(caught.value) is family
    assert word in caught.value.message
    assert hint in (caught.value.hint or "")


BOTH = "--package api@1.2.3 --package work@1.2.3 --bin api --bin work"
MUSL = "--target x86_64-unknown-linux-musl --target aarch64-unknown-linux-musl"
ONE = Workspace(
    (package("app", "app", features={"default": ("tls",), "tls": (), "pg": ("dep:pq",)}, dependencies=("pq",)),), "app"
)
TWO = Workspace(
    (package("lib"), package("api", "api", features={"x": ()}), package("work", "work", features={"y": ()}))
)
TOOLS = Binary("tools", "app", ("admin",))
MANY = Workspace((package("app", "server", "worker", TOOLS, features={"admin": (), "all": ("admin",)}),), "app")
RUN = Workspace((package("app", "server", "worker", default_run="server"),), "app")


def with_settings(workspace: Workspace, **by_package: Mapping[str, object]) -> Workspace:
    packages = tuple(replace(each, metadata_cargoship=by_package.get(each.name, {})) for each in workspace.packages)
    return replace(workspace, packages=packages)


@pytest.mark.parametrize(
    ("workspace", "images", "arguments"),
    [
        (ONE, {"app": ["app"]}, f"--release --package app@1.2.3 --bin app {MUSL} --locked"),
        (replace(ONE, lock=False), {"app": ["app"]}, f"--release --package path+file:///w/app#1.2.3 --bin app {MUSL}"),
        (ONE.asked(locked=False, jobs=2), {"app": ["app"]}, f"--release --package app@1.2.3 --bin app {MUSL} --jobs 2"),
        (ONE.asked(frozen=True), {"app": ["app"]}, f"--release --package app@1.2.3 --bin app {MUSL} --frozen"),
        (ONE.asked(profile="dist", features=("pg,tls",), no_default_features=True), {"app": ["app"]},
         f"--profile dist --package app@1.2.3 --bin app {MUSL} --features pg,tls --no-default-features --locked"),
        (with_settings(ONE, app={"profile": "x", "features": ["pg"], "default-features": False}), {"app": ["app"]},
         f"--profile x --package app@1.2.3 --bin app {MUSL} --features pg --no-default-features --locked"),
        (with_settings(ONE, app={"features": ["pg"]}).asked(features=("app/tls", "pq/any")), {"app": ["app"]},
         f"--release --package app@1.2.3 --bin app {MUSL} --features app/tls,pq/any --locked"),
        (ONE.flags(platforms=("arm64",), libc="gnu:2.28"), {"app": ["app"]},
         "--release --package app@1.2.3 --bin app --target aarch64-unknown-linux-gnu --locked"),
        (TWO, {"api": ["api"], "work": ["work"]},
         f"--release {BOTH} {MUSL} --locked"),
        (with_settings(TWO, api={"features": ["x"]}, work={"features": ["y"]}), {"api": ["api"], "work": ["work"]},
         f"--release {BOTH} {MUSL} --features api/x,work/y --locked"),
        (TWO.asked(packages=("work",)), {"work": ["work"]},
         f"--release --package work@1.2.3 --bin work {MUSL} --locked"),
        (TWO.asked(bins=("api",)), {"api": ["api"]}, f"--release --package api@1.2.3 --bin api {MUSL} --locked"),
        (replace(TWO, selected="api"), {"api": ["api"]}, f"--release --package api@1.2.3 --bin api {MUSL} --locked"),
        (replace(TWO, workspace={"bundle": ["work", "api"]}), {"work": ["work", "api"]},
         f"--release {BOTH} {MUSL} --locked"),
        (with_settings(replace(TWO, selected="api"), api={"bundle": ["api", "work"]}), {"api": ["api", "work"]},
         f"--release {BOTH} {MUSL} --locked"),
        (replace(TWO, workspace={"bins": ["work"]}), {"work": ["work"]}, None),
        (MANY.asked(all_features=True), {"server": ["server"], "tools": ["tools"], "worker": ["worker"]}, None),
        (MANY.asked(features=("all",), bins=("tools",)), {"tools": ["tools"]}, None),
        (with_settings(MANY, app={"bundle": ["worker", "server"]}).asked(features=("all",)),
         {"tools": ["tools"], "worker": ["worker", "server"]}, None),
        (with_settings(MANY, app={"bundle": ["worker", "server"]}).asked(bins=("server",)),
         {"server": ["server"]}, None),
        (MANY.asked(bins=("worker", "server"), overrides={"bundle": "server,worker"}),
         {"server": ["server", "worker"]}, None),
        (with_settings(RUN, app={"bins": ["worker"]}), {"worker": ["worker"]}, None),
        (with_settings(RUN, app={"bundle": ["server", "worker"]}), {"server": ["server", "worker"]}, None),
        (RUN.asked(bins=("worker",)), {"worker": ["worker"]}, None),
        (with_settings(ONE, app={"name": "shop"}), {"shop": ["app"]}, None),
        (Workspace((package("p", "My__App!x"),)), {"my__app-x": ["My__App!x"]}, None),
    ],
)  # fmt: skip
def test_what_is_built(workspace: Workspace, images: Mapping[str, Sequence[str]], arguments: str | None) -> None:
    check(workspace, images=images, arguments=arguments)


def test_what_is_left_out_is_said() -> None:
    check(
        MANY,
        images={"server": ["server"], "worker": ["worker"]},
        notes=["tools is left out: it needs the features admin"],
    )
    check(RUN, images={"server": ["server"]}, notes=["package app ships server, its default-run, and not worker"])


SOMEWHERE: dict[str, object] = {"outputs": (Output(OutputKind.OCI, Path("/out")),)}


@pytest.mark.parametrize(
    ("tags", "references"),
    [
        (("ghcr.io/me/{name}:{version}", "me/{package}"), ("ghcr.io/me/app:1.2.3", "docker.io/me/app:latest")),
        (("h.io/{name}:{git.sha}", "h.io/{name}:{git.short}"), (f"h.io/app:{SHA}", f"h.io/app:{SHA[:12]}")),
        (("h.io/{name}:{git.branch}", "h.io/{name}:{git.tag}"), ("h.io/app:fix-it", "h.io/app:v1.0-x")),
        (("h.io/a:1", "h.io/a:1"), ("h.io/a:1",)),
    ],
)
def test_tags(tags: tuple[str, ...], references: tuple[str, ...]) -> None:
    check(ONE.flags(tags=tags).asked(**SOMEWHERE), images={"app": ["app"]}, references=references)
    check(
        with_settings(ONE, app={"tags": ["h.io/other"]}).flags(tags=tags).asked(**SOMEWHERE),
        images={"app": ["app"]},
        references=references,
    )


@pytest.mark.parametrize("goes", [{}, SOMEWHERE, {"push": True}, {"push_by_digest": True}, {"load": True}])
def test_a_tag_that_names_nothing_is_reported(goes: dict[str, object]) -> None:
    typed = ONE.flags(tags=("ghcr.io/me/web:1",), compression="gzip").asked(**goes)
    reported = "nothing will be called ghcr.io/me/web:1: the image goes into a folder alone; --push or --load names it"
    check(typed, images={"app": ["app"]}, notes=[] if goes else [reported])
    check(with_settings(ONE, app={"tags": ["h.io/a"]}), images={"app": ["app"]}, notes=[])


RELEASE = structs.replace(GIT, tag="v1.0", branch=None)
CHANGED = structs.replace(RELEASE, changed=("src/main.rs",))


@pytest.mark.parametrize(
    ("git", "tags", "references"),
    [
        (RELEASE, ("h.io/a:{latest}", "h.io/a:{git.tag?}"), ("h.io/a:latest", "h.io/a:v1.0")),
        (structs.replace(GIT, tag="v1.0-rc.1"), ("h.io/a:{latest}", "h.io/a:{branch}"), ("h.io/a:fix-it",)),
        (structs.replace(GIT, tag=None), ("h.io/a:{latest}", "h.io/a:{git.tag?}", "h.io/a:1"), ("h.io/a:1",)),
        (CHANGED, ("h.io/a:{latest}", "h.io/a:{git.tag}", "h.io/a:{git.short}", "h.io/a:{version}"),
         ("h.io/a:v1.0-dirty", f"h.io/a:{SHA[:12]}-dirty", "h.io/a:1.2.3")),
        (None, ("h.io/a:{latest}", "h.io/a:{branch?}", "h.io/a"), ("h.io/a:latest",)),
    ],
)  # fmt: skip
def test_tags_that_depend_on_git(git: GitFacts | None, tags: tuple[str, ...], references: tuple[str, ...]) -> None:
    check(replace(ONE, git=git).flags(tags=tags).asked(**SOMEWHERE), images={"app": ["app"]}, references=references)


def test_a_changed_tree_is_reported_where_it_is_published() -> None:
    changed = replace(ONE, git=CHANGED).flags(tags=("h.io/a",))
    check(changed.asked(**SOMEWHERE), images={"app": ["app"]})
    check(
        changed.asked(push=True),
        images={"app": ["app"]},
        notes=["a changed tree, which differs from the commit in src/main.rs"],
    )


def test_a_tree_with_very_many_changes_is_no_page_of_paths() -> None:
    many = structs.replace(RELEASE, changed=tuple(f"a/long/folder/file-{number:02}.rs" for number in range(30)))
    check(
        replace(ONE, git=many).flags(tags=("h.io/a",)).asked(push=True),
        images={"app": ["app"]},
        notes=["a/long/folder/file-05.rs and 24 more"],
    )


OCI, TAR, DOCKER = OutputKind.OCI, OutputKind.OCI_ARCHIVE, OutputKind.DOCKER_ARCHIVE


@pytest.mark.parametrize(
    ("workspace", "family", "word", "hint"),
    [
        (TWO.asked(packages=("wrk",)), PackageUnknown, 'did you mean "work"?', "api, lib, work"),
        (TWO.asked(packages=("lib",)), NothingToShip, "package lib has no binary", ""),
        (replace(TWO, selected="lib"), NothingToShip, "no binary in lib", "choose with --package"),
        (Workspace((package("lib"),), "lib"), NothingToShip, "no binary in lib", "src/main.rs"),
        (ONE.asked(bins=("apo",)), BinaryUnknown, 'did you mean "app"?', "binaries: app"),
        (TWO.asked(packages=("api",), bins=("work",)), BinaryUnknown, "is in package work", "--package work"),
        (MANY.asked(bins=("tools",)), BinaryUnknown, "needs features that are off: admin", "--features admin"),
        (with_settings(MANY, app={"bins": ["tols"]}), BinaryUnknown, 'did you mean "tools"?', ""),
        (with_settings(MANY, app={"bundle": ["server", "tols"]}), BinaryUnknown, 'did you mean "tools"?', ""),
        (Workspace((package("app", TOOLS),)), NothingToShip, "with these features", "needs the features admin"),
        (ONE.asked(features=("pgs",)), FeatureUnknown, "'pgs' is not known; did you mean \"pg\"?", "default, pg, tls"),
        (ONE.asked(features=("app/pgs",)), FeatureUnknown, "did you mean", ""),
        (ONE.asked(features=("pqq/x",)), FeatureUnknown, "no package or dependency 'pqq'; did you mean \"pq\"?", ""),
        (with_settings(ONE, app={"features": ["pgs"]}), FeatureUnknown, "did you mean", ""),
        (replace(TWO, workspace={"features": ["z"]}), FeatureUnknown, "'z' is not known", ""),
        (ONE.flags(libc="gnu:2.5"), PlatformUnknown, "glibc 2.5", "gnu:2.17"),
        (ONE.flags(packages="libpq5"), UsageError, "app has packages, which need a base of Debian", '"deb:bookworm"'),
        (ONE.flags(packages="libpq5", base="debian:12-slim"), UsageError, "its base is 'debian:12-slim'", '"deb:'),
        (ONE.flags(**{"build-packages": "x-dev", "libc": "gnu"}), UsageError, "app has build-packages, which", '"deb:'),
        (ONE.flags(**{"build-packages": "x-dev", "base": "deb:bookworm"}), UsageError, "its libc is musl", '"gnu"'),
        (with_settings(TWO, api={"libc": "gnu", "base": "deb:bookworm", "build-packages": ["x-dev"]},
                       work={"libc": "gnu", "base": "deb:bookworm"}), UsageError, "different build-packages", ""),
        (ONE.flags(base="deb:bookworm", libc="gnu:2.37"), UsageError, "has glibc 2.36, and programs", '"gnu:2.36"'),
        (ONE.asked(jobs=0), UsageError, "0 jobs", ""),
        (with_settings(TWO, api={"libc": "gnu"}), UsageError, "different libc", "--package"),
        (with_settings(TWO, api={"allocator": "mimalloc"}), UsageError, "different allocator", "--package"),
        (ONE.flags(allocator="mimalloc", libc="gnu"), UsageError, "is for static musl programs", "leave it out"),
        (with_settings(TWO, api={"platforms": ["arm64"]}), UsageError, "different platforms", ""),
        (with_settings(TWO, api={"profile": "dist"}), UsageError, "different profile", ""),
        (ONE.flags(tags=("h.io/{nam}",)), UsageError, 'unknown placeholder {nam}; did you mean "name"?', "{git.sha}"),
        (replace(ONE, git=None).flags(tags=("h.io/x:{git.sha}",)), UsageError, "nothing is known for {git.sha}", ""),
        (replace(ONE, git=CHANGED).asked(require_clean=True), TreeNotClean, "src/main.rs", "--require-clean"),
        (replace(ONE, git=None).asked(require_clean=True), TreeNotClean, "no commit", "commit the project"),
        (replace(ONE, git=None).flags(tags=("h.io/a:{latest}",)).asked(push=True), UsageError,
         "every tag is left out", "{git.short}"),
        (ONE.flags(tags=("h.io/App",)), UsageError, "not a repository name", "lower case"),
        (ONE.flags(tags=("h.io/a@sha256:" + "0" * 64,)), UsageError, "has a digest", ""),
        (ONE.asked(push=True), UsageError, "nowhere to push app to", "--tag"),
        (ONE.asked(push_by_digest=True), UsageError, "nowhere to push app to", "--tag"),
        (ONE.asked(push=True, push_by_digest=True), UsageError, "exclude each other", "no tag"),
        (TWO.flags(tags=("h.io/x",)), UsageError, "share the reference h.io/x:latest", "{name}"),
        (replace(TWO, workspace={"name": "x"}), UsageError, "two images are called x", "set name"),
        (ONE.asked(load=True, overrides={"compression": "zstd"}), UsageError, "--load does not go with zstd", "gzip"),
        (
            ONE.asked(outputs=(Output(OutputKind.ROOTFS, ROOT / "x"),), overrides={"base": "debian:12"}),
            UsageError,
            "rootfs:/w/x cannot hold the files of the base 'debian:12'",
            "--base scratch",
        ),
        (ONE.asked(outputs=(Output(DOCKER, ROOT / "x"),), overrides={"compression": "zstd"}), UsageError, "zstd", ""),
        (TWO.asked(outputs=(Output(TAR, ROOT / "x"),)), UsageError, "would hold 2 images: api, work", "{name}"),
        (ONE.asked(outputs=(Output(TAR, ROOT / "x"), Output(OCI, ROOT / "x"))), UsageError, "two outputs", ""),
    ],
)  # fmt: skip
def test_refused(workspace: Workspace, family: type[CargoshipError], word: str, hint: str) -> None:
    refuse(workspace, family, word, hint)


@pytest.mark.parametrize(
    "key", [each.key for each in FIELDS if each.spec.scope in {SettingScope.BUILD, SettingScope.BUILD_IN_ANY_ORDER}]
)
def test_what_holds_for_the_build_is_the_same_for_all_packages(key: str) -> None:
    """Whatever setting is for the build, also one that is added: its own example beside its default."""
    example = tomllib.loads(f"value = {BY_KEY[key].spec.example}")["value"]
    refuse(with_settings(TWO, api={key: example}), UsageError, f"different {key}", f"set {key} in [workspace.metadata")


def test_the_order_of_platforms_is_no_difference() -> None:
    swapped = {"platforms": ["linux/arm64", "linux/amd64"]}
    check(with_settings(TWO, api=swapped), images={"api": ["api"], "work": ["work"]})


def test_what_engines_do_not_read_is_said() -> None:
    check(
        ONE.flags(healthcheck=["/app/app"]), images={"app": ["app"]}, notes=["only Docker reads the healthcheck of app"]
    )


@pytest.mark.parametrize(
    ("expose", "said"),
    [([], "asks port 8080, which expose does not have"), (["8080/udp"], "does not have (8080/udp)"), ([8080], None)],
)
def test_a_probe_of_a_port_that_is_not_exposed(expose: list[object], said: str | None) -> None:
    asked = ONE.flags(healthcheck={"http": "/health", "port": 8080}, expose=expose)
    notes = [note.text for note in asked.plan().notes if "asks port" in note.text]
    assert len(notes) == (0 if said is None else 1)
    assert said is None or said in notes[0]


def test_labels_and_annotations() -> None:
    reported = package(
        "app", "app", authors=("A <a@x>", "B"), description="Two\n  lines", homepage="https://h", license="MIT",
        documentation="https://d", metadata_cargoship={
            "labels": {"org.opencontainers.image.title": "Mine", "k": "v"}, "annotations": {"n": "1"}},
    )  # fmt: skip
    changed = Workspace((reported,), git=structs.replace(GIT, changed=("a",)))
    image = changed.plan().images[0]
    standard = {
        "authors": "A <a@x>, B",
        "description": "Two lines",
        "documentation": "https://d",
        "licenses": "MIT",
        "source": "https://git.example.com/me/w",
        "title": "app",
        "url": "https://h",
        "version": "1.2.3",
    }
    named = {f"org.opencontainers.image.{key}": value for key, value in standard.items()}
    assert image.labels == {**named, "org.opencontainers.image.title": "Mine", "k": "v"}
    assert image.annotations == image.index_annotations == {**named, "n": "1"}
    commit = {"org.opencontainers.image.created": "1970-01-02T00:00:00Z",
              "org.opencontainers.image.revision": SHA + "-dirty"}  # fmt: skip
    on_index = changed.flags(**{"provenance-labels": "index"}).plan().images[0]
    assert (on_index.labels, on_index.annotations) == (image.labels, image.annotations)
    assert on_index.index_annotations == {**image.annotations, **commit}
    everywhere = changed.flags(**{"provenance-labels": "image"}).plan()
    assert everywhere.images[0].labels == {**image.labels, **commit}
    assert everywhere.images[0].annotations == {**image.annotations, **commit}
    assert everywhere.created == "1970-01-02T00:00:00Z"
    untold = replace(changed, git=None).flags(**{"provenance-labels": "image"}).plan().images[0]
    assert not any(key.endswith(("created", "revision")) for key in untold.labels)


def test_source_is_the_manifests_first() -> None:
    image = Workspace((package("app", "app", repository="https://r"),)).plan().images[0]
    assert image.labels["org.opencontainers.image.source"] == "https://r"


@pytest.mark.parametrize(
    ("env", "git", "expected"),
    [({}, None, 0), ({}, GIT, 86400), ({"SOURCE_DATE_EPOCH": "7"}, GIT, 7), ({"SOURCE_DATE_EPOCH": ""}, GIT, 86400)],
)
def test_epoch(env: Mapping[str, str], git: GitFacts | None, expected: int) -> None:
    assert choose_epoch(env, git, Settings(provenance_labels="image")) == expected
    for where in ("none", "index"):
        assert choose_epoch(env, git, Settings(provenance_labels=where)) == int(env.get("SOURCE_DATE_EPOCH") or 0)


@pytest.mark.parametrize("where", ["none", "index", "image"])
def test_what_is_of_the_code_is_the_same_from_commit_to_commit(where: str) -> None:
    """Every commit, one of a README too, gave every image another digest."""
    one, other = (
        replace(ONE, git=git).flags(**{"provenance-labels": where}).plan()
        for git in (
            GIT,
            structs.replace(GIT, sha="f" * 40, commit_time=9 * 86400, tag=None, branch="main", changed=("README",)),
        )
    )
    ours, theirs = one.images[0], other.images[0]
    same_images = (ours.labels, ours.annotations, one.epoch) == (theirs.labels, theirs.annotations, other.epoch)
    same_index = ours.index_annotations == theirs.index_annotations
    assert (same_images, same_index) == (where != "image", where == "none")
    # what links a package to its repository is where GHCR reads it: on each image and on the index
    for reported in (ours.labels, ours.annotations, ours.index_annotations):
        assert reported["org.opencontainers.image.source"] == GIT.remote


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 30, "253402300800"])
def test_epoch_that_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        choose_epoch({"SOURCE_DATE_EPOCH": text}, None, Settings())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:out", Output(OCI, ROOT / "out")),
        ("oci-archive:/a/{name}.tar", Output(TAR, Path("/a/{name}.tar"))),
        ("docker-archive:a:b.tar", Output(DOCKER, ROOT / "a:b.tar")),
    ],
)
def test_output(text: str, expected: Output) -> None:
    assert Output.parse(text, cwd=ROOT) == expected
    assert str(expected.for_image("app").path) == str(expected.path).replace("{name}", "app")


@pytest.mark.parametrize("text", ["out", "oci", "oci:", "docker:x", "oci-achive:x", "", "oci://ghcr.io/me/app:1"])
def test_output_that_is_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Output.parse(text, cwd=ROOT)
    assert caught.value.hint


def test_json_has_a_fixed_shape() -> None:
    shown = plan_to_json(ONE.flags(tags=("h.io/{name}",), include=("a -> /a",), env={"B": "1", "A": "2"}).plan())
    assert list(shown) == [
        "version", "root", "target-dir", "platforms", "libc", "allocator", "auditable", "debug-symbols", "sbom",
        "sbom-creator", "provenance", "sign", "signature-format", "created", "epoch", "revision", "compile-on", "cargo",
        "images", "destinations", "notes",
    ]  # fmt: skip
    images = shown["images"]
    assert isinstance(images, list)
    image = images[0]
    assert isinstance(image, dict)
    config = image["config"]
    assert isinstance(config, dict)
    assert config.pop("labels") == image.pop("annotations") == image.pop("index-annotations")
    assert image == {
        "name": "app",
        "package": "app",
        "version": "1.2.3",
        "binaries": [{"name": "app", "package": "app"}],
        "references": ["h.io/app:latest"],
        "base": "static",
        "packages": [],
        "build-packages": [],
        "compression": "gzip",
        "config": {
            "user": "nonroot", "env": {"A": "2", "B": "1"}, "entrypoint": ["/app/app"], "args": [], "workdir": "/app",
            "expose": [], "volumes": [], "stop-signal": None, "healthcheck": None,
        },
        "probes": None,
        "include": [{"from": "a", "to": "/a", "mode": None, "owner": "0:0"}],
        "origins": {},
    }  # fmt: skip


def test_the_floor_is_that_of_the_libraries_that_are_linked() -> None:
    base = ONE.flags(base="deb:bookworm", libc="gnu")
    assert base.plan().libc == Libc.parse("gnu")
    assert base.asked(overrides={**base.selection.overrides, "build-packages": "x-dev"}).plan().libc == Libc.parse(
        "gnu:2.36"
    )
    own = {"base": "deb:bookworm", "build-packages": "x-dev", "libc": "gnu:2.17"}
    assert ONE.asked(overrides=own).plan().libc == Libc.parse("gnu:2.17")


TWICE = (package("a", "a", "migrate", features={"x": ()}), package("b", "b", "migrate", features={"y": ()}))


@pytest.mark.parametrize(
    ("bins", "builds"),
    [
        ({"a": ("a",), "b": ("b",)}, [("ab", "a b")]),
        ({"a": ("migrate",), "b": ("b",)}, [("a", "migrate"), ("b", "b")]),
        ({"a": ("a", "migrate"), "b": ("migrate",)}, [("a", "a migrate"), ("b", "migrate")]),
    ],
)
def test_two_binaries_of_one_name_are_not_built_into_one_file(
    bins: Mapping[str, Sequence[str]], builds: Sequence[tuple[str, str]]
) -> None:
    named = tuple(
        replace(each, metadata_cargoship={"bins": list(bins[each.name]), "bundle": list(bins[each.name])})
        if len(bins[each.name]) > 1
        else replace(each, metadata_cargoship={"bins": list(bins[each.name]), "name": f"image-{each.name}"})
        for each in TWICE
    )
    plan = Workspace(named).asked(features=("a/x,b/y",)).plan()
    assert [(build.packages, build.bins, build.features) for build in plan.builds] == [
        (
            tuple(f"{name}@1.2.3" for name in names),
            tuple(chosen.split()),
            tuple({"a": "a/x", "b": "b/y"}[name] for name in names),
        )
        for names, chosen in builds
    ]


def test_a_member_that_another_source_has_too_is_named_by_its_id() -> None:
    project = Project(
        root=ROOT, folder=ROOT, target_dir=ROOT / "target", packages=TWICE, default_members=TWICE, selected=None,
        lock=ROOT / "Cargo.lock", ambiguous=frozenset({"a@1.2.3"}),
    )  # fmt: skip
    selection = Selection(ROOT, bins=("a", "b"))
    settings, _ = load_settings(project, TWICE, env={}, overrides={})
    plan = make_plan(ProjectFacts(project, TWICE, settings, None), selection)
    assert plan.cargo.packages == ("path+file:///w/a#1.2.3", "b@1.2.3")


@pytest.mark.parametrize("lock", [None, ROOT / "Cargo.lock"])
def test_a_member_whose_name_is_not_ascii_is_named_in_the_way_that_cargo_reads(lock: Path | None) -> None:
    members = (replace(TWICE[0], name="süp", id="path+file:///w/a#süp@1.2.3"),)
    project = Project(
        root=ROOT, folder=ROOT, target_dir=ROOT / "target", packages=members, default_members=members, selected=None,
        lock=lock, ambiguous=frozenset({"süp@1.2.3"}),
    )  # fmt: skip
    assert project.specification(members[0]) == "süp@1.2.3"


SERVICES = Workspace(
    (
        package("core"),
        package("svc-api", "svc-api"),
        package("svc-mail", "svc-mail"),
        package("xtask", "xtask", metadata_cargoship={"skip": True}),
    )
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["svc-api", "svc-mail"]),
        ({"workspace": True}, ["svc-api", "svc-mail"]),
        ({"workspace": True, "exclude": ("svc-mail",)}, ["svc-api"]),
        ({"exclude": ("svc-[a-f]*",)}, ["svc-mail"]),
        ({"packages": ("svc-*",)}, ["svc-api", "svc-mail"]),
        ({"packages": ("*",)}, ["svc-api", "svc-mail"]),
        ({"packages": ("svc-*",), "exclude": ("*-api",)}, ["svc-mail"]),
        ({"packages": ("xtask",)}, ["xtask"]),
        ({"packages": ("svc-api", "xtask")}, ["svc-api", "xtask"]),
        ({"path": ROOT / "svc-api", "also": (ROOT / "svc-mail",)}, ["svc-api", "svc-mail"]),
        ({"path": ROOT / "svc-api" / "src", "also": (ROOT / "svc-api",)}, ["svc-api"]),
    ],
)
def test_which_packages_of_a_workspace(asked: dict[str, Any], expected: list[str]) -> None:
    check(SERVICES.asked(**asked), images={name: [name] for name in expected})


def test_packages_that_are_not_there_or_are_all_left_out() -> None:
    refuse(
        SERVICES.asked(packages=("srv-*",)), PackageUnknown, "no package of the workspace matches 'srv-*'", "svc-api"
    )
    refuse(SERVICES.asked(exclude=("svc-mial",)), PackageUnknown, "svc-mail")
    refuse(SERVICES.asked(packages=("8080:80",)), PackageUnknown, "'8080:80'", "for ports, write --set expose=PORT")
    both = "svc-api,svc-mail"
    refuse(SERVICES.asked(packages=(both,)), PackageUnknown, f"{both!r} is not", "write -p svc-api -p svc-mail")
    refuse(SERVICES.asked(exclude=("*",)), NothingToShip, "no package with a binary is left")
    refuse(SERVICES.asked(packages=("svc-api",), exclude=("svc-*",)), NothingToShip, "excluded")
    refuse(SERVICES.asked(packages=("cor*",)), NothingToShip, "libraries alone")
    refuse(SERVICES.asked(path=ROOT, also=(Path("/elsewhere"),)), PackageUnknown, "/elsewhere")
    library = SERVICES.asked(path=ROOT / "core", also=(ROOT / "svc-api",))
    refuse(library, NothingToShip, "package core has no binary, it is a library")
    alone = Workspace((package("xtask", "xtask", metadata_cargoship={"skip": True}),))
    refuse(alone, NothingToShip, "skip xtask", "--package")


@pytest.mark.parametrize(
    ("repository", "tags", "expected"),
    [
        ("ghcr.io/me", (), "ghcr.io/me/app:latest"),
        ("ghcr.io/me/", (":{version}",), "ghcr.io/me/app:1.2.3"),
        ("ghcr.io/me/x-{name}", (":2",), "ghcr.io/me/x-app:2"),
        ("ghcr.io/me", ("quay.io/me/{name}:1",), "quay.io/me/app:1"),
    ],
)
def test_a_repository_is_where_tags_need_not_be(repository: str, tags: Sequence[str], expected: str) -> None:
    check(ONE.flags(repository=repository, tags=tags).asked(push=True), images={"app": ["app"]}, references=[expected])


def test_a_tag_of_no_repository_is_refused() -> None:
    refuse(ONE.flags(tags=(":1",)), UsageError, "':1'", "CARGOSHIP_REPO")
    refuse(ONE.flags(repository="ghcr.io/me:1"), UsageError, "repository")
    refuse(ONE.flags(repository="ghcr.io/ME"), UsageError, "repository")


def test_all_platforms() -> None:
    assert len(ONE.flags(platforms="all").plan().platforms) == len(TABLE)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("type=docker", "write --load"),
        ("type=oci,dest=a.tar", "write -o oci-archive:a.tar"),
        ("type=registry", "write --push"),
        ("type=image,push=true", "write --push"),
        ("type=local,dest=out", "write -o rootfs:out"),
    ],
)
def test_an_output_in_buildxs_words_is_translated(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="in Buildx's words") as refused:
        Output.parse(text, cwd=ROOT)
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [("kind", "kind:kind"), ("kind:dev", "kind:dev"), ("minikube", "minikube:minikube"), ("k3d", "k3d:k3s-default")],
)
def test_a_cluster(text: str, expected: str) -> None:
    assert str(Cluster.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "knid", "kind:", "kind:-x", "docker"])
def test_what_is_no_cluster(text: str) -> None:
    with pytest.raises(UsageError, match="no local cluster"):
        Cluster.parse(text)
