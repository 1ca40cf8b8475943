from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statements", "loaded"),
    [
        ("import cargoship.registry.connect, cargoship.destinations", False),
        ("from cargoship.registry.connect import warm; warm()", True),
    ],
)
def test_http_is_loaded_when_somebody_connects(statements: str, loaded: bool) -> None:  # noqa: FBT001
    program = f"import sys; {statements}; print('httpcore2' in sys.modules, 'httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{loaded} False"
