"""The reference page of the settings, made from the model: docs/settings.md."""

from __future__ import annotations

from cargoship.settings.fields import FIELDS, Field

_HEAD = """\
<!-- Made by `python -m cargoship.settings`; change src/cargoship/settings/build.py or model.py instead. -->

# Settings

Nothing has to be set. What is set is looked for in five places, the later ones winning:

1. `~/.config/cargoship/config.toml` (`XDG_CONFIG_HOME` counts, `CARGOSHIP_CONFIG` names another file, or none where
   it is empty): a user's own, for all projects. It holds what has no say in what an image is: see the last line below;
2. `[workspace.metadata.cargoship]` in the workspace's `Cargo.toml`, for all its packages;
3. `[package.metadata.cargoship]` in the package's `Cargo.toml`;
4. environment variables: `CARGOSHIP_` and the setting's name;
5. options on the command line: `--set KEY=VALUE` for any of them, and `--set env.RUST_LOG=debug` for a key of a table;
   `settings=` in Python takes them too.

`cargoship plan` says where each value comes from.

Tables (`env`, `labels`, `annotations`) are merged key by key; everything else is replaced. `platforms`, `libc`,
`profile` and `default-features` must be the same for all packages that are built together.

In a variable, a list is separated by commas (or is a JSON list, for values with commas), a table is `KEY=VALUE` lines
or a JSON object, `healthcheck` is JSON. An empty variable says nothing. An unknown setting in `Cargo.toml` is an error,
an unknown `CARGOSHIP_` variable a warning.

`cargoship schema` prints a JSON schema of the table, `cargoship schema --for taplo` that of a whole `Cargo.toml`. With
the second in a file, Even Better TOML completes and checks settings, by a `.taplo.toml` beside the project:

```toml
[[rule]]
include = ["**/Cargo.toml"]
schema = { path = "cargoship.schema.json" }
```

```toml
[package.metadata.cargoship]
tags = ["ghcr.io/me/{name}:{version}"]
expose = [8080]
env = { RUST_LOG = "info" }
include = ["templates/** -> /app/templates/"]
```
"""

_PERSONAL = "In a user's own file may be: {}.\n"


def settings_page() -> str:
    """Return the page in Markdown."""
    personal = ", ".join(f"`{field.key}`" for field in FIELDS if field.spec.personal)
    parts = [_HEAD, _PERSONAL.format(personal)]
    groups: dict[str, list[Field]] = {}
    for field in FIELDS:
        groups.setdefault(field.spec.group, []).append(field)
    for group, fields in groups.items():
        parts.append(f"## {group}\n")
        parts += [_entry(field) for field in fields]
    return "\n".join(parts)


def _entry(field: Field) -> str:
    shown = field.spec.shown_default
    default = f"`{shown}`" if shown.startswith(('"', "[", "{")) or shown in {"true", "false"} else shown
    return (
        f"### `{field.key}`\n\n"
        f"{field.spec.doc}\n\n"
        f"- Form: {field.spec.kind.title}\n"
        f"- Default: {default}\n"
        f"- Variable: `{field.variable}`\n\n"
        f"```toml\n{field.key} = {field.spec.example}\n```\n"
    )
