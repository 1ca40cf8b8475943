"""The reference page of the command line, made from the commands themselves: docs/cli.md.

Run it in a checkout, after changing an option: python -m cargoship.cli.reference
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from cargoship.cli.commands import COMMANDS, cargoship
from cargoship.cli.options import PANELS
from cargoship.cli.session import Session, World

_HEAD = """\
<!-- Made by `python -m cargoship.cli.reference`; change src/cargoship/cli instead. -->

# The command line

    cargoship COMMAND [OPTIONS] [ARGUMENTS]

Standard output carries results and nothing else: the digest reference of each image, one a line, or JSON where it was
asked for. Everything else goes to standard error. Options win over `CARGOSHIP_*` variables, which win over
`Cargo.toml`; see [settings.md](settings.md).

`cargoship --version` prints the version, `cargoship COMMAND --help` what is told here.
"""

_TAIL = """\
## Environment variables

| variable | meaning |
| --- | --- |
| `CARGOSHIP_<SETTING>` | a setting; see [settings.md](settings.md) |
| `CARGOSHIP_BACKTRACE=1` | show Python's traceback with an error |
| `NO_COLOR` | no colours |
| `CLICOLOR_FORCE=1` | colours also where standard error is no terminal |
| `CARGO_TERM_COLOR` | `always` or `never`, as for cargo, where none of the above is set |
| `SOURCE_DATE_EPOCH` | the time of everything in the image; otherwise that of the last commit |

`--color` wins over all of them. Shell completion: `eval "$(_CARGOSHIP_COMPLETE=bash_source cargoship)"`, likewise
`zsh_source` and `fish_source`.

## JSON lines

With `--progress json` each line of standard error is one JSON object. Its `event` is `phase-started`, `phase-ended`
(`name`, `seconds`), `compile-progress` (`done`, `total`, `active`), `unit-finished`, `layer-assembled`, `blob-pushed`,
`written`, `note` (`text`, `level`), `tool-output` (a `line` of cargo or another tool, as it wrote it), `result` (the
contents of the metadata file) or `error` (`message`, `hint`, `details`, `exit_code`).

## The metadata file

`--metadata-file` writes one JSON object after a successful build. `images` has for each image its `name`, `reference`
(by digest), `platforms` (with `digest`, `size_bytes` and `layers`), `published`, `outputs` and, under the names that
Docker Buildx uses, `image.name`, `containerimage.digest` and `containerimage.descriptor`. Where there is one image, the
last three also stand at the top. `seconds` has the time of each phase.

## Exit codes

| code | meaning |
| --- | --- |
"""

_CODES: tuple[tuple[int, str], ...] = (
    (0, "success"),
    (1, "`doctor` found something missing"),
    (70, "a fault in cargoship: please report it"),
    (129, "the terminal was closed (SIGHUP)"),
    (141, "nobody reads standard output any more"),
    (143, "ended by SIGTERM"),
)


def reference_page() -> str:
    """Return the page in Markdown."""
    here = Path("/")
    with Path("/dev/null").open("w", encoding="utf-8") as nothing:
        session = Session(World({}, here, nothing, nothing))
        root = click.Context(cargoship, info_name="cargoship", **cargoship.context_settings, obj=session)
        parts = [_HEAD]
        for name in COMMANDS:
            command = cargoship.get_command(root, name)
            if command is not None:
                parts += _pages(command, click.Context(command, info_name=name, parent=root))
    return "\n".join(parts) + "\n" + _TAIL + "".join(_codes())


def _pages(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """A command's page, or those of a group's commands."""
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from _pages(member, click.Context(member, info_name=name, parent=ctx))
    else:
        yield "\n".join(_command(command, ctx))


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}\n"
    arguments = " ".join(each.make_metavar(ctx) for each in command.params if isinstance(each, click.Argument))
    # click puts a group's options and arguments into the path; ours have none
    yield f"    {ctx.command_path} [OPTIONS] {arguments}".rstrip() + "\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    named = {name: each for each in command.get_params(ctx) if isinstance(each, click.Option) for name in each.opts}
    placed: set[str] = set()
    for title, names in {**PANELS, "Options": tuple(name for name in named if name.startswith("--"))}.items():
        chosen = [name for name in names if name in named and name not in placed]
        placed.update(chosen)
        if chosen:
            yield f"| {title} | |\n| --- | --- |"
            yield from (_row(named[name], ctx) for name in chosen)
            yield ""


def _row(option: click.Option, ctx: click.Context) -> str:
    record = option.get_help_record(ctx)
    spelled, told = record if record is not None else ("", "")
    cells = (f"`{spelled}`", " ".join(told.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _codes() -> Iterator[str]:
    import cargoship.errors

    told = dict(_CODES)
    for kind in vars(cargoship.errors).values():
        if isinstance(kind, type) and issubclass(kind, cargoship.errors.CargoshipError):
            sentence = inspect.cleandoc(kind.__doc__ or "").split("\n", 1)[0].rstrip(".")
            told.setdefault(kind.exit_code, f"{sentence} (`{kind.__name__}`)")
    yield from (f"| {code} | {told[code]} |\n" for code in sorted(told))


if __name__ == "__main__":
    (Path(__file__).parents[3] / "docs" / "cli.md").write_text(reference_page(), encoding="utf-8")
