"""Results as JSON, which somebody may well look at in a terminal."""

from __future__ import annotations

import json

from cargoship.printable import printable_json


def line(document: object) -> str:
    """A document in one line."""
    return _written(document, None)


def indented(document: object) -> str:
    """A document for people and programs."""
    return _written(document, 2)


def _written(document: object, indent: int | None) -> str:
    import msgspec

    try:
        data = msgspec.json.encode(document)
    except UnicodeEncodeError:
        # a file's name may be no text: Python has lone surrogates for its bytes (PEP 383), and JSON words for those
        return json.dumps(msgspec.to_builtins(document), indent=indent)
    return printable_json((data if indent is None else msgspec.json.format(data, indent=indent)).decode())
