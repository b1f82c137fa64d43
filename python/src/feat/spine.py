"""A spine as it is sent: an Arrow IPC stream in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json

from feat import entities

#: A frame of pandas, polars or Arrow, a reader of record batches, or the name of a Parquet, Arrow, CSV or
#: JSON-lines file.
Spine: TypeAlias = Any

#: How many rows a record batch has at most: of a hundred columns a few megabytes.
_ROWS = 16_384
#: How many bytes a message has about.
_BYTES = 1 << 20
_FORMATS = {".parquet": "parquet", ".arrow": "ipc", ".feather": "ipc"}


def reader(spine: Spine) -> pa.RecordBatchReader:
    """The record batches of a spine, read as they are needed where it is a file or a reader.

    Raises: TypeError or ValueError if it is no spine.
    """
    if isinstance(spine, pa.RecordBatchReader):
        return spine
    if isinstance(spine, (str, Path)):
        return _file(Path(spine))
    table = entities.table(spine)
    if table is None:
        found = type(spine).__name__
        raise TypeError(f"a spine is a frame of pandas, polars or Arrow, or a file's name, and not a {found}")
    return table.to_reader(max_chunksize=_ROWS)


def _file(path: Path) -> pa.RecordBatchReader:
    kind = path.suffix.lower()
    if kind == ".csv":
        return pyarrow.csv.open_csv(path)
    if kind in (".jsonl", ".ndjson", ".json"):
        return pyarrow.json.read_json(path).to_reader(max_chunksize=_ROWS)
    if kind not in _FORMATS:
        raise ValueError(f"{path}: a spine's file is .parquet, .arrow, .csv or .jsonl by its name")
    dataset = pyarrow.dataset.dataset(path, format=_FORMATS[kind])
    return dataset.scanner(batch_size=_ROWS).to_reader()


class _Pieces:
    """Takes what is written and gives it out."""

    closed = False

    def __init__(self) -> None:
        self.held = bytearray()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.held += view
        return view.nbytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> Iterator[bytes]:
        """What was written, in pieces of a message."""
        for at in range(0, len(self.held), _BYTES):
            yield bytes(self.held[at : at + _BYTES])
        self.held.clear()


def pieces(batches: pa.RecordBatchReader) -> Iterator[bytes]:
    """The pieces of the stream, made as they are asked for."""
    sink = _Pieces()
    schema = pa.schema([_plain(field) for field in batches.schema])
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            for place, field in enumerate(schema):
                if batch.schema.field(place).type != field.type:
                    table = table.set_column(place, field, table.column(place).cast(field.type))
            writer.write_table(table.cast(schema), max_chunksize=_ROWS)
            yield from sink.taken()
    yield from sink.taken()


def _plain(field: pa.Field) -> pa.Field:
    """A field in the type that every reader of Arrow knows: categories and views as what they stand for."""
    ty = field.type
    if pa.types.is_dictionary(ty):
        ty = ty.value_type
    if pa.types.is_large_string(ty) or pa.types.is_string_view(ty):
        ty = pa.string()
    elif pa.types.is_large_binary(ty) or pa.types.is_binary_view(ty):
        ty = pa.binary()
    return pa.field(field.name, ty, field.nullable)
