# ruff: noqa: E501 - the cases are one line each
"""Compose files: a service's build becomes its image, and nothing else changes."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.deploy.documents import ScannedFile
from cargoship.errors import CargoshipError, DocumentInvalid, ReferenceUnknown
from cargoship.events import Note
from support.deploying import Workplace

# %R is where the image comes, what follows `=>` what the line becomes
CASES: dict[str, tuple[str, str]] = {
    "an image that another file's is taken away by": (
        "services:\n  app:\n    build: app\n    image: !reset null\n",
        'services:\n  app:\n    x-build: app\n    image: "%R"\n',
    ),
    "an empty image with an anchor": (
        "services:\n  app:\n    build: app\n    image: &i\n    command: *i\n",
        'services:\n  app:\n    x-build: app\n    image: &i "%R"\n    command: *i\n',
    ),
    "an image without a colon": (
        "services: {app: {build: app, image}}\n",
        'services: {app: {x-build: app, image: "%R"}}\n',
    ),
    "a key that escapes hide": (
        '{"services": {"app": {"b\\u0075ild": "app"}}}\n',
        '{"services": {"app": {"image": "%R", "x-build": "app"}}}\n',
    ),
    "lines that end as on old machines": (
        "services:\r  app:\r    build: app\r    tty: true\r",
        'services:\r  app:\r    image: "%R"\r    x-build: app\r    tty: true\r',
    ),
    "a folder": (
        "services:\n  app:\n    build: ./app # here\n    ports: ['80:80']\n",
        "services:\n  app:\n    image: \"%R\"\n    x-build: ./app # here\n    ports: ['80:80']\n",
    ),
    "a table": (
        "services:\n  app:\n    build:\n      # where\n      context: app\n      args: {A: 1}\n    restart: always\n",
        'services:\n  app:\n    image: "%R"\n    x-build:\n      # where\n      context: app\n      args: {A: 1}\n    restart: always\n',
    ),
    "with an image": (
        "services:\n  app:\n    image: old/name:1 # kept\n    build: app\n",
        "services:\n  app:\n    image: %R # kept\n    x-build: app\n",
    ),
    "with a quoted image after it": (
        "services:\n  app:\n    build: app\n    image: &i 'old/name:1'\n",
        "services:\n  app:\n    x-build: app\n    image: &i '%R'\n",
    ),
    "with a folded image": (
        "services:\n  app:\n    build: app\n    image: >-\n      old\n\n    tty: true\n",
        "services:\n  app:\n    x-build: app\n    image: >-\n      %R\n\n    tty: true\n",
    ),
    "with an image that is empty": (
        "services:\n  app:\n    image:  # kept\n    build: app\n",
        'services:\n  app:\n    image: "%R"  # kept\n    x-build: app\n',
    ),
    "in braces": (
        "services: {app: {build: app, tty: true}, b: {image: x}}\n",
        'services: {app: {image: "%R", x-build: app, tty: true}, b: {image: x}}\n',
    ),
    "in JSON": (
        '{"services": {"app": {"build": {"context": "app"}}}}\n',
        '{"services": {"app": {"image": "%R", "x-build": {"context": "app"}}}}\n',
    ),
    "crlf": (
        "services:\r\n  app:\r\n      build: app\r\n      tty: true\r\n",
        'services:\r\n  app:\r\n      image: "%R"\r\n      x-build: app\r\n      tty: true\r\n',
    ),
    "an anchor for several services": (
        "x-base: &base\n  build: app\nservices:\n  one:\n    <<: *base\n  two:\n    <<: [*base]\n    tty: true\n",
        'x-base: &base\n  image: "%R"\n  x-build: app\nservices:\n  one:\n    <<: *base\n  two:\n    <<: [*base]\n    tty: true\n',
    ),
    "an anchored build": (
        "services:\n  one:\n    build: &b {context: app}\n  two:\n    build: *b\n",
        'services:\n  one:\n    image: "%R"\n    x-build: &b {context: app}\n  two:\n    image: "%R"\n    x-build: *b\n',
    ),
    "a reference beside a build": (
        "services:\n  web:\n    image: cargoship://app\n    build: .\n",
        "services:\n  web:\n    image: %R\n    x-build: .\n",
    ),
    "a policy that asks for a build, and none": (
        "services:\n  web:\n    image: cargoship://app\n    pull_policy: build\n  b:\n    image: x\n    pull_policy: build\n",
        "services:\n  web:\n    image: %R\n    x-pull_policy: build\n  b:\n    image: x\n    pull_policy: build\n",
    ),
    "a reference alone": ("services:\n  web:\n    image: cargoship://app\n", "services:\n  web:\n    image: %R\n"),
    "a build in an override is merged first": (
        "x-b: &b {image: x}\nservices:\n  app:\n    <<: *b\n    build: app\n",
        "x-b: &b {image: %R}\nservices:\n  app:\n    <<: *b\n    x-build: app\n",
    ),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, {"app": ["app"]})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_build_becomes_an_image(place: Workplace, case: tuple[str, str]) -> None:
    source, expected = case
    name = "compose.json" if source.startswith("{") else "compose.yaml"
    (document,) = place.resolve((name, source.encode())).documents
    assert document.data.decode() == expected.replace("%R", place.reference("app"))
    assert len(place.builder.built) == 1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_comes_out_is_what_compose_takes(place: Workplace, case: tuple[str, str]) -> None:
    name = "compose.json" if case[0].startswith("{") else "compose.yaml"
    (document,) = place.resolve((name, case[0].encode())).documents
    import jsonschema  # noqa: PLC0415 - seconds

    found = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.Draft7Validator(json.loads(found.read_text(encoding="utf-8"))).validate(yaml.safe_load(document.data))


@pytest.mark.parametrize(
    ("build", "why"),
    [
        ("./db", "there is no Cargo.toml in ./db"),
        ("{context: app, dockerfile: other.Dockerfile}", "it names a dockerfile"),
        ("{context: app, dockerfile_inline: FROM x}", "it names a dockerfile_inline"),
        ("https://github.com/me/app.git#main", "is not on this machine"),
        ("git@github.com:me/app.git", "is not on this machine"),
        ("${WHERE}/app", "depends on a variable"),
        ("{args: {A: 1}}", "it names no folder"),
        ("[app]", "it is no folder"),
        ("", "it names no folder"),
        ("null", "it names no folder"),
        ("{context: ~}", "it names no folder"),
        ("!reset app", "!reset takes it away"),
    ],
)
def test_a_build_that_is_no_cargo_project_is_left_alone_and_reported(place: Workplace, build: str, why: str) -> None:
    source = f"services:\n  web:\n    image: x\n    build: {build}\n"
    (document,) = place.resolve(("compose.yaml", source.encode())).documents
    assert document.data.decode() == source
    notes = [event.text for event in place.events if isinstance(event, Note)]
    assert any(text.startswith("compose.yaml:4:5: the build of web is left alone: ") and why in text for text in notes)
    assert place.builder.planned == place.builder.built == []


def test_what_takes_another_files_build_away_stays(place: Workplace) -> None:
    text = "services:\n  web:\n    build: !reset null\n    image: %s\n"
    (document,) = place.resolve(("compose.override.yaml", (text % "cargoship://app").encode())).documents
    assert document.data.decode() == text % place.reference("app")


def test_what_a_build_says_beside_its_folder_is_reported(place: Workplace) -> None:
    source = "services:\n  web:\n    build: {context: app, target: x, args: {A: 1}}\n"
    place.resolve(("compose.yaml", source.encode()))
    assert any(isinstance(each, Note) and "args, target means nothing" in each.text for each in place.events)


def test_objects_of_kubernetes_and_other_files_have_no_builds(place: Workplace) -> None:
    for source in (
        "apiVersion: example.com/v1\nservices: {web: {build: app}}\n",
        "build: app\n",
        "services: [{build: app}]\n",
        "services: {web: [build, app]}\n",
    ):
        (document,) = place.resolve(("compose.yaml", source.encode())).documents
        assert document.data.decode() == source


def test_the_services_name_chooses_among_binaries(tmp_path: Path) -> None:
    place = Workplace(tmp_path, {"app": ["app", "app-worker"]})
    source = "services:\n  app-worker:\n    build: app\n"
    (document,) = place.resolve(("compose.yaml", source.encode())).documents
    assert place.reference("app-worker") in document.data.decode()
    with pytest.raises(ReferenceUnknown) as caught:
        place.resolve(("compose.yaml", b"services:\n  web:\n    build: app\n"))
    assert caught.value.message.startswith("compose.yaml:3:5: ")
    assert caught.value.message.endswith("has 2 images, and none is called web")
    assert (caught.value.hint or "").endswith("one of cargoship://app/app, cargoship://app/app-worker")


def test_one_place_cannot_have_two_images(tmp_path: Path) -> None:
    place = Workplace(tmp_path, {"app": ["app"], "other": ["other"]})
    source = (
        "x-i: &i {image: old}\nservices:\n  app:\n    <<: *i\n    build: app\n  other:\n    <<: *i\n    build: other\n"
    )
    with pytest.raises(DocumentInvalid) as caught:
        place.resolve(("compose.yaml", source.encode()))
    assert "two images are wanted in one place" in caught.value.message
    assert place.reference("app") in caught.value.message
    assert "image:" not in caught.value.message


def test_a_shared_build_of_services_with_and_without_an_image_is_called_so(tmp_path: Path) -> None:
    place = Workplace(tmp_path, {"app": ["app"]})
    source = "services:\n  app: &a\n    build: app\n  other:\n    <<: *a\n    image: old\n"
    with pytest.raises(DocumentInvalid) as caught:
        place.resolve(("compose.yaml", source.encode()))
    assert caught.value.message == (
        "compose.yaml:3:5: an anchor is shared here by services that have an image of their own and services that have none"
    )


PIECES = (
    "\n", " ", ":", " :", "- ", "#", "'", '"', "[", "]", "{", "}", ",", "&a ", "*a", "!!str ", "|\n", "\t", "\r", "\\x62", "? ",
    "---\n", "<<: ", "build: app", "x-build: app", "'build'", "image: x", "pull_policy: build", "app", "\ufeff", "\u2028", "k" * 1200,
)  # fmt: skip
CUTS = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 9), st.sampled_from(PIECES)), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(shape=st.sampled_from([source for source, _ in CASES.values()]), cuts=CUTS)
def test_what_is_not_read_again_would_have_passed(
    tmp_path_factory: pytest.TempPathFactory, shape: str, cuts: list[tuple[int, int, str]]
) -> None:
    """Where a build is written as most people write it, the result is not parsed: it has to be as if it were."""
    place = Workplace(tmp_path_factory.getbasetemp() / "services", {"app": ["app"]})
    text = shape
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]

    def outcome() -> str:
        try:
            return place.resolve(("compose.yaml", text.encode())).documents[0].data.decode()
        except CargoshipError as error:
            return error.message

    trusting = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScannedFile, "_is_plain", lambda *_: False)
        assert outcome() == trusting


@pytest.mark.parametrize(
    ("base", "override", "warned"),
    [
        ("build: ./cache", "image: cargoship://app", True),
        ("image: cargoship://app", "build: {context: ., dockerfile: D}", True),
        ("build: ./cache", "image: cargoship://app\n    build: !reset null", False),
        ("build: ./cache", "image: nginx", False),
        ("build: app", "image: cargoship://app", False),
    ],
)
def test_a_build_in_another_file_that_compose_would_take_is_warned_about(
    place: Workplace, base: str, override: str, *, warned: bool
) -> None:
    files = [("compose.yaml", base), ("compose.override.yaml", override)]
    place.resolve(*((name, f"services:\n  web:\n    {text}\n".encode()) for name, text in files))
    warnings = [each.text for each in place.events if isinstance(each, Note) and "Compose would build web" in each.text]
    assert len(warnings) == warned
