"""Escape text in CSV files that a spreadsheet would run, such as a class named `=cmd()`."""

from __future__ import annotations

from typing import Any

FORMULA = r"^[=+\-@\t\r]"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def escaped(table: Any) -> Any:
    """The table (pyarrow) with an apostrophe before each text that begins like a formula.

    Numbers stay numbers, also where a text column holds a negative one. Names of columns count as
    text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [_escaped(column) for column in table.columns]
    names = pc.fill_null(_escaped(pa.array(table.column_names, pa.string())), "").to_pylist()
    return pa.table(columns, names=names)


def _escaped(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    formula = pc.and_not(
        pc.match_substring_regex(column, FORMULA), pc.match_substring_regex(column, NUMBER)
    )
    apostrophe = pa.scalar("'", column.type)
    return pc.if_else(
        formula, pc.binary_join_element_wise(apostrophe, column, pa.scalar("", column.type)), column
    )
