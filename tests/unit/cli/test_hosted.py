"""What CI hosts get: groups, annotations, and the summary of a job."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cargoship.cli.failures import Failure
from cargoship.cli.job_summary import Observer, job_summary
from cargoship.cli.render import Talk, make_renderer
from cargoship.cli.render.hosted import GitlabRenderer
from cargoship.cli.render.paint import Paint
from cargoship.cli.render.plain import PlainRenderer
from cargoship.events import CompileProgress, PhaseEnded, PhaseStarted, ToolOutput, UnitFinished, UnitsRestored
from support import results

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
        "::warning file=app/src/main.rs,line=2,col=9::unused variable: `x`, 100%25",
        "::error file=/elsewhere/dep.rs,line=10,col=1,title=E0308::mismatched types",
        "::endgroup::",
        "::error title=cargoship::that: failed%0Abadly%0Ado something",
    ]
    assert "error: that: failed" in lines


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
    now = [0.0]
    observer = Observer(lambda: now[0])
    for seconds, active in [(0.0, ("ring", "serde")), (2.0, ("ring",)), (9.0, ("app", "ring")), (9.5, ())]:
        now[0] = seconds
        observer.emit(CompileProgress(1, 9, active))
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
    assert "| ring | 9.5s |\n| serde | 2.0s |\n" in text
    assert "| app |" not in text
