"""A ledger without anything in it, on each kind of database, and one that restarts all the time."""

from collections.abc import Iterator

import pytest

from tests.ledger_rig import KINDS, Ledger, ledger_at
from tests.postgres import ledger_place


@pytest.fixture(scope="module", params=KINDS)
def ledger_home(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    kind, *restarts = request.param.split(", ")
    with ledger_place(kind) as place:
        yield place, bool(restarts)


@pytest.fixture
def ledger(ledger_home: tuple[str, bool]) -> Iterator[Ledger]:
    with ledger_at(ledger_home) as made:
        yield made
