"""What was typed: the options of a command, to be written again for it or for another one."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import click
from click.core import ParameterSource

_SAID_ONCE = frozenset(
    {
        # where an image goes, what is written beside it, and how it is reported: what comes next is something else
        *("push", "push_by_digest", "load", "clusters", "outputs", "metadata_file", "image_refs", "dry_run", "timings"),
        *("verbose", "quiet", "color", "progress", "as_json"),
        # says what is so without it
        "release",
    }
)


@dataclass(frozen=True)
class Asked:
    """A command, and the values that were given to it on the command line, by the names of its parameters."""

    name: str
    """Such as `cargoship build`."""
    given: Mapping[str, object]
    command: click.Command
    program: click.Context
    """Whose command it is: it knows the other ones."""

    @classmethod
    def of(cls, ctx: click.Context) -> Asked:
        """What a command was asked; variables and defaults will be there the next time as well."""
        typed = {
            name: value
            for name, value in ctx.params.items()
            if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in _SAID_ONCE
        }
        return cls(ctx.command_path, typed, ctx.command, ctx.find_root())

    def again(self, *further: str, instead: Mapping[str, object] | None = None, but: Collection[str] = ()) -> str:
        """The same command with `further` words, and with other values `instead` of some that were given."""
        return _line(self.name, self.command, {**self.given, **(instead or {})}, further, but)

    def for_another(self, name: str, *, instead: Mapping[str, object] | None = None) -> str:
        """Another command of the same program that is asked for the same, as far as it can be."""
        group = self.program.command
        command = group.get_command(self.program, name) if isinstance(group, click.Group) else None
        if command is None:  # pragma: no cover - a fault of who names it
            raise ValueError(name)
        given = {**self.given, **(instead or {})}
        names = {each.name for each in command.params}
        paths = given.get("paths")
        if "path" in names and isinstance(paths, tuple) and paths:
            given["path"] = paths[0]
        if "image_env" not in names:
            # there, --env is the program's alone
            settings = [
                *_several(given.get("assignments")),
                *(f"env.{each}" for each in _several(given.get("image_env"))),
            ]
            given["assignments"] = tuple(settings)
        return _line(f"{self.program.command_path} {name}", command, given, ())


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _line(
    name: str, command: click.Command, given: Mapping[str, object], further: Collection[str], but: Collection[str] = ()
) -> str:
    options: list[str] = []
    arguments: list[str] = []
    for each in command.params:
        value = given.get(str(each.name))
        if value in (None, ()) or each.name in but:
            continue
        if isinstance(each, click.Option):
            options += _words(each, value)
        elif each.name in ("path", "paths"):
            arguments += [str(one) for one in (value if isinstance(value, tuple) else (value,))]
    return " ".join([name, *further, *map(shlex.quote, [*options, *arguments])])


def _words(option: click.Option, value: object) -> Iterator[str]:
    name = max(option.opts, key=len)
    if option.is_flag:
        if value:
            yield name
        elif option.secondary_opts:
            yield option.secondary_opts[0]
        return
    for one in value if isinstance(value, tuple) else (value,):
        text = str(one)
        yield from (f"{name}={text}",) if text.startswith("-") else (name, text)
