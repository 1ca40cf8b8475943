"""The text of generated Dockerfiles; that Docker understands it is what tests/e2e/test_dockerfile.py sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Binary, Package, Project
from cargoship.dockerfile import (
    BuilderImage,
    DockerfileOptions,
    PrivateSources,
    Variant,
    dockerfile,
    dockerignore,
    is_ours,
    recorded,
)
from cargoship.errors import UsageError
from cargoship.plan import Plan, ProjectFacts, Selection, choose_packages, make_plan
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_settings

ROOT = Path("/w")
GIT = GitFacts("0123456789abcdef0123456789abcdef01234567", 86400, branch="main", remote="https://git.example.com/w")
WISHES = DockerfileOptions(
    builder=BuilderImage("rust:1.96.0-slim-bookworm"),
    requirements=("cargoship==1.2.3", "ziglang==0.17.1"),
    version="1.2.3",
    arguments=("--rust", "1.96.0"),
)


def plan(*packages: str, settings: Mapping[str, object] | None = None, **asked: Any) -> Plan:  # noqa: ANN401
    """A plan for packages with one binary each, a workspace if there are several."""
    found = tuple(
        Package(
            f"path+file:///w/{name}#1.2.3", name, "1.2.3", ROOT / name / "Cargo.toml", ROOT / name,
            (Binary(name, name),), features={"tls": ()}, description=f"What {name} does", license="MIT",
        )
        for name in packages
    )  # fmt: skip
    project = Project(
        ROOT, ROOT, ROOT / "target", found, found, None, ROOT / "Cargo.lock", metadata_cargoship=settings or {}
    )
    selection = Selection(ROOT, **asked)
    chosen = choose_packages(project, selection)
    loaded, notes = load_settings(project, chosen, env={}, overrides=selection.overrides)
    return make_plan(ProjectFacts(project, chosen, loaded, GIT, notes=notes), selection)


EVERYTHING: dict[str, object] = {
    "env": {"RUST_LOG": 'info,x="debug"', "PRICE": "5$ a\\b", "EMPTY": ""},
    "expose": [8080, "53/udp"],
    "user": "1000:1001",
    "labels": {"com.example.team": "a 'b' \"c\" $HOME", "odd key": "x"},
    "entrypoint": ["/app/web", "--name", "$NAME"],
    "args": ["serve", "a b"],
    "workdir": "/da ta/$x",
    "stop-signal": "INT",
    "volumes": ["/state", "/s$x"],
    "healthcheck": {"command": ["/app/web", "--health"], "interval": "1m30s", "timeout": "500ms", "retries": 3},
    "tags": ["ghcr.io/me/{name}:{git.short}"],
}
PLANS = {
    "defaults": (plan("web"), WISHES),
    "native": (plan("web"), replace(WISHES, variant=Variant.NATIVE, arguments=("--variant", "native"))),
    "every setting": (plan("web", settings=EVERYTHING), WISHES),
    "another base": (
        plan("web", settings={"base": "debian:12-slim", "libc": "gnu:2.31", "env": {"A": "b"}}, features=("tls",)),
        WISHES,
    ),
    "another base, a static program": (plan("web", settings={"base": "debian:12-slim"}), WISHES),
    "two images": (plan("api", "worker", settings={"bins": ["api", "worker"]}), WISHES),
    "private sources": (
        plan("web"),
        replace(WISHES, private=PrivateSources(ssh=True, git=True, registries=("https://c.example.com/",), token=True)),
    ),
    "one of two": (plan("api", "worker", packages=("worker",), bins=("worker",)), replace(WISHES, bins=("worker",))),
    "packages, a wheel and a toolchain file": (
        plan("web", overrides={"platforms": ("linux/amd64", "linux/arm/v7")}, no_default_features=True, locked=False),
        replace(
            WISHES,
            builder=BuilderImage("registry.example.com/rust:1", toolchain_file="rust-toolchain.toml"),
            wheel="dist/cargoship-1.2.3-py3-none-any.whl",
            apt=("cmake", "libpq-dev"),
            file="docker/Dockerfile.web",
        ),
    ),
    "Alpine, and a channel that is pinned": (
        plan("web"),
        replace(WISHES, builder=BuilderImage("rust:1.96.0-alpine", channel="1.96.0"), apk=("cmake",)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_the_text(name: str, snapshot: SnapshotAssertion) -> None:
    made, wishes = PLANS[name]
    assert dockerfile(made, wishes) == snapshot


@pytest.mark.parametrize("name", PLANS)
def test_what_holds_for_all(name: str) -> None:
    made, wishes = PLANS[name]
    text = dockerfile(made, wishes)
    stages = [line.rpartition(" AS ")[2] for line in text.splitlines() if line.startswith("FROM ")]
    assert stages[:4] == ["tools", "planner", "dependencies", "build"]
    assert all(stage.startswith("runtime") for stage in stages[4:])
    last = text[text.index("AS runtime") :]
    # nothing runs where it would be emulated
    assert "RUN" not in last
    assert text.count("USER ") == len(made.images)
    assert "USER root" not in last
    # what the stages share must be the same words, or cargo compiles dependencies twice
    cooked, built = (
        text.split(f"cargoship {verb} ")[1].splitlines()[0].rstrip(" \\") for verb in ("recipe cook", "build")
    )
    assert cooked == built
    # read by the BuildKit of 20.10, and without a registry
    assert "<<" not in text
    assert "# syntax" not in text
    if wishes.variant is Variant.CROSS:
        assert "TARGET" not in text[: text.index("AS runtime")]
        assert "FROM --platform=$BUILDPLATFORM" in text
    assert "1970" not in text
    assert GIT.sha not in text


def test_a_new_version_or_commit_does_not_change_it() -> None:
    before = plan("web")
    image = before.images[0]
    newer = replace(
        before,
        images=(replace(image, labels={**image.labels, "org.opencontainers.image.version": "2.0.0"}),),
        revision="f" * 40,
    )
    assert dockerfile(newer, WISHES) == dockerfile(before, WISHES)


def test_what_is_copied_may_have_any_name() -> None:
    """Words are parted at spaces, quoted or not; a list has them whole, with variables replaced."""
    wishes = replace(WISHES, private=PrivateSources(folders=("my $crates", "vendor")), wheel="my dist/c.whl")
    text = dockerfile(plan("web"), wishes)
    assert '\nCOPY ["my dist/c.whl", "/tmp/"]\n' in text
    recipe = "COPY --from=planner /src/recipe.json ./"
    assert f'\n{recipe}\nCOPY ["my \\\\$crates/", "./my \\\\$crates/"]\nCOPY vendor/ ./vendor/\nRUN ' in text


def test_quotes_in_a_folder_are_letters_of_its_name() -> None:
    """Docker takes them away, or looks for a second one."""
    text = dockerfile(plan("web", settings={"workdir": "/it's", "volumes": ['/a"b']}), WISHES)
    assert "\nWORKDIR /it\\'s\n" in text
    assert '\nVOLUME ["/a\\\\\\"b"]\n' in text


def test_the_first_line_says_how_it_was_made() -> None:
    arguments = ("--apt", "cmake", "--package", "a'b c")
    text = dockerfile(plan("web"), replace(WISHES, arguments=arguments))
    assert is_ours(text)
    assert recorded(text) == arguments
    assert not is_ours("FROM scratch\n")
    assert recorded("# Made by cargoship 1: cargoship dockerfile 'open") == ()


TWO_BASES = plan("a", "b")
TWO_BASES = replace(
    TWO_BASES,
    images=(TWO_BASES.images[0], replace(TWO_BASES.images[1], settings=Settings(base="debian:12"))),
)
REFUSED = {
    "a base that is a folder": (plan("web", settings={"base": "oci:base"}), WISHES, "cannot take oci:base as a base"),
    "a base of packages": (
        plan("web", settings={"base": "deb:bookworm"}),
        WISHES,
        "Docker has no image of it",
    ),
    "a line break": (plan("web", settings={"env": {"A": "one\ntwo"}}), WISHES, "env A has a line break"),
    "a line break in a label": (plan("web", settings={"labels": {"a": "b\nUSER root"}}), WISHES, "label a has a line"),
    "a sign that ends a name": (
        plan("web", settings={"labels": {"a=b": "c"}}),
        WISHES,
        "the name of label a=b has a =",
    ),
    "a blank at an end": (plan("web", settings={"workdir": "/srv "}), WISHES, "workdir begins or ends with a blank"),
    "a line break in an argument": (plan("web", settings={"args": ["a\nb"]}), WISHES, "args has a line break"),
    "both kinds of packages": (plan("web"), replace(WISHES, apt=("a",), apk=("b",)), "--apt and --apk"),
    "bases of two kinds": (TWO_BASES, WISHES, "a, b stand on bases of different kinds"),
    "no package": (plan("web"), replace(WISHES, apt=("a; rm -rf /",)), "is not the name of a package"),
    "an option as a package": (plan("web"), replace(WISHES, apt=("--yes",)), "is not the name of a package"),
    "no image": (plan("web"), replace(WISHES, builder=BuilderImage("rust:1\nRUN evil")), "--builder has a line break"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_dockerfile_cannot_hold_is_refused(name: str) -> None:
    made, wishes, words = REFUSED[name]
    with pytest.raises(UsageError, match=words):
        dockerfile(made, wishes)


def test_the_build_context_leaves_out_what_does_not_count(snapshot: SnapshotAssertion) -> None:
    assert dockerignore(plan("web"), WISHES) == snapshot
    elsewhere = replace(plan("web"), target_dir=ROOT / "out" / "build")
    assert "\nout/build\n" in dockerignore(elsewhere, WISHES)
    apart = replace(plan("web"), build_dir=ROOT / "between")
    assert "\nbetween\n" in dockerignore(apart, WISHES)
    site = plan("web", settings={"include": ["../target/site/** -> /srv/", "a/** -> /a/", "target/b -> /b"]})
    assert "\ntarget\n# but what goes into an image\n!target/site/**\n# a commit" in dockerignore(site, WISHES)
    outside = replace(plan("web"), target_dir=Path("/var/target"))
    assert "/var" not in dockerignore(outside, WISHES)
