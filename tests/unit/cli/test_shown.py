"""How an image and a diagnosis are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.context import Context
from cargoship.images.copying import inspect
from cargoship.images.inspection import Inspection
from cargoship.images.verification import Examination, ImagePrograms, inspect_programs, verify
from cargoship.oci.layout import write_layout
from cargoship.plan import Selection
from cargoship.process import Command
from cargoship.toolchain.diagnose import Diagnosis, Prerequisite
from support import results
from support.obedient import Recorder

MISSING = Diagnosis(
    (
        Prerequisite("rust", "1.96.0 (/usr/bin/rustc)"),
        Prerequisite("linux/arm64", None, "no standard library", Command(("rustup", "target", "add", "x y")), "or so"),
    )
)


class Looker(Recorder):
    """A pipeline that looks at one thing."""

    def __init__(self, *, image: Path | None = None, diagnosis: Diagnosis | None = None) -> None:
        self._image = image
        self._diagnosis = diagnosis

    def inspect(self, target: str, context: Context) -> Inspection:
        del target
        return inspect(str(self._image), context)

    def inspect_programs(self, target: str, context: Context) -> tuple[ImagePrograms, ...]:
        del target
        return inspect_programs(str(self._image), context)

    def verify(self, target: str, context: Context) -> Examination:
        del target
        return verify(str(self._image), context)

    def doctor(self, selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
        del selection, context, fix
        assert self._diagnosis is not None
        return self._diagnosis


def run(pipeline: Looker, *argv: str) -> tuple[int, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(argv, World({}, Path("/"), stdout, stderr, operations=pipeline))
    assert stderr.getvalue() == ""
    return code, stdout.getvalue()


def test_an_image_is_shown_with_nothing_that_moves_the_cursor(tmp_path: Path) -> None:
    index = results.result(results.plan(tmp_path, "web")).images[0].index
    write_layout(tmp_path / "web", index, names=())
    code, text = run(Looker(image=tmp_path / "web"), "inspect", "web")
    assert code == 0
    assert f"  digest      {index.digest}\n" in text
    assert "  platforms   linux/amd64, linux/arm64\n" in text
    assert "  entrypoint  /app/web\n" in text
    assert "  label       note=two\\nlines \\x1b[31m" in text
    assert "\x1b" not in text


def test_an_image_as_json(tmp_path: Path) -> None:
    index = results.result(results.plan(tmp_path, "web")).images[0].index
    write_layout(tmp_path / "web", index, names=())
    _, text = run(Looker(image=tmp_path / "web"), "inspect", "--json", "web")
    document = json.loads(text)
    assert document["digest"] == str(index.digest)
    (amd64, arm64) = document["images"]
    assert (amd64["platform"], arm64["platform"]) == ("linux/amd64", "linux/arm64")
    assert amd64["config"]["User"] == "nonroot"
    assert amd64["size_bytes"] == index.children[0].size_bytes


def test_what_is_missing_is_reported_with_what_mends_it() -> None:
    code, text = run(Looker(diagnosis=MISSING), "doctor")
    assert code == 1
    assert text.splitlines() == [
        "ok      rust         1.96.0 (/usr/bin/rustc)",
        "missing linux/arm64  no standard library",
        "                     mend it: rustup target add 'x y'",
        "                     or so",
        "1 thing is missing; to mend it: cargoship doctor --fix",
    ]


def test_nothing_missing_is_success() -> None:
    code, text = run(Looker(diagnosis=Diagnosis(MISSING.findings[:1])), "doctor")
    assert (code, text.splitlines()[-1]) == (0, "nothing is missing")


def test_a_diagnosis_as_json() -> None:
    code, text = run(Looker(diagnosis=MISSING), "doctor", "--json")
    document = json.loads(text)
    assert (code, document["ok"]) == (1, False)
    assert document["findings"][1] == {
        "subject": "linux/arm64",
        "ok": False,
        "found": None,
        "problem": "no standard library",
        "mend": ["rustup", "target", "add", "x y"],
        "hint": "or so",
    }
