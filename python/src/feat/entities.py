"""What is asked about: a row, rows or a table, as the message that asks."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import duration_pb2, timestamp_pb2

from feat import values
from feat.v1 import online_pb2

#: One row, rows, or a frame of pandas, polars or Arrow with a column for each key.
Entities: TypeAlias = Mapping[str, Any] | Iterable[Mapping[str, Any]] | Any


def request(
    services: str | Sequence[str],
    entities: Entities | None,
    inputs: Mapping[str, Any] | None,
    at: datetime.datetime | None,
    wait: float | datetime.timedelta | None,
) -> online_pb2.GetFeaturesRequest:
    """The message of `Client.get`."""
    asked = online_pb2.GetFeaturesRequest(
        services=[services] if isinstance(services, str) else list(services), form=online_pb2.FORM_COLUMNS
    )
    if entities is not None:
        _set(asked, entities)
    for name, value in (inputs or {}).items():
        asked.inputs[name].CopyFrom(values.message(value, name))
    if at is not None:
        asked.at.CopyFrom(timestamp(at))
    if wait is not None:
        asked.wait.CopyFrom(_duration(wait))
    return asked


def timestamp(at: datetime.datetime) -> timestamp_pb2.Timestamp:
    """An instant as a message.

    Raises: ValueError without a zone.
    """
    seconds, rest = divmod(values.microseconds(at, "at"), 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest * 1000)


def _duration(wait: float | datetime.timedelta) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromTimedelta(wait if isinstance(wait, datetime.timedelta) else datetime.timedelta(seconds=wait))
    return found


def _set(asked: online_pb2.GetFeaturesRequest, entities: Entities) -> None:
    frame = table(entities)
    if frame is not None:
        columns = [_column(name, frame.column(place)) for place, name in enumerate(frame.column_names)]
        asked.columns.CopyFrom(online_pb2.Columns(columns=columns))
        return
    rows = [entities] if isinstance(entities, Mapping) else list(entities)
    asked.rows.SetInParent()
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"an entity is a dict of its keys, such as {{'user_id': 'ann'}}, and not {row!r}")
        found = asked.rows.rows.add()
        for name, value in row.items():
            found.values[name].CopyFrom(values.message(value, name))


def table(data: Any) -> pa.Table | None:
    """An Arrow table of a frame of pandas, polars or Arrow; None if `data` is no frame."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    home = type(data).__module__.partition(".")[0]
    if home == "pandas" and hasattr(data, "columns"):
        return pa.Table.from_pandas(data, preserve_index=False)
    if home == "polars":
        if hasattr(data, "collect"):
            data = data.collect()
        if hasattr(data, "to_arrow") and hasattr(data, "columns"):
            return data.to_arrow()
    return None


def _column(name: str, column: pa.ChunkedArray) -> online_pb2.Column:
    """A column in the typed form of its Arrow type.

    Raises: ValueError for times without zone.
    """
    found = online_pb2.Column(name=name)
    ty = column.type
    if pa.types.is_dictionary(ty):
        column = column.cast(ty.value_type)
        ty = column.type
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], ty)
    found.nulls.extend(pc.indices_nonzero(pc.is_null(array)).to_pylist())
    if pa.types.is_timestamp(ty):
        if ty.tz is None:
            raise ValueError(f"the times of column `{name}` have no zone: whose clock is meant?")
        found.ints.values.extend(_filled(array.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), 0))
    elif pa.types.is_duration(ty):
        found.ints.values.extend(_filled(array.cast(pa.duration("us")).cast(pa.int64()), 0))
    elif pa.types.is_date(ty):
        found.ints.values.extend(_filled(array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 0))
    elif pa.types.is_boolean(ty):
        found.bools.values.extend(_filled(array, False))
    elif pa.types.is_integer(ty):
        found.ints.values.extend(_filled(array.cast(pa.int64()), 0))
    elif pa.types.is_floating(ty):
        found.floats.values.extend(_filled(array.cast(pa.float64()), 0.0))
    elif pa.types.is_string(ty) or pa.types.is_large_string(ty) or pa.types.is_string_view(ty):
        found.strings.values.extend(_filled(array.cast(pa.string()), ""))
    elif pa.types.is_null(ty):
        found.any.values.extend(values.message(None, name) for _ in range(len(array)))
    else:
        found.any.values.extend(values.message(value, name) for value in array.to_pylist())
    return found


def _filled(array: pa.Array, value: Any) -> list[Any]:
    """Its values, with `value` in place of nulls."""
    return list(array.fill_null(value).to_pylist() if array.null_count else array.to_pylist())
