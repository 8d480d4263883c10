"""Tables of labels as they are: CSV, TSV, Parquet and JSON Lines, every value as text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobs.errors import BadFolder

SEPARATORS = (",", ";", "\t", "|")
QUOTES = ('"', "'")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
PATH_COLUMNS = ("path", "file_name")
LABEL = "label"
OTHER_NAMES = {
    **dict.fromkeys(("class", "category", "target", "labels", "class_name", "classname"), LABEL),
    **dict.fromkeys(("image", "file", "filename", "image_path", "filepath", "paths"), "path"),
}
"""What others call the columns that are needed."""
MAX_CHARACTERS = 2**31 - 1
"""Of a value. Columns that are not used may hold more than the 131,072 of Python's default."""
SHOWN = 3
SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The columns of a table by name, and where each row stands: `line 7`, `row 7`."""

    file: Path
    columns: dict[str, list[str]]
    places: Sequence[int]
    unit: str = "line"

    def name_of(self, wanted: str) -> str | None:
        """The column of this name, else the one that differs in case only."""
        if wanted in self.columns:
            return wanted
        return next((n for n in self.columns if n.casefold() == wanted.casefold()), None)

    @property
    def path_column(self) -> str | None:
        """The column of paths."""
        return next((column for name in PATH_COLUMNS if (column := self.name_of(name))), None)

    @property
    def label_column(self) -> str | None:
        """The column of labels."""
        return self.name_of(LABEL)

    def refuse(self, what: str, rows: Sequence[int], advice: str) -> BadFolder:
        """The error that names these rows (by position)."""
        named = ", ".join(str(self.places[row]) for row in rows[:SHOWN])
        more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
        unit = self.unit if len(rows) == 1 else f"{self.unit}s"
        return BadFolder(f"{self.file}: {what} in {unit} {named}{more}. {advice}")


def read(file: Path) -> LabelTable:
    """The table in a file, by its ending; raises `BadFolder`."""
    try:
        return READERS[file.suffix.lower()](file)
    except FileNotFoundError:
        raise BadFolder(f"the table of labels {file} does not exist.") from None
    except OSError as error:
        raise BadFolder(f"cannot read {file}: {error.strerror or error}.") from None


def _read_separated(file: Path) -> LabelTable:
    """A table with separators; which ones, and which quotes, its first line says."""
    csv.field_size_limit(MAX_CHARACTERS)
    text = _text(file)
    first, _, rest = text.partition("\n")
    lines_before = 0
    if first.strip().lower().startswith("sep="):  # as Excel writes it
        text, lines_before = rest, 1
    for quote in QUOTES:
        for separator in SEPARATORS:
            rows = csv.reader(
                io.StringIO(text, newline=""),
                delimiter=separator,
                quotechar=quote,
                skipinitialspace=True,
                strict=True,
            )
            try:
                head = [name.strip() for name in next(rows, [])]
            except csv.Error:
                continue
            table = LabelTable(file, {name: [] for name in head}, [])
            if table.path_column and table.label_column:
                return _filled(table, head, rows, lines_before)
    raise _no_header(file, text.partition("\n")[0].strip())


def _filled(
    table: LabelTable, head: list[str], rows: Iterator[list[str]], lines_before: int
) -> LabelTable:
    """The table with its rows, without columns that have no name.

    Raises `BadFolder` for a row of another length.
    """
    _refuse_twice(table.file, [name for name in head if name])
    places: list[int] = []
    kept: list[list[str]] = []
    uneven: list[int] = []
    line = lines_before + 1
    try:
        for row in rows:
            line = lines_before + rows.line_num  # type: ignore[attr-defined]
            if row and any(row):
                if len(row) != len(head):
                    uneven.append(len(kept))
                places.append(line)
                kept.append(row)
    except csv.Error as error:
        raise BadFolder(f"{table.file} cannot be read after line {line}: {error}.") from None
    if uneven:
        raise LabelTable(table.file, {}, places).refuse(
            f"not {len(head)} values", uneven, "Put values that hold a separator in quotes."
        )
    values = zip(*kept, strict=True) if kept else ([] for _ in head)
    columns = {name: list(column) for name, column in zip(head, values, strict=True) if name}
    return LabelTable(table.file, columns, places)


def _refuse_twice(file: Path, names: Sequence[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadFolder(f"{file} has two columns '{twice}'. Rename or remove one of them.")


def _text(file: Path) -> str:
    contents = file.read_bytes()
    try:
        if contents.startswith(UTF_16):
            return contents.decode("utf-16")
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = contents[: error.start].count(b"\n") + 1
        raise BadFolder(f"{file} is not UTF-8 text (line {line}). Save it as UTF-8.") from None


def _read_json_lines(file: Path) -> LabelTable:
    """A table with a JSON object in each line."""
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise BadFolder(f"{file}: line {number} is no JSON object such as {{...}}.")
        rows.append(row)
        places.append(number)
    names = dict.fromkeys(name for row in rows for name in row)
    shape = LabelTable(file, {name: [] for name in names}, places)
    return _texts(shape, {name: [row.get(name) for row in rows] for name in names})


def _read_parquet(file: Path) -> LabelTable:
    """A table of Parquet; columns of bytes, lists and other things are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as handle:
            parquet = pq.ParquetFile(handle)
            _refuse_twice(file, parquet.schema_arrow.names)
            fields = {one.name: pa.types.is_nested(one.type) for one in parquet.schema_arrow}
            plain = [name for name, nested in fields.items() if not nested]
            table = parquet.read(columns=plain)
    except (pa.ArrowException, ValueError) as error:
        why = " ".join(str(error).split())[:120].rstrip(".")
        raise BadFolder(f"{file} is not a table of Parquet: {why}.") from None
    rows = range(1, table.num_rows + 1)
    whole = LabelTable(file, {name: [] for name in fields}, rows, "row")
    for name in (whole.path_column, whole.label_column):
        if name and fields[name]:
            raise BadFolder(f"{file}: '{name}' holds lists or records. One value a row is needed.")
    shape = LabelTable(file, {name: [] for name in plain}, rows, "row")
    return _texts(shape, {name: table[name].to_pylist() for name in plain})


