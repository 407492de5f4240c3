from __future__ import annotations

import pytest

from loadmgr.model import Site
from tests.simulate.sites import small_site


@pytest.fixture
def site() -> Site:
    return small_site()
