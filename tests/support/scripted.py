"""A runner that answers from a table: what the real programs said, without the programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from cargoship.errors import ToolMissing
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder

Answer = Completed | Callable[[Command], Completed]


def said(stdout: str = "", *, code: int = 0, stderr: str = "") -> Completed:
    return Completed(code, stdout.encode(), stderr.encode())


@dataclass
class ScriptedRunner:
    """Answers a command by the first entry whose words are all in its arguments; records every command."""

    answers: dict[tuple[str, ...], Answer]
    commands: list[Command] = field(default_factory=list)
    programs: ProgramFinder = field(default_factory=ProgramFinder)

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        self.commands.append(command)
        for words, answer in self.answers.items():
            if all(any(argument.endswith(word) for argument in command.argv) for word in words):
                return answer(command) if callable(answer) else answer
        raise ToolMissing(f"nobody said what {command.argv} answers")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        del stdin
        done = self.run(command)
        on_stdout(done.stdout)
        on_stderr(done.stderr)
        return done.code
