"""What CI hosts get: groups, annotations, and the summary of a job."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from cargoship.cli.failing.failures import Failure
from cargoship.cli.job_summary import Observer, job_summary
from cargoship.cli.main import main
from cargoship.cli.paint import Paint
from cargoship.cli.render import Talk, make_renderer, words
from cargoship.cli.render.hosted import GitlabRenderer
from cargoship.cli.render.plain import PlainRenderer
from cargoship.cli.session import World
from cargoship.context import Context
from cargoship.errors import CompileFailed, RegistryRefused
from cargoship.events import (
    Level,
    Note,
    PhaseEnded,
    PhaseStarted,
    ToolOutput,
    UnitFinished,
    UnitsRestored,
)
from cargoship.plan import Selection
from cargoship.shipping import BuildResult
from support import results
from support.build_records import build_record, image_record, sample_record, unit_span
from support.obedient import Recorder

RUSTC = """\
\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused variable: `x`, 100%\x1b[0m
 \x1b[1m\x1b[94m--> \x1b[0msrc/main.rs:2:9
  |
\x1b[1m\x1b[91merror[E0308]\x1b[0m: mismatched types
   --> /elsewhere/dep.rs:10:1
error: could not compile `app` (bin "app") due to 1 previous error
   ::: not a place
"""


def shown(tmp_path: Path, env: dict[str, str], *, progress: str = "auto") -> str:
    (tmp_path / "app" / "src").mkdir(parents=True)
    (tmp_path / "app" / "src" / "main.rs").touch()
    stderr = io.StringIO()
    talk = Talk(progress=progress, folders=(tmp_path / "app", tmp_path))
    env = {**env, "GITHUB_WORKSPACE": str(tmp_path)}
    renderer = make_renderer(talk, stderr, Paint(enabled=False), env, lambda: 0.0)
    renderer.emit(PhaseStarted("compile", "2 targets"))
    renderer.emit(PhaseStarted("sysroot"))
    for line in RUSTC.splitlines():
        renderer.emit(ToolOutput(line))
    renderer.emit(PhaseEnded("sysroot", 1.0))
    renderer.emit(PhaseEnded("compile", 2.0))
    renderer.fail(Failure("that: failed\nbadly", 1, "do something"))
    renderer.close(failed=True)
    return stderr.getvalue()


def test_github_gets_groups_and_annotations(tmp_path: Path) -> None:
    lines = shown(tmp_path, {"GITHUB_ACTIONS": "true"}).splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert commands == [
        "::group::Compiling 2 targets",
        "::endgroup::",
        "::error file=/elsewhere/dep.rs,line=10,col=1,title=E0308::mismatched types",
        "::warning file=app/src/main.rs,line=2,col=9::unused variable: `x`, 100%25",
        "::error title=cargoship::that: failed%0Abadly%0Ado something",
    ]
    assert "error: that: failed" in lines
    # rustc's words are in one piece
    start = next(index for index, line in enumerate(lines) if "unused variable" in line)
    assert lines[start : start + 7] == re.sub(r"\x1b\[[0-9]+m", "", RUSTC).splitlines()


def test_a_failure_in_a_group_is_not_folded_away() -> None:
    stderr = io.StringIO()
    renderer = make_renderer(
        Talk(progress="auto"), stderr, Paint(enabled=False), {"GITHUB_ACTIONS": "true"}, lambda: 0.0
    )
    renderer.emit(PhaseStarted("compile", "1 target"))
    for line in RUSTC.splitlines():
        renderer.emit(ToolOutput(line))
    renderer.fail(Failure("it does not compile", 101))
    renderer.close(failed=True)
    lines = stderr.getvalue().splitlines()
    end = lines.index("::endgroup::")
    assert end < next(index for index, line in enumerate(lines) if line.startswith("::error file="))
    assert end < lines.index("error: it does not compile") < lines.index("::error title=cargoship::it does not compile")


@pytest.mark.parametrize("fails", ["compile", "base"])
def test_a_build_that_fails_tells_why_in_the_jobs_summary(tmp_path: Path, fails: str) -> None:
    class Failing(Recorder):
        def build(self, selection: Selection, context: Context) -> BuildResult:
            del selection
            if fails == "base":
                raise RegistryRefused("h.io has no image a:1", hint="check ```the``` name")
            for line in RUSTC.splitlines():
                context.emit(ToolOutput(line))
            raise CompileFailed("app does not compile")

    summary = tmp_path / "summary.md"
    env = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    world = World(env, tmp_path, io.StringIO(), io.StringIO(), operations=Failing())
    assert main(["build"], world) != 0
    text = summary.read_text()
    if fails == "base":
        assert "````text\nerror: h.io has no image a:1\nhint: check ```the``` name\n````\n" in text
    else:
        assert "```text\nerror: app does not compile\n```\n" in text
        assert "| `/elsewhere/dep.rs:10` | mismatched types |" in text
        assert "unused variable" not in text


@pytest.mark.parametrize(
    ("env", "progress"),
    [({}, "auto"), ({"GITHUB_ACTIONS": "false"}, "auto"), ({"GITHUB_ACTIONS": "true"}, "plain")],
)
def test_nobody_else_does(tmp_path: Path, env: dict[str, str], progress: str) -> None:
    assert not [line for line in shown(tmp_path, env, progress=progress).splitlines() if line.startswith("::")][1:]


def test_gitlab_gets_sections() -> None:
    stderr = io.StringIO()
    plain = PlainRenderer(stderr, Paint(enabled=False), 0, lambda: 0.0)
    renderer = GitlabRenderer(plain, stderr, now=lambda: 1234.5)
    renderer.emit(PhaseStarted("compile", "2 targets"))
    renderer.close(failed=True)
    assert stderr.getvalue() == (
        "\x1b[0Ksection_start:1234:cargoship_compile[collapsed=true]\r\x1b[0KCompiling 2 targets\n"
        "   Compiling 2 targets\n\x1b[0Ksection_end:1234:cargoship_compile\r\x1b[0K\n"
    )


def test_a_jobs_summary(tmp_path: Path) -> None:
    observer = Observer()
    for fresh in (True, True, False):
        observer.emit(UnitFinished("serde", "serde", fresh))
    observer.emit(UnitsRestored(2, 2, 3, 1000, 0.1, 61.0))
    plan = results.plan(tmp_path, "app", references=("h.io/{name}:1", "h.io/{name}:2"), push=True)
    result = results.result(plan)
    text = job_summary(result, observer)
    image = result.images[0]
    assert f"### app\n\n`h.io/app@{image.index.digest}` (`1`, `2`)\n" in text
    assert all(f"| {child.platform} | " in text and f"`{child.digest}`" in text for child in image.index.children)
    assert "1 unit compiled, 2 fresh; 2 of 3 were in the cache, which spares 1m 01s of compiling. Took 12s: " in text


def test_a_jobs_summary_says_what_took_long_and_what_has_changed(tmp_path: Path) -> None:
    result = results.result(results.plan(tmp_path, "app"))
    small, large = (image.size_bytes for image in result.images[0].index.children)
    before = build_record(images=(image_record(size=small - 1000),))
    evil = unit_span("a|b`", 0.0, 99.0, because=("the file x|y",))
    record = sample_record(units=(*sample_record().units, evil, unit_span("quick", 1.0, 0.2)))
    text = job_summary(result, Observer(), record, before)
    assert f"| linux/amd64 | {words.size(small)} | +1.0 kB | 1 | " in text
    assert f"| linux/arm64 | {words.size(large)} | +" in text
    assert (
        "| slowest to compile | for | |\n| --- | --- | --- |\n"
        "| a&#124;b&#96; 1.0.0 lib | x86_64-unknown-linux-musl | 1m 39s |\n"
        "| sys 1.0.0 build script run | x86_64-unknown-linux-musl | 4.0s |\n"
    ) in text
    assert "| quick" not in text
    assert "| compiled | 8 | |\n| restored | 1 | |\n| because of the file x&#124;y | 1 | 1m 39s |\n" in text


@pytest.mark.parametrize("progress", ["auto", "plain"])
@pytest.mark.parametrize("verbosity", [-1, 0])
@pytest.mark.parametrize(
    "line",
    ["::add-mask::x", "  ::error file=a,line=1::no", "\t::stop-commands::t", "##[group]x", "::save-state name=a::b"],
)
def test_github_obeys_no_tool_and_no_stranger(line: str, progress: str, verbosity: int) -> None:
    stderr = io.StringIO()
    talk = Talk(verbosity, progress)
    renderer = make_renderer(talk, stderr, Paint(enabled=False), {"GITHUB_ACTIONS": "true"}, lambda: 0.0)
    renderer.emit(ToolOutput(line))
    renderer.emit(Note(f"said\n{line}", Level.WARNING))
    renderer.close(failed=True)
    make_renderer(talk, stderr, Paint(enabled=False), {"GITHUB_ACTIONS": "true"}, lambda: 0.0).fail(
        Failure(f"no:\n{line}", 1, line, line)
    )
    written = stderr.getvalue()
    assert line.strip() in written
    obeyed = [each for each in written.splitlines() if each.strip().startswith(("::", "##["))]
    assert all(each.startswith("::error title=cargoship::no:%0A") for each in obeyed)
