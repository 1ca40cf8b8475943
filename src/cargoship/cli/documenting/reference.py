"""The reference page of the command line, made from the commands themselves: docs/cli.md.

Run it in a checkout, after changing an option: python -m cargoship.cli.documenting.reference
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from cargoship.cli.asking.panels import panels_of
from cargoship.cli.documenting.every_command import every_command, idle_session
from cargoship.cli.documenting.manual import write_manual

_HEAD = """\
<!-- Made by `python -m cargoship.cli.documenting.reference`; change src/cargoship/cli instead. -->

# The command line

    cargoship COMMAND [OPTIONS] [ARGUMENTS]

Standard output carries results and nothing else: the digest reference of each image, one a line, or JSON where it was
asked for. Everything else goes to standard error. Options win over `CARGOSHIP_*` variables, which win over
`Cargo.toml`; see [settings.md](settings.md).

`cargoship --version` prints the version, `cargoship COMMAND --help` what is described here.
"""

_TAIL = """\
## Environment variables

| variable | meaning |
| --- | --- |
| `CARGOSHIP_<SETTING>` | a setting; see [settings.md](settings.md) |
| `CARGOSHIP_BACKTRACE=1` | show Python's traceback with an error |
| `CARGOSHIP_PROGRESS`, `CARGOSHIP_COLOR` | what `--progress` and `--color` say where they are not given |
| `CARGOSHIP_TRUST_CONFIG` | Fulcio, Rekor and roots of trust of one's own; see [signing.md](signing.md#without-a-key) |
| `CARGOSHIP_REPO` | where images without tags go: `ghcr.io/me`; the setting `repository` |
| `CARGOSHIP_CONFIG` | the user's own settings, in place of `~/.config/cargoship/config.toml`; empty: none |
| `NO_COLOR` | no colours |
| `FORCE_COLOR=1` | colours also where standard error is no terminal, as with `CLICOLOR_FORCE` |
| `CLICOLOR_FORCE=1` | colours also where standard error is no terminal |
| `CARGO_TERM_COLOR` | `always` or `never`, as for cargo, where none of the above is set |
| `CARGO_TERM_HYPERLINKS` | `true` or `false`, as for cargo: links; otherwise on terminals that are known for them |
| `CARGO_TERM_PROGRESS_TERM_INTEGRATION` | the same: progress in the terminal's title, tab or task bar |
| `CI` | no live display, also on a terminal |
| `SOURCE_DATE_EPOCH` | the time of everything in the image; otherwise 1970, or see `provenance-labels` |

`-v`, `-q`, `--color` and `--progress` may stand before the command too. `cargo ship build` is `cargoship build`.
Options of cargo, ko, jib and Buildx that are called otherwise here are answered with what to write.

`--color` wins over all of them.

## Completion in the shell

Commands, options and values are completed: platforms, bases, packages, binaries, features, what `--set` and `-o` take.

```
eval "$(_CARGOSHIP_COMPLETE=bash_source cargoship)"     # in ~/.bashrc
eval "$(_CARGOSHIP_COMPLETE=zsh_source cargoship)"      # in ~/.zshrc, after compinit
_CARGOSHIP_COMPLETE=fish_source cargoship | source      # in ~/.config/fish/config.fish
```

## JSON lines

With `--progress json` each line of standard error is one JSON object. Its `event` is `phase-started`, `phase-ended`
(`name`, `seconds`), `compile-foreseen` (how long the `units` took that are to be compiled, by the names of
`compile-progress`), `compile-progress` (`done`, `total`, `active`), `unit-finished`, `layer-assembled`, `blob-queued`,
`bytes-moved` (`sent_bytes` and `received_bytes` since the last one, of `what`: registry, cache, cluster, packages),
`slots-used` (how many of its `slots` are `busy` at a cluster, `where`),
`blob-pushed`, `written`, `note` (`text`, `level`), `tool-output` (a `line` of cargo or another tool, as it wrote it),
`result` (the contents of the metadata file) or `error` (`message`, `hint`, `details`, `exit_code`).

## The metadata file