def _texts(table: LabelTable, columns: dict[str, list[Any]]) -> LabelTable:
    """The table with its values as text; raises `BadFolder` for labels that are none."""
    if not (table.path_column and table.label_column):
        raise _no_header(table.file, ", ".join(columns))
    for name in (table.path_column, table.label_column):
        if wrong := [row for row, value in enumerate(columns[name]) if as_text(value) is None]:
            raise table.refuse(f"'{name}' is neither text nor number", wrong, "Give one value.")
    kept = {name: [as_text(value) or "" for value in each] for name, each in columns.items()}
    return LabelTable(table.file, kept, table.places, table.unit)


def as_text(value: Any) -> str | None:
    """A value as text: nothing for a missing one, None for one that has parts."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float, Decimal, date)) else None


def _no_header(file: Path, head: str) -> BadFolder:
    begins = f"It begins with: {head[:SHOWN_CHARACTERS]}" if head else "It is empty"
    names = [name.strip(" \"'") for name in re.split("[,;\t|]", head)]
    known = {name.casefold() for name in names}
    lacking = [each[0] for each in (PATH_COLUMNS, (LABEL,)) if known.isdisjoint(each)]
    meant = {OTHER_NAMES.get(name.casefold()): f"'{name}'" for name in names}
    what, advice = "header that names the columns path and label", "Write one, such as"
    if len(lacking) == 1:
        what = f"column '{lacking[0]}'"
    if len(lacking) == 1 or not meant.keys().isdisjoint(lacking):
        renamed = [f"{meant.get(each, f'that of the {each}s')} to '{each}'" for each in lacking]
        advice = f"Rename {' and '.join(renamed)}, as in"
    return BadFolder(f"{file} has no {what}. {begins}. {advice} path,label,split,group.")


def _known(endings: Iterable[str], reader: Callable[[Path], LabelTable]) -> dict[str, Any]:
    return dict.fromkeys(endings, reader)


READERS: dict[str, Callable[[Path], LabelTable]] = {
    **_known((".csv", ".tsv"), _read_separated),
    **_known((".jsonl",), _read_json_lines),
    **_known((".parquet",), _read_parquet),
}
"""How a table is read, by the ending of its file."""
