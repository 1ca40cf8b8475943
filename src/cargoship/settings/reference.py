"""The reference page of the settings, made from the model: docs/settings.md."""

from __future__ import annotations

from itertools import groupby

from cargoship.settings.model import FIELDS, Field

_HEAD = """\
<!-- Made by `python -m cargoship.settings`; change src/cargoship/settings/model.py instead. -->

# Settings

Nothing has to be set. What is set is looked for in four places, the later ones winning:

1. `[workspace.metadata.cargoship]` in the workspace's `Cargo.toml`, for all its packages;
2. `[package.metadata.cargoship]` in the package's `Cargo.toml`;
3. environment variables: `CARGOSHIP_` and the setting's name;
4. options on the command line.

Tables (`env`, `labels`, `annotations`) are merged key by key; everything else is replaced. `platforms`, `libc`,
`profile` and `default-features` must be the same for all packages that are built together.

In a variable, a list is separated by commas (or is a JSON list, for values with commas), a table is `KEY=VALUE` lines
or a JSON object, `healthcheck` is JSON. An empty variable says nothing. An unknown setting in `Cargo.toml` is an error,
an unknown `CARGOSHIP_` variable a warning.

A JSON schema for editors is in
[`src/cargoship/settings/schema.json`](../src/cargoship/settings/schema.json).

```toml
[package.metadata.cargoship]
tags = ["ghcr.io/me/{name}:{version}"]
expose = [8080]
env = { RUST_LOG = "info" }
include = ["templates/** -> /app/templates/"]
```
"""


def reference_page() -> str:
    """Return the page in Markdown."""
    parts = [_HEAD]
    for group, fields in groupby(FIELDS, key=lambda field: field.spec.group):
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
