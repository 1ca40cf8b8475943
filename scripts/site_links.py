"""A hook of mkdocs: links out of docs/ lead to the repository, where those files are."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401 - mkdocs calls it
    """Make links that leave the folder of the pages absolute."""
    del files
    folder = posixpath.dirname(page.file.src_uri)

    def absolute(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        if place.startswith("docs/"):
            return match[0]
        return f"]({config['repo_url']}/blob/main/{place})"

    return _LINK.sub(absolute, markdown)
