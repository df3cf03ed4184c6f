"""Tables of numbers in text: comma, semicolon or tab, header or none, decimal point or comma."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DELIMITERS = (";", "\t", ",")  # in this order: where one of the first two is, a comma is a decimal


class TableFault(Exception):
    """The text is not a table: which row, what was found, what was expected."""


def read_table(content: bytes) -> "tuple[Floats, list[str]]":
    """(values, shape (rows, columns), NaN where a cell is no number; names of the columns)."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TableFault(f"not text in UTF-8 (byte {error.start})")
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows:
        raise TableFault("empty: no line of values")
    delimiter = _delimiter(rows)
    if delimiter != ",":
        rows = [row.replace(",", ".") for row in rows]
    table = [[cell.strip().strip('"') for cell in row.split(delimiter)] for row in rows]
    table = _without_empty_end(table)
    names, table = _header(table)
    for number, cells in enumerate(table, 1):
        if len(cells) != len(names):
            raise TableFault(f"row {number}: {len(cells)} columns, expected {len(names)}")
    values = np.asarray([[_number(cell) for cell in cells] for cells in table], dtype=np.float64)
    if not np.isfinite(values).any():
        raise TableFault(
            f"no numbers in it: {rows[0][:40]!r} (expected columns of numbers,"
            " separated by comma, semicolon or tab)"
        )
    return values.reshape(len(table), len(names)), names


def _delimiter(rows: "list[str]") -> str:
    """What stands between the columns; a text without any is one column, its commas decimal."""
    for delimiter in DELIMITERS[:2]:
        if delimiter in rows[-1]:
            return delimiter
    return "\n" if _is_decimal_commas(rows) else ","


def _is_decimal_commas(rows: "list[str]") -> bool:
    """Whether "0,123" is one number: one comma a row, and digits behind it that no count has."""
    body = rows[1:] if len(rows) > 1 else rows
    halves = [row.strip().split(",") for row in body]
    if not all(len(half) == 2 and half[1].isdigit() for half in halves):
        return False
    if not all(half[0].lstrip("+-").isdigit() for half in halves):
        return False
    return any(len(half[1]) > 1 and half[1][0] == "0" for half in halves) or all(
        half[0] in ("0", "-0", "+0") for half in halves
    )


def _without_empty_end(table: "list[list[str]]") -> "list[list[str]]":
    """A delimiter at the end of every row makes no column."""
    while all(len(cells) > 1 and not cells[-1] for cells in table):
        table = [cells[:-1] for cells in table]
    return table


def _header(table: "list[list[str]]") -> "tuple[list[str], list[list[str]]]":
    """(names, rows of values); columns without a header are named by their numbers."""
    first = table[0]
    if any(np.isnan(_number(cell)) and cell.lower() != "nan" for cell in first):
        return first, table[1:]
    return [str(place) for place in range(len(first))], table


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
