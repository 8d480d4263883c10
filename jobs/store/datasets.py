"""Records of data sets: their sources and preparation settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import atomic
from jobs.errors import StoreUnusable
from jobs.store import codec
from jobs.store.paths import StorePaths
from jobs.store.records import DataSetRecord

if TYPE_CHECKING:
    from jobs.data.data_source import DataSource
    from jobs.spec.model import DataSettings


@dataclass(frozen=True, slots=True)
class DataSetDescription:
    """The source of a data set, its classes in order, its settings, and its preparation.

    For `layout` and `labels` see `DataSource`.
    """

    origin: str
    classes: tuple[str, ...]
    settings: DataSettings
    preparation: int = 1
    layout: str = "class-folders"
    labels: str | None = None


class DataSetStore(StorePaths):
    """The data sets of one store folder."""

    __slots__ = ()

    def save_data(self, data: str, source: DataSource, settings: DataSettings) -> None:
        """Record a data set's source; `data` is its name (see `DataSource.data_id`)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from jobs.spec.model import named_by
        from jobs.store.tables import ADDED_LATER, INVENTORY

        inventory, path = self.inventory_path(data), self.source_path(data)
        codec.refuse_newer(DataSetRecord, path)
        if not inventory.exists():
            names = [f.name for f in INVENTORY if f.name not in ADDED_LATER]
            names += ["given_split"] if source.split_given else []
            names += ["group"] if source.groups else []
            columns = [
                pa.array(
                    [getattr(entry, name) for entry in source.entries], INVENTORY.field(name).type
                )
                for name in names
            ]
            with atomic.atomic_write(inventory) as draft:
                pq.write_table(pa.table(columns, names), draft)
        described = codec.encode(
            DataSetRecord(
                origin=source.origin,
                classes=source.classes,
                settings=named_by(settings),
                preparation=source.preparation,
                layout=source.layout,
                labels=source.labels,
            )
        )
        recorded = atomic.read_json(path)
        if not isinstance(recorded, dict) or {"format": 1, **recorded} != described:
            atomic.write_json(path, described)

    def load_data(self, data: str) -> tuple[DataSource, DataSettings]:
        """The recorded source of a data set with all its files, and its settings.

        Raises `StoreUnusable` for an unknown data set, and `DamagedFile`.
        """
        from jobs.data.data_source import DataSource, ImageFile
        from jobs.store import tables

        described = self.described(data)
        rows = tables.read_table(self.inventory_path(data), tables.INVENTORY).to_pylist()
        entries = tuple(ImageFile(**row) for row in rows)
        source = DataSource(
            described.origin,
            described.classes,
            entries,
            described.preparation,
            layout=described.layout,
            labels=described.labels,
        )
        return source, described.settings

    def described(self, data: str) -> DataSetDescription:
        """Like `load_data`, without the inventory, which is slow to read for a large data set."""
        from jobs.spec import value_errors
        from jobs.spec.model import DataSettings

        path = self.source_path(data)
        record = codec.read(path, DataSetRecord)
        if record is None:
            raise StoreUnusable(f"the store {self.root} has no data set '{data}'.")
        try:
            return DataSetDescription(
                record.origin,
                record.classes,
                DataSettings(**record.settings),
                record.preparation,
                record.layout,
                record.labels,
            )
        except (TypeError, ValueError) as error:
            raise codec.damaged_file(
                path, value_errors.first_problem(error, DataSettings)
            ) from None
