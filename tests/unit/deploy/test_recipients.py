"""What kubectl refuses is refused before anything is built."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from cargoship.deploy.documents import Format, SourceFile
from cargoship.deploy.recipients import check_for_compose, check_for_kubectl
from cargoship.deploy.resolve import ResolveRequest, prepare
from cargoship.deploy.selector import Selector
from cargoship.errors import DocumentInvalid
from cargoship.plan import Selection
from support.deploying import Workplace

_POD = "apiVersion: v1\nkind: Pod\nmetadata: {labels: {app: a}}\nspec: {containers: [{image: 'cargoship://app'}]}\n"


def check(folder: Path, name: str, text: str, form: Format = Format.AUTO, labels: str | None = None) -> None:
    place = Workplace(folder, {"app": ["app"]})
    source = SourceFile(name, text.encode(), folder, PurePath(name))
    selector = None if labels is None else Selector.parse(labels)
    request = ResolveRequest((source,), (folder,), Selection(folder), selector, form)
    prepare(request, place.context(), place.builder, check_for_kubectl)


@pytest.mark.parametrize(
    ("name", "text", "said", "hint"),
    [
        (
            "main.tf",
            'image = "cargoship://app"\n',
            "main.tf: this is no object of Kubernetes: it is neither",
            "cargoship resolve -f main.tf",
        ),
        ("a.yaml", "{{ if .x }}\nimage: cargoship://app\n{{ end }}\n", "a.yaml: this is a template", "helm template"),
        (
            "compose.yaml",
            "services:\n  a: {image: 'cargoship://app'}\n",
            "compose.yaml:1:1: this is no object",
            "cargoship up -f compose.yaml",
        ),
        (
            "task.yaml",
            "containerDefinitions: [{image: 'cargoship://app'}]\n",
            "task.yaml:1:1: ",
            "cargoship deploy -f task.yaml",
        ),
        (
            "task.json",
            '{"containerDefinitions": [{"image": "cargoship://app"}]}',
            "task.json:1:1: ",
            "cargoship deploy -f task.json",
        ),
        ("a.json", '{"kind": "Pod", "a": "cargoship://app"}\n{"b": 1}', "a.json:2:1: ", "cargoship resolve -f a.json"),
        ("a.yaml", _POD + "---\nimage: x\n", "a.yaml:6:1: this is no object", "cargoship resolve -f a.yaml"),
        ("a.yaml", _POD + "---\n- x\n", "a.yaml:6:1: this is no object", ""),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, name: str, text: str, said: str, hint: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        check(tmp_path, name, text)
    assert caught.value.message.startswith(said)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("text", [_POD, "---\n" + _POD + "---\n# nothing\n---\n~\n", "\ufeff" + _POD, "# nothing\n"])
def test_objects_and_nothing_are_taken(tmp_path: Path, text: str) -> None:
    check(tmp_path, "a.yaml", text)


def test_what_is_not_chosen_or_is_to_be_text_is_not_looked_at(tmp_path: Path) -> None:
    check(tmp_path, "a.yaml", _POD + "---\nimage: x\n", labels="app=a")
    check(tmp_path, "a.txt", _POD, form=Format.TEXT)


def test_what_a_document_is_comes_before_what_it_wants(tmp_path: Path) -> None:
    """A template in a project without tags was answered with "nowhere to push"."""
    with pytest.raises(DocumentInvalid, match="this is a template"):
        check(tmp_path, "a.yaml", "{{ if .x }}\nimage: cargoship://not-there\n{{ end }}\n")


def check_compose(folder: Path, name: str, text: str) -> None:
    place = Workplace(folder, {"app": ["app"]})
    request = ResolveRequest((SourceFile(name, text.encode(), folder, PurePath(name)),), (folder,), Selection(folder))
    prepare(request, place.context(), place.builder, check_for_compose)


@pytest.mark.parametrize(
    ("name", "text", "said", "hint"),
    [
        ("a.yaml", _POD, "a.yaml:1:1: this is no Compose file: none has apiVersion", "cargoship apply -f a.yaml"),
        (
            "task.json",
            '{"containerDefinitions": [{"image": "cargoship://app"}]}',
            "task.json:1:1: this is no Compose file",
            "cargoship deploy -f task.json",
        ),
        ("values.yaml", "web:\n  image: cargoship://app\n", "values.yaml:1:1: this is no ", "cargoship resolve -f"),
        ("c.yaml", "services: {}\n{{ .x }}\n", "c.yaml: this is a template", "fill it in"),
    ],
)
def test_up_refuses_what_is_no_compose_file(tmp_path: Path, name: str, text: str, said: str, hint: str) -> None:
    """It was built and pushed before Compose refused it."""
    with pytest.raises(DocumentInvalid) as caught:
        check_compose(tmp_path, name, text)
    assert caught.value.message.startswith(said)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "name: a\nx-a: &a {image: 'cargoship://app'}\nservices: {a: *a}\nvolumes: {b: {}}\n"),
        ("networks.yaml", "networks: {a: {}}\n"),
        ("a.json", '{"services": {"a": {"image": "cargoship://app"}}}'),
        ("compose.local", "services: {a: {image: 'cargoship://app'}}\n"),
        ("empty.yaml", "# nothing\n"),
    ],
)
def test_up_takes_compose_files(tmp_path: Path, name: str, text: str) -> None:
    check_compose(tmp_path, name, text)
