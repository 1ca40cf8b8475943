from __future__ import annotations

from collections.abc import Iterator

import pytest

from cargoship.oci.index import Index
from cargoship.testing import InMemoryRegistry
from support.images import small_index


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"))


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running
