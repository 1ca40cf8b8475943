"""Groups of commands: what every command's words are checked for before it gets them, and whose an error is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import rich_click as click


class CommandGroup(click.RichGroup):
    """A group whose commands take no value twice, and whose errors know which command they are about."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, after looking for options that are given twice."""
        _check_once(ctx, self, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """As click does, and errors of a command's options know whose they are."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if error.ctx is None and command is not None:
                error.ctx = click.Context(command, info_name=ctx.invoked_subcommand, parent=ctx)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for one that is unknown, and a look at the command's own words."""
        names = self.list_commands(ctx)
        # a shell that completes wants no errors
        if not ctx.resilient_parsing and args and not args[0].startswith("-") and args[0] not in names:
            from cargoship.suggest import nearest_word

            close = nearest_word(args[0], names)
            said = self.foreign(args[0])
            meant = f"; {said}" if said else f"; did you mean {close}?" if close else ""
            raise click.UsageError(f"no such command {args[0]!r}{meant}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        # a group looks at its words itself
        if command is not None and not isinstance(command, click.Group):
            _check_once(click.Context(command, info_name=name, parent=ctx), command, rest)
        return name, command, rest

    def foreign(self, name: str) -> str | None:
        """What does the work here of a command that another tool has; None for what no tool has."""
        del name
        return None


def _check_once(ctx: click.Context, command: click.Command, args: Sequence[str]) -> None:
    """Refuse an option with one value that is there twice: cargo does too, and which is meant nobody can say."""
    if ctx.resilient_parsing:
        return
    try:
        _, _, order = command.make_parser(ctx).parse_args(list(args))
    except click.UsageError:
        return  # the command's own words for it are better
    for option, times in Counter(each for each in order if isinstance(each, click.Option)).items():
        if times > 1 and not (option.multiple or option.count or option.is_flag):
            name = max(option.opts, key=len)
            raise click.UsageError(f"{name} is there {'twice' if times == 2 else f'{times} times'}", ctx)  # noqa: PLR2004
