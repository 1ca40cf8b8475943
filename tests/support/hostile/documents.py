# ruff: noqa: E501 - the documents are one line each
"""Hostile documents: Kubernetes, Compose, task definitions, templates."""

from __future__ import annotations

import contextlib
from pathlib import Path

from cargoship.deploy import ecs
from cargoship.deploy.documents import Format, SourceFile, scan
from cargoship.deploy.handover import compose_files
from cargoship.deploy.places import Page
from cargoship.deploy.resolve import ResolvedDocument
from cargoship.deploy.selector import Selector
from cargoship.deploy.tree import read_documents
from cargoship.deploy.values import value_of
from cargoship.errors import CargoshipError
from cargoship.events import Event, Note
from support.hostile.changes import Chance, as_json, changed, changed_text
from support.hostile.judge import Kind, shown

_SHAPES = (
    (
        "a.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {labels: {a: b}}\nspec:\n  template:\n    spec:\n      containers:\n      - image: cargoship://app\n",
    ),
    (
        "a.yaml",
        "---\nkind: Pod\nspec: {containers: [{image: 'cargoship://app#digest'}]}\n---\nkind: List\nitems:\n- kind: Pod\n",
    ),
    (
        "compose.yaml",
        "x-a: &a\n  image: cargoship://app\nservices:\n  one: {<<: *a, ports: ['80'], platform: linux/arm64}\n  two:\n    <<: *a\n    extends: {file: other.yaml, service: x}\n    build: .\n    x-cargoship: ./app\ninclude: [third.yaml]\n",
    ),
    (
        "values.yaml",
        'image:\n  repository: "{{ .Values.image | default "cargoship://app#name" }}"\n  b: |\n    cargoship://app\n  c: >-\n    x\n',
    ),
    (
        "task.json",
        '{"family": "web", "containerDefinitions": [{"image": "cargoship://app", "n": 1.5e3}], "runtimePlatform": {"cpuArchitecture": "ARM64"}}',
    ),
    ("a.json", '{"kind": "Pod", "image": "cargoship://app"}\n{"kind": "Pod"} ["cargoship://app"]'),
    ("web.nomad.hcl", 'config {\n  image = "cargoship://app"\n}\n'),
    ("stdin", "image: cargoship://app # comment\nb: !Ref x\nc: 2026-01-01\nd: 0755\n? [a, b]\n: c\n"),
)
_BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n"
        for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "a: &a {b: *a}\n",
    "<<: &a {<<: *a}\nimage: cargoship://app\n",
    "services: &s {a: *s}\n",
    "[" * 20_000,
    "{" * 20_000,
    "- " * 20_000,
    "a:\n" + " " * 3000 + "b: 1\n",
    "? " * 5_000,
    "&a " * 3000,
    "!!a " * 3000,
    "'" * 50_001,
    "a: |\n" + " x\n" * 20_000,
    "{{" * 20_000,
    "%YAML 9.9\n---\na: b\n",
    "a: *unknown\n",
    "\t- a\n",
    "a: b: c\n",
    "cargoship://" * 5000,
    '{"a":' * 20_000,
    "- - - cargoship://a\n" * 2000,
    "base: &b {image: cargoship://app}\nservices:\n" + "".join(f"  s{n}: {{<<: [*b, *b, *b]}}\n" for n in range(1500)),
)


def _hear(note: Event) -> None:
    if isinstance(note, Note):
        assert note.text


def _read(name: str, text: str, chance: Chance, folder: Path) -> None:
    data = text.encode("utf-8", "surrogatepass")
    source = SourceFile(
        "stdin" if name == "stdin" else name, data, folder, Path("stdin.yaml" if name == "stdin" else name)
    )
    selector = None
    if chance.often(0.2):
        with contextlib.suppress(CargoshipError):
            selector = Selector.parse(changed_text("a=b,c in (d, e),!f", chance))
    form = Format.AUTO if chance.often(0.8) else chance.choice(list(Format))
    found = scan(source, form, selector, _hear)
    made = found.filled(lambda _: "registry.example/app@sha256:" + "a" * 64)
    assert found.spots or selector is not None or made == data or not data.isascii()
    for spot in found.spots:
        shown(str(spot.place))


def shapes(chance: Chance, folder: Path) -> None:
    """Documents that somebody has changed."""
    name, text = chance.choice(_SHAPES)
    _read(name, changed_text(text, chance), chance, folder)


def compose(chance: Chance, folder: Path) -> None:
    """Compose files that lead to other files."""
    for name in ("other.yaml", "third.yaml", ".env"):
        text = changed_text(
            "services:\n  x:\n    build: .\n    extends: {file: other.yaml, service: x}\nCOMPOSE_FILE=a.yaml:b.yaml\n",
            chance,
        )
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    if chance.often(0.1):
        (folder / "third.yaml").unlink()
        (folder / "third.yaml").symlink_to(chance.choice(("/dev/zero", ".", "third.yaml", "/etc")))
    text = changed_text(_SHAPES[2][1], chance)
    (folder / "compose.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(CargoshipError):
        compose_files(folder, {"COMPOSE_FILE": changed_text("a.yaml:b.yaml", chance)} if chance.often() else {})
    _read("compose.yaml", text, chance, folder)


def bombs(chance: Chance, folder: Path) -> None:
    """Documents that are small, and would be large, deep or without an end."""
    text = chance.choice(_BOMBS)
    if chance.often(0.3):
        text = changed_text(text, chance)
    _read(chance.choice(("a.yaml", "compose.yaml", "a.json", "a.txt", "stdin")), text, chance, folder)


_TASK = {
    "family": "web",
    "containerDefinitions": [{"name": "web", "image": "x", "environment": [{"name": "A", "value": "b"}]}],
    "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
}


def tasks(chance: Chance, _: Path) -> None:
    """Task definitions as they are handed on, and values of YAML."""
    data = as_json(changed(_TASK, chance), chance).decode("utf-8", "replace").encode()
    with contextlib.suppress(CargoshipError):
        ecs.task_input(ResolvedDocument("task.json", Path("task.json"), data))
    text = changed_text("a: 0755\nb: 22:22\nc: on\nd: 1_000\ne: .inf\nf: !!binary aGk=\ng: 2026-01-01\nh: ~\n", chance)
    text = text.encode("utf-8", "replace").decode()
    page = Page("a.yaml", text)
    for document in read_documents(text, "a.yaml", "cargoship://"):
        value_of(document.root, page)


KINDS = (
    Kind("documents", shapes, 4),
    Kind("documents that lead to others", compose, 1, on_disk=True),
    Kind("documents that are bombs", bombs, 0.05),
    Kind("task definitions", tasks, 3),
)
