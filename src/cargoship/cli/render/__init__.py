"""Events to lines, for a person at a terminal, a log file, or a program.

Only these modules know how an event looks. Renderers take events from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from cargoship.cli.paint import Paint
from cargoship.cli.render.renderer import Renderer


@dataclass(frozen=True)
class Talk:
    """How a run talks: `verbosity` is -1 (errors only), 0, 1 or 2; `progress` and `colour` as the options say."""

    verbosity: int = 0
    progress: str = "auto"
    colour: str = "auto"
    folders: tuple[Path, ...] = ()
    """Where paths in rustc's words may start."""


def make_renderer(
    talk: Talk, stderr: TextIO, paint: Paint, env: Mapping[str, str], clock: Callable[[], float]
) -> Renderer:
    """The renderer for a way of talking; a live region only on a terminal that can move its cursor."""
    # Imported here, each on its own: `rich` alone costs as much as the whole rest of a short command.
    if talk.progress == "json":
        from cargoship.cli.render.jsonlines import JsonRenderer

        return JsonRenderer(stderr, talk.verbosity, clock)
    lines = _unobeyed(stderr, env)
    if talk.verbosity < 0:
        from cargoship.cli.render.quiet import QuietRenderer

        return QuietRenderer(lines, paint)
    drawable = (getattr(stderr, "encoding", None) or "").lower().startswith("utf") and env.get("TERM") != "dumb"
    # what draws on a CI host's terminal draws into a log
    if talk.progress == "auto" and stderr.isatty() and drawable and env.get("CI", "false") in {"", "0", "false"}:
        from cargoship.cli.render.live import LiveRenderer

        return LiveRenderer(stderr, paint, talk.verbosity, env, clock=clock)
    from cargoship.cli.render.plain import PlainRenderer

    plain = PlainRenderer(lines, paint, talk.verbosity, clock)
    return plain if talk.progress == "plain" else _hosted(plain, talk, stderr, env)


def _unobeyed(stderr: TextIO, env: Mapping[str, str]) -> TextIO:
    if env.get("GITHUB_ACTIONS") != "true":
        return stderr
    from cargoship.cli.render.hosted import Unobeyed

    return cast("TextIO", Unobeyed(stderr))


def _hosted(plain: Renderer, talk: Talk, stderr: TextIO, env: Mapping[str, str]) -> Renderer:
    """The renderer with what the CI host makes of its lines, where there is one."""
    if env.get("GITHUB_ACTIONS") == "true":
        from cargoship.cli.render.hosted import GithubRenderer

        root = env.get("GITHUB_WORKSPACE")
        return GithubRenderer(plain, stderr, folders=talk.folders, root=Path(root) if root else None)
    if env.get("GITLAB_CI") == "true":
        from cargoship.cli.render.hosted import GitlabRenderer

        return GitlabRenderer(plain, stderr)
    return plain
