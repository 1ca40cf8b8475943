"""What other tools write and engines take: manifests, indexes and configs with nothing or null where something may be.

Each is named after who makes it, or who met it first.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import ContentInvalid
from cargoship.oci.config import ConfigFile, ImageConfig, decode_config, encode_config
from cargoship.oci.digest import Digest
from cargoship.oci.index import index_of
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import decode_manifest, kind_of
from cargoship.oci.platform import UNKNOWN
from cargoship.oci.tar import LayerEntry
from support.elf_files import elf_file
from support.images import AMD64, small_image

Documents = dict[str, Any]


def run(folder: Path, *argv: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    code = main(argv, World(env, folder, stdout, stderr))
    return code, stdout.getvalue(), stderr.getvalue()


def layout_with(folder: Path, change: Callable[[Documents, Documents, Documents], object]) -> Path:
    """A layout of one good image, changed in its index, manifest and config."""
    program = [LayerEntry.file("usr/bin/app", elf_file("EM_X86_64"), 0o755)]
    index = index_of([small_image(folder / "store", AMD64, entries=program)], annotations={})
    layout = folder / "image"
    write_layout(layout, index, names=[])
    image = index.children[0]
    root, manifest, config = (json.loads(each) for each in (index.raw, image.raw_manifest, image.raw_config))
    change(root, manifest, config)

    def put(document: Documents, named: Documents) -> None:
        data = json.dumps(document).encode()
        (layout / "blobs" / "sha256" / Digest.of(data).hex).write_bytes(data)
        named.update(digest=str(Digest.of(data)), size=len(data))

    put(config, manifest["config"])
    for entry in root["manifests"][1:]:
        if "_is" in entry:
            put({**entry["_is"], **({"config": manifest["config"]} if "config" not in entry["_is"] else {})}, entry)
            del entry["_is"]
    put(manifest, root["manifests"][0])
    (layout / "blobs" / "sha256" / Digest.of(b"{}").hex).write_bytes(b"{}")
    top = json.loads((layout / "index.json").read_bytes())
    put(root, top["manifests"][0])
    (layout / "index.json").write_text(json.dumps(top))
    return layout


def _gone(root: Documents) -> Documents:
    gone: Documents = copy.deepcopy(root["manifests"][0])
    gone.update(digest="sha256:" + "1" * 64, platform={"os": "linux", "architecture": "s390x"})
    root["manifests"].append(gone)
    return gone


def beside(root: Documents, document: Documents, **entry: object) -> None:
    """Another entry of the index, and the manifest that it names; of the image's own config where none is said."""
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], **document}
    root["manifests"].append({"mediaType": MANIFEST, **entry, "_is": manifest})


def _typed(manifest: Documents, media_type: str) -> None:
    for layer in manifest["layers"]:
        layer["mediaType"] = media_type


MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
NOBODY = {"os": "unknown", "architecture": "unknown"}
ATTESTS = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": "sha256:" + "3" * 64}
LAYER = "application/vnd.oci.image.layer.v1.tar"


def _blob(root: Documents) -> None:
    root["manifests"].append({"mediaType": "application/vnd.example.thing", "digest": "sha256:" + "2" * 64, "size": 9})


