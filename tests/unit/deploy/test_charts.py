# ruff: noqa: E501 - the cases are one line each
"""Values of Helm charts that hardly any chart makes the right image of."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.events import Level, Note
from support.deploying import Workplace

_NAME, _DIGEST = "cargoship://app#name", "cargoship://app#digest"


def _warnings(folder: Path, values: str) -> list[str]:
    place = Workplace(folder, {"app": ["app"], "other": ["other"]})
    place.resolve(("values.yaml", f"web:\n  image: {values}\n".encode()))
    return [each.text for each in place.events if isinstance(each, Note) and each.level is Level.WARNING]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{repository: 'cargoship://app', tag: ''}", "repository is a whole reference, to which charts add the tag"),
        (f"{{repository: '{_NAME}', tag: ''}}", f"repository has no digest beside it, and the image could be any: write digest: {_DIGEST}"),
        (f"{{repository: '{_NAME}'}}", f"repository has no digest beside it, and the image could be any: write digest: {_DIGEST}"),
        (f"{{repository: '{_NAME}', digest: 'cargoship://other#digest'}}", f"repository has the digest of another image beside it: write {_DIGEST}"),
        (f"{{repository: '{_NAME}', tag: 'any@cargoship://other#digest'}}", f"repository has the digest of another image beside it: write {_DIGEST}"),
        (f"{{registry: ghcr.io, repository: '{_NAME}', digest: '{_DIGEST}'}}", 'registry would come before a name that has its registry: write registry: ""'),
        (f"{{repository: '{_NAME}', tag: '{_DIGEST}'}}", f'tag is a digest, before which charts put a colon: write digest: {_DIGEST}, or tag: "any@{_DIGEST}"'),
    ],
)  # fmt: skip
def test_what_charts_would_put_together_wrongly_is_said(tmp_path: Path, values: str, said: str) -> None:
    (warning,) = _warnings(tmp_path, values)
    assert warning.startswith(f"values.yaml: web.image.{said}")


@pytest.mark.parametrize(
    "values",
    [
        f"{{registry: '', repository: '{_NAME}', digest: '{_DIGEST}', tag: ''}}",
        f"{{repository: '{_NAME}', tag: 'any@{_DIGEST}'}}",
        "{repository: 'cargoship://app'}",
        f"{{repository: '{_NAME}', by: {{digest: '{_DIGEST}'}}}}",
        "{repository: nginx, tag: '1', sidecar: 'cargoship://app'}",
    ],
)
def test_what_charts_put_together_rightly_is_left_alone(tmp_path: Path, values: str) -> None:
    assert _warnings(tmp_path, values) == []
