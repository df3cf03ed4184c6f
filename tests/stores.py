"""A store on a real disk, for a scene: rows to put in, and how they come back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import (
    LIVE,
    NewRow,
    Row,
    row_id,
)


def rows_of(first: int, last: int, lane: str = LIVE) -> list[NewRow]:
    return [NewRow(lane, n * 1000, "verdict", f'{{"n":{n}}}') for n in range(first, last + 1)]


def kept(boot: int, rows: list[NewRow]) -> list[Row]:
    """As the store gives them back, numbered from 1."""
    return [Row(row.lane, row_id(boot, n), *row[1:], 0) for n, row in enumerate(rows, start=1)]


def opened(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> tuple[str, ...]:
    """Runs `scene` on a store that was opened and is closed; what `open` said."""

    async def run() -> tuple[str, ...]:
        store = SqliteStore(str(folder), urandom=bytes)
        notes = await store.open()
        try:
            await scene(store)
        finally:
            await store.close()
        return notes

    return asyncio.run(run())


async def nothing(store: SqliteStore) -> None:
    """Opens and closes."""