CHANGES: dict[str, Callable[[Documents, Documents, Documents], object]] = {
    "manifest without a type": lambda _, m, __: m.pop("mediaType"),
    "manifest with a type of null": lambda _, m, __: m.update(mediaType=None),
    "index without a type": lambda r, _, __: r.pop("mediaType"),
    "entry of the type octet-stream": lambda r, _, __: r["manifests"][0].update(mediaType="application/octet-stream"),
    "entry of the type json": lambda r, _, __: r["manifests"][0].update(mediaType="application/json"),
    "entry without a type": lambda r, _, __: r["manifests"][0].pop("mediaType"),
    "entry with an empty platform": lambda r, _, __: r["manifests"][0].update(platform={}),
    "entry with a platform of empty texts": lambda r, _, __: r["manifests"][0].update(
        platform={"os": "", "architecture": "", "variant": ""}
    ),
    "entry with a platform of nulls": lambda r, _, __: r["manifests"][0].update(
        platform={"os": None, "architecture": None}
    ),
    "entry with a platform of null": lambda r, _, __: r["manifests"][0].update(platform=None),
    "index of which an image was deleted": lambda r, _, __: _gone(r),
    "index that names what is no manifest": lambda r, _, __: _blob(r),
    "index of which all but one was deleted, one of them without a platform": lambda r, _, __: (
        _gone(r),
        _gone(r),
        r["manifests"][-1].pop("platform"),
        r["manifests"][-1].update(digest="sha256:" + "5" * 64),
    ),
    "attestation": lambda r, _, __: beside(r, {}, platform=NOBODY, annotations=ATTESTS),
    "attestation of an image that is not there": lambda r, _, __: beside(
        r, {"config": EMPTY}, platform=NOBODY, annotations=ATTESTS
    ),
    "attestation without a platform": lambda r, _, __: beside(r, {"config": EMPTY}, annotations=ATTESTS),
    "artifact": lambda r, _, __: beside(r, {"artifactType": "application/vnd.example", "config": EMPTY}),
    "artifact whose type the entry says": lambda r, _, __: beside(
        r, {"artifactType": "application/vnd.example", "config": EMPTY}, artifactType="application/vnd.example"
    ),
    "artifact with a platform that is unknown": lambda r, _, __: beside(
        r, {"artifactType": "application/vnd.example", "config": EMPTY}, platform=NOBODY
    ),
    "artifact with a config of its own type": lambda r, _, __: beside(
        r, {"config": {**EMPTY, "mediaType": "application/vnd.example.config+json"}}
    ),
    "artifact that is deleted": lambda r, _, __: (_gone(r), r["manifests"][-1].update(platform=NOBODY)),
    "layers in the type of gzip": lambda _, m, __: _typed(m, LAYER + "+gzip"),
    "layers in the type of zstd": lambda _, m, __: _typed(m, LAYER + "+zstd"),
    "layers in Docker's type of gzip": lambda _, m, __: _typed(m, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    "layers in Docker's type of a plain tar": lambda _, m, __: _typed(
        m, "application/vnd.docker.image.rootfs.diff.tar"
    ),
    "layers in Docker's type of zstd": lambda _, m, __: _typed(m, "application/vnd.docker.image.rootfs.diff.tar.zstd"),
    "entry with a version of the system and features": lambda r, _, __: r["manifests"][0]["platform"].update(
        {"os.version": "10.0", "os.features": ["win32k"], "features": ["sse4"]}
    ),
    "annotations of null": lambda r, m, __: (r.update(annotations=None), m.update(annotations={"a": None})),
    "config of the type octet-stream": lambda _, m, __: m["config"].update(mediaType="application/octet-stream"),
    "labels of null": lambda _, __, c: c["config"].update(Labels=None),
    "label of null": lambda _, __, c: c["config"].update(Labels={"a": None}),
    "variable without a value": lambda _, __, c: c["config"].update(Env=["FOO", "A=1"]),
    "command as a text": lambda _, __, c: c["config"].update(Cmd="x"),
    "history of null": lambda _, __, c: c.update(history=None),
    "history with a null in it": lambda _, __, c: c.update(history=[None]),
    "config without a platform": lambda _, __, c: (c.pop("os"), c.pop("architecture")),
    "config in another letter case": lambda _, __, c: c.update(
        OS=c.pop("os"), Architecture=c.pop("architecture"), Config=c.pop("config"), RootFS=c.pop("rootfs")
    ),
    "manifest and index in another letter case": lambda r, m, __: (
        r.update(SCHEMAVERSION=r.pop("schemaVersion"), MEDIATYPE=r.pop("mediaType")),
        m.update(Layers=m.pop("layers")),
    ),
    "config with an empty platform": lambda _, __, c: c.update(os="", architecture=""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_engines_take_is_looked_at_and_verified(
    tmp_path: Path, change: Callable[[Documents, Documents, Documents], object]
) -> None:
    layout_with(tmp_path, change)
    code, text, said = run(tmp_path, "inspect", "--json", "image")
    assert code == 0, said
    assert len([each for each in json.loads(text)["images"] if each["layers"]]) == 1
    code, text, said = run(tmp_path, "verify", "image")
    assert (code, text.count(" can start")) == (0, 1), said + text
    assert run(tmp_path, "copy", "image", "oci:copied", "--platform", "linux/amd64")[0] == 0


def test_packed_layers_in_the_type_of_a_plain_tar_are_shown_and_do_not_start(tmp_path: Path) -> None:
    """Docker 20 and podman look at the bytes; containerd does not."""
    layout_with(tmp_path, lambda _, manifest, __: _typed(manifest, LAYER))
    assert run(tmp_path, "inspect", "image")[0] == 0
    code, text, _ = run(tmp_path, "verify", "image")
    assert (code, "its type says that it is a plain tar" in text) == (40, True)
    assert run(tmp_path, "copy", "image", "oci:copied")[0] == 0


def test_the_folder_of_a_drive_is_shown_and_does_not_start(tmp_path: Path) -> None:
    """Docker and podman pull an image with a variable that has no name, and run none."""
    layout_with(tmp_path, lambda _, __, config: config["config"].update(Env=["=C:=C:\\x", "A=1"]))
    assert run(tmp_path, "inspect", "image")[0] == 0
    code, text, _ = run(tmp_path, "verify", "image")
    assert (code, "a variable without a name" in text) == (40, True)
    assert run(tmp_path, "copy", "image", "oci:copied")[0] == 0


# what the entries of an index say, what is asked for, and which of them it is
CHOSEN: dict[str, tuple[list[Documents], str, int | None]] = {
    "arm64 for arm64/v8": ([{"architecture": "arm64"}], "linux/arm64/v8", 0),
    "arm64/v8 for arm64": ([{"architecture": "arm64", "variant": "v8"}], "linux/arm64", 0),
    "arm is v7": ([{"architecture": "arm", "variant": "v6"}, {"architecture": "arm", "variant": "v7"}], "linux/arm", 1),
    "an older arm where there is no other": ([{"architecture": "arm", "variant": "v6"}], "linux/arm/v7", 0),
    "no newer arm": ([{"architecture": "arm", "variant": "v7"}], "linux/arm/v6", None),
    "the nearest arm": ([{"architecture": "arm", "variant": each} for each in ("v5", "v6")], "linux/arm/v7", 1),
    "no amd64/v3 for amd64": ([{"architecture": "amd64", "variant": "v3"}], "linux/amd64", None),
    "the first of two": ([{"architecture": "s390x"}, {"architecture": "s390x", "os.version": "1"}], "linux/s390x", 0),
    "Linux and no Windows": (
        [{"os": "windows", "architecture": "s390x", "os.version": "10"}, {"architecture": "s390x"}], "linux/s390x", 1,
    ),
    "features of the system are passed over": ([{"architecture": "s390x", "os.features": ["x"]}], "linux/s390x", 0),
    "nothing unknown": ([NOBODY], "linux/s390x", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CHOSEN.values(), ids=CHOSEN)
def test_the_image_for_a_platform_is_the_one_that_engines_take(
    tmp_path: Path, case: tuple[list[Documents], str, int | None]
) -> None:
    """By containerd's rules (platforms/compare.go): the best variant that a processor can run, the first of equals."""
    platforms, asked, chosen = case

    def change(root: Documents, manifest: Documents, _: Documents) -> None:
        for number, platform in enumerate(platforms):
            beside(
                root,
                {"layers": manifest["layers"], "annotations": {"is": str(number)}},
                platform={"os": "linux", **platform},
            )
        root["manifests"][0]["platform"] = {"os": "plan9", "architecture": "mips"}

    layout_with(tmp_path, change)
    code, _, said = run(tmp_path, "copy", "image", "oci:copied", "--platform", asked)
    if chosen is None:
        assert code != 0, said
        assert not (tmp_path / "copied").exists()
        return
    assert code == 0, said
    (entry,) = json.loads((tmp_path / "copied/index.json").read_bytes())["manifests"]
    found = json.loads((tmp_path / "copied/blobs/sha256" / entry["digest"].removeprefix("sha256:")).read_bytes())
    assert found["annotations"] == {"is": str(chosen)}


def test_an_index_of_which_an_image_was_deleted_shows_the_rest_and_says_which(tmp_path: Path) -> None:
    layout_with(tmp_path, lambda root, _, __: _gone(root))
    gone = f"linux/s390x sha256:{'1' * 64}"
    assert f"missing     {gone}" in run(tmp_path, "inspect", "image")[1]
    assert "is not there" in run(tmp_path, "verify", "image")[1]
    code, _, said = run(tmp_path, "copy", "image", "oci:copied")
    assert code == 55
    assert f"sha256:{'1' * 64} (linux/s390x) is not there" in said
    assert "--platform" in said


def test_a_signature_is_no_image(tmp_path: Path) -> None:
    def sign(_: Documents, manifest: Documents, config: Documents) -> None:
        manifest["layers"][0]["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json"
        del manifest["layers"][1:]
        config.update(os="", architecture="")

    layout_with(tmp_path, sign)
    code, _, said = run(tmp_path, "verify", "image")
    assert (code, "has no image in it" in said) == (40, True)
    assert run(tmp_path, "inspect", "image")[0] == 0


def test_schema_1_is_named() -> None:
    old = b'{"schemaVersion": 1, "name": "x", "fsLayers": []}'
    for said in ("application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json", ""):
        with pytest.raises(ContentInvalid, match="schema 1"):
            kind_of(old, said, "me/app:1")


def test_what_contradicts_itself_is_still_refused() -> None:
    both = json.dumps({"schemaVersion": 2, "config": {}, "layers": [], "manifests": []}).encode()
    with pytest.raises(ContentInvalid):
        decode_manifest(both)
    typed = b'{"mediaType": "application/vnd.oci.image.manifest.v1+json"}'
    with pytest.raises(ContentInvalid, match="says that"):
        kind_of(typed, "application/vnd.oci.image.index.v1+json", "me/app:1")


def decoded(run_as: object) -> ConfigFile:
    return decode_config(json.dumps({"config": run_as}).encode())


def test_variables_come_out_as_they_came_in() -> None:
    given = ["PATH=/bin", "=C:=C:\\x", "A=", "B=x=y", "FOO"]
    assert decoded({"Env": given}).run.to_json()["Env"] == given
    assert decoded({"Env": given}).run.bare_env == ("FOO",)
    assert decoded(None).platform == UNKNOWN


def test_a_bases_history_keeps_its_times_and_its_steps_without_a_layer() -> None:
    steps = (
        {"created": "2020-01-01T00:00:00Z", "created_by": "ADD rootfs"},
        {"created": "2020-01-02T00:00:00Z", "created_by": "CMD sh", "empty_layer": True, "comment": "x"},
    )
    one, two = Digest.of(b"1"), Digest.of(b"2")
    made = encode_config(
        AMD64, ImageConfig(), [(one, "ADD rootfs"), (two, "ours")], created="2023-01-01T00:00:00Z", below=steps
    )
    assert json.loads(made)["history"] == [*steps, {"created": "2023-01-01T00:00:00Z", "created_by": "ours"}]
    assert decode_config(made).history == ("ADD rootfs", "ours")