`--metadata-file` writes one JSON object after a successful build. `images` has for each image its `name`, `reference`
(by digest), `platforms` (with `digest`, `size_bytes` and `layers`), `published`, `outputs` and, under the names that
Docker Buildx uses, `image.name`, `containerimage.digest` and `containerimage.descriptor`. Where there is one image, the
last three also stand at the top. `changed` says whether an image differs from what was there before
([digests](digests.md)), `delta_bytes` how many bytes more it has than in the last build, `seconds` what it took without
compiling; each of `published` has `changed` too. At the top, `seconds` has the time of each phase, `revision` the
commit and `source` the repository.

## Exit codes

| code | meaning |
| --- | --- |
"""

_ERRORS_HEAD = """\
<!-- Made by `python -m cargoship.cli.documenting.reference`; change src/cargoship/errors.py instead. -->

# Errors

What `cargoship` ends with, and what the Python calls raise. A class without a number of its own has that of its family.
The message says what and where, its hint what to do next; [troubleshooting](troubleshooting.md) has more on some.

| exit code | class | family | |
| --- | --- | --- | --- |"""

_CODES: tuple[tuple[int, str], ...] = (
    (0, "success"),
    (1, "`doctor` found something missing"),
    (70, "a fault in cargoship: please report it"),
    (129, "the terminal was closed (SIGHUP)"),
    (141, "nobody reads standard output any more"),
    (143, "ended by SIGTERM"),
)


def commands_page() -> str:
    """Return the page in Markdown."""
    pages = ("\n".join(_command(command, ctx)) for ctx, command in every_command(idle_session()))
    return "\n".join([_HEAD, *pages]) + "\n" + _TAIL + "".join(_codes())


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}\n"
    arguments = " ".join(each.make_metavar(ctx) for each in command.params if isinstance(each, click.Argument))
    # click puts a group's options and arguments into the path; ours have none
    yield f"    {ctx.command_path} [OPTIONS] {arguments}".rstrip() + "\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    named = {name: each for each in command.get_params(ctx) if isinstance(each, click.Option) for name in each.opts}
    placed: set[str] = set()
    rest = [name for name in named if name.startswith("--")]
    for title, names in {**panels_of(command), "Options": rest}.items():
        chosen = [name for name in names if name in named and name not in placed]
        placed.update(chosen)
        if chosen:
            yield f"| {title} | |\n| --- | --- |"
            yield from (_row(named[name], ctx) for name in chosen)
            yield ""


def _row(option: click.Option, ctx: click.Context) -> str:
    record = option.get_help_record(ctx)
    spelled, help_text = record if record is not None else ("", "")
    cells = (f"`{spelled}`", " ".join(help_text.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def errors_page() -> str:
    """Return the page of all errors in Markdown."""
    import cargoship.errors

    rows = []
    for kind in vars(cargoship.errors).values():
        if isinstance(kind, type) and issubclass(kind, cargoship.errors.CargoshipError):
            sentence = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).replace("|", "\\|")
            family = kind.__mro__[1].__name__
            rows.append((kind.exit_code, kind.__name__, family, sentence))
    lines = [f"| {code} | `{name}` | `{family}` | {sentence} |" for code, name, family, sentence in sorted(rows)]
    return "\n".join([_ERRORS_HEAD, *lines]) + "\n"


def _codes() -> Iterator[str]:
    import cargoship.errors

    meanings = dict(_CODES)
    for kind in vars(cargoship.errors).values():
        if isinstance(kind, type) and issubclass(kind, cargoship.errors.CargoshipError):
            sentence = inspect.cleandoc(kind.__doc__ or "").split("\n", 1)[0].rstrip(".")
            meanings.setdefault(kind.exit_code, f"{sentence} (`{kind.__name__}`)")
    yield from (f"| {code} | {meanings[code]} |\n" for code in sorted(meanings))


if __name__ == "__main__":
    write_manual()
    (Path(__file__).parents[4] / "docs" / "errors.md").write_text(errors_page(), encoding="utf-8")
    (Path(__file__).parents[4] / "docs" / "cli.md").write_text(commands_page(), encoding="utf-8")
