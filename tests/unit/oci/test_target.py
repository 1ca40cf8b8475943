"""Where an image is, as people write it, read in one way by every verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.errors import UsageError
from cargoship.oci.digest import Digest
from cargoship.oci.layout import write_layout
from cargoship.oci.reference import Reference
from cargoship.oci.target import ArchiveTarget, ImageTarget, LayoutTarget, RegistryTarget
from support.images import small_index

DIGEST = Digest("0" * 64)


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    write_layout(tmp_path / "web", small_index(tmp_path / "store"), names=[])
    write_layout(tmp_path / "target" / "cargoship" / "my:image", small_index(tmp_path / "store"), names=[])
    (tmp_path / "web.tar").touch()
    (tmp_path / "plain").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path", "select"),
    [
        ("web", "web", None),
        ("./web", "web", None),
        ("oci:web", "web", None),
        ("oci:web:1", "web", "1"),
        ("oci:web:ghcr.io:443/me/app:1", "web", "ghcr.io:443/me/app:1"),
        (f"oci:web@{DIGEST}", "web", DIGEST),
        ("oci:target/cargoship/my:image", "target/cargoship/my:image", None),
        ("oci:target/cargoship/my:image:1", "target/cargoship/my:image", "1"),
        ("oci-archive:web.tar", "web.tar", None),
        ("oci-archive:web.tar:1", "web.tar", "1"),
        ("docker-archive:web.tar:me/app:1", "web.tar", "me/app:1"),
        ("web.tar", "web.tar", None),
    ],
)
def test_a_path(cwd: Path, text: str, path: str, select: object) -> None:
    found = ImageTarget.parse(text, cwd)
    assert isinstance(found, ArchiveTarget if path.endswith(".tar") else LayoutTarget)
    assert (found.path, found.select) == (cwd / path, select)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("app", "docker.io/library/app"),
        ("me/app:1", "docker.io/me/app:1"),
        ("docker://ghcr.io/me/app:1", "ghcr.io/me/app:1"),
        ("docker://app", "docker.io/library/app"),
        ("https://ghcr.io/me/app:1", "ghcr.io/me/app:1"),
        ("https://ghcr.io/me/app/", "ghcr.io/me/app"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("docker.io/web/app", "docker.io/web/app"),
    ],
)
def test_a_name_in_a_registry(cwd: Path, text: str, reference: str) -> None:
    assert ImageTarget.parse(text, cwd) == RegistryTarget(Reference.parse(reference))
    assert ImageTarget.parse(text, cwd, new=True) == RegistryTarget(Reference.parse(reference))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("oci:missing", "there is no folder"),
        ("oci:", "has no path"),
        ("oci-archive:missing.tar", "there is no file"),
        ("docker-archive:missing.tar:1", "there is no file"),
        ("missing.tar", "there is no"),
        ("./missing", "there is no folder ./missing"),
        ("/missing/folder", "there is no folder /missing/folder"),
        ("missing/", "there is no folder missing/"),
        ("target/nope", "there is no folder or file target/nope"),
        ("target/cargoship/nope", "there is no folder or file target/cargoship/nope"),
        ("plain", "there is no image in the folder plain"),
        ("oci:web.tar", "is no folder"),
        ("oci-archive:web", "is a folder"),
        ("oci:web@sha256:1", "not a sha256 digest"),
        ("oci://ghcr.io/me/app:1", "is not where an image can be"),
        ("docker-daemon:app:1", "is not where an image can be"),
        ("containers-storage:app", "is not where an image can be"),
        ("http://ghcr.io/me/app", "is not where an image can be"),
    ],
)
def test_docker_hub_is_not_asked_for_what_was_meant_to_be_a_path(cwd: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        ImageTarget.parse(text, cwd)
    assert "unexpected" not in str(caught.value)


def test_cargos_folder_is_meant_before_anything_was_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder or file target/cargoship/app") as caught:
        ImageTarget.parse("target/cargoship/app", tmp_path)
    assert "docker.io/target/cargoship/app" in (caught.value.hint or "")


def test_a_name_of_what_was_built_here_is_not_asked_of_docker_hub(cwd: Path) -> None:
    write_layout(cwd / "target" / "cargoship" / "shop", small_index(cwd / "store"), names=[])
    with pytest.raises(UsageError, match="shop is an image that was built here") as caught:
        ImageTarget.parse("shop", cwd)
    assert "oci:target/cargoship/shop" in (caught.value.hint or "")
    for text, new in (("shop", True), ("shop:1", False), ("docker.io/library/shop", False), ("other", False)):
        assert isinstance(ImageTarget.parse(text, cwd, new=new), RegistryTarget), text


def test_a_target_need_not_exist(cwd: Path) -> None:
    assert ImageTarget.parse("oci:new/one:2", cwd, new=True) == LayoutTarget(cwd / "new/one", "2")
    assert ImageTarget.parse("oci-archive:new.tar", cwd, new=True) == ArchiveTarget(cwd / "new.tar")
    assert ImageTarget.parse("docker-archive:a.tar:me/app:1", cwd, new=True) == ArchiveTarget(
        cwd / "a.tar", "me/app:1", docker=True
    )


def test_a_folder_of_that_name_does_not_take_the_place_of_a_repository(cwd: Path) -> None:
    assert ImageTarget.parse("web", cwd, new=True) == RegistryTarget(Reference.parse("web"))


@pytest.mark.parametrize("text", ["https://s3cr3t-word@ghcr.io/me/app", "docker://me:s3cr3t-word@ghcr.io/me/app:1"])
def test_an_address_with_a_password_is_refused_without_a_word_of_it(cwd: Path, text: str) -> None:
    with pytest.raises(UsageError, match="names nobody before its host") as raised:
        ImageTarget.parse(text, cwd)
    assert raised.value.hint is not None
    assert raised.value.hint.endswith("cargoship login ghcr.io")
    assert "s3cr3t-word" not in f"{raised.value.message} {raised.value.hint}"


def test_a_name_that_no_file_can_have_is_none(cwd: Path) -> None:
    for text in ("x" * 5000, "oci:" + "x" * 5000, "~nobody-of-that-name/x", "./" + "y" * 300):
        with pytest.raises(UsageError):
            ImageTarget.parse(text, cwd)


def test_a_folder_of_skopeos_is_called_so(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    for name in ("manifest.json", "version"):
        (folder / name).write_text("x")
    with pytest.raises(UsageError, match="holds an image in skopeo's own form") as caught:
        ImageTarget.parse("image", tmp_path)
    assert caught.value.hint == "make a layout of it: skopeo copy dir:image oci:FOLDER"
