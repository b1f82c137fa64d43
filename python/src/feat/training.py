"""A training set as it comes from the server."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from tqdm.auto import tqdm

from feat import errors
from feat import spine as spines
from feat.v1 import training_pb2

if TYPE_CHECKING:
    import pandas
    import polars

#: Shows progress: True and False, None for "if someone watches", or a function of rows read and rows sent.
Progress = bool | None | Callable[[int, int], None]

MODES = {"as-known": training_pb2.MODE_AS_KNOWN, "event-time": training_pb2.MODE_EVENT_TIME}


class Asked:
    """What is asked for: the requests, and what went wrong while they were made.

    A request is made while the call runs, in a thread of gRPC's, which would only say that it failed.
    """

    def __init__(self, parts: Iterator[Any]) -> None:
        self._parts = parts
        self.failed: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._parts
        except Exception as failed:
            self.failed = failed
            raise


def requests(
    name: str,
    spine: spines.Spine | None,
    *,
    time: str | None,
    zone: str | None,
    server_spine: str | None,
    mode: str,
) -> Asked:
    """The requests of `Client.training_set`.

    Raises: ValueError or TypeError for what no server would take.
    """
    if mode not in MODES:
        raise ValueError(f"`{mode}` is no mode: {' or '.join(MODES)}")
    if spine is not None and server_spine is not None:
        raise ValueError("either `spine` is sent, or the server reads `server_spine`")
    header = training_pb2.TrainingSetHeader(
        zone=zone or "", spine_path=server_spine or "", mode=MODES[mode], time=time or ""
    )
    if spine is None and server_spine is None:
        header.dataset = name
        if time is not None:
            raise ValueError(
                "a dataset says itself which column its time is; a service needs a `spine` with it"
            )
        return Asked(iter([training_pb2.CreateTrainingSetRequest(header=header)]))
    header.service = name
    if time is None:
        raise ValueError("say which column of the spine is its `time`, such as time='t'")
    batches = None if spine is None else spines.reader(spine)

    def parts() -> Iterator[training_pb2.CreateTrainingSetRequest]:
        yield training_pb2.CreateTrainingSetRequest(header=header)
        if batches is not None:
            for piece in spines.pieces(batches):
                yield training_pb2.CreateTrainingSetRequest(spine=piece)

    return Asked(parts())


def again(id: str, spine: spines.Spine | None) -> Asked:
    """The requests of `Client.reproduce`."""
    batches = None if spine is None else spines.reader(spine)

    def parts() -> Iterator[training_pb2.ReproduceTrainingSetRequest]:
        yield training_pb2.ReproduceTrainingSetRequest(id=id)
        if batches is not None:
            for piece in spines.pieces(batches):
                yield training_pb2.ReproduceTrainingSetRequest(spine=piece)

    return Asked(parts())


class Call(Protocol):
    """A call whose events are read one by one."""

    def cancel(self) -> Any:
        """Stops it."""

    def __iter__(self) -> Iterator[training_pb2.TrainingSetEvent]: ...


class TrainingSet:
    """Exactly the rows of a spine, with what every feature was worth at each row's instant.

    Rows come as they are computed: `batches` reads one batch after the other; `to_arrow`, `to_pandas` and
    `to_polars` read all. It is read once. Leaving it as a context manager before its end stops the work.
    """

    def __init__(self, call: Call, asked: Asked, progress: Progress = None) -> None:
        self._call = call
        self._asked = asked
        self._events = iter(call)
        self._shown = _shown(progress)
        self._finished: training_pb2.TrainingSet | None = None
        self._table: pa.Table | None = None
        self._begun = False
        self._stream = io.BufferedReader(_Stream(self), 1 << 16)
        self.id = ""
        event = self._next()
        if event is not None and event.WhichOneof("event") == "started":
            #: By which it is found again.
            self.id = event.started.id

    def __enter__(self) -> TrainingSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._finished is None:
            self.cancel()

    def __repr__(self) -> str:
        state = f"{self._finished.rows} rows" if self._finished is not None else "being read"
        return f"<TrainingSet {self.id}: {state}>"

    def cancel(self) -> None:
        """Stops the work of the server; nothing is left of it."""
        self._call.cancel()
        self._shown(None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the order of the spine; a batch comes before the next is computed.

        Raises: RuntimeError if they are read a second time.
        """
        if self._begun:
            raise RuntimeError("a training set is read once: keep what to_arrow() gives")
        self._begun = True
        try:
            with pa.ipc.open_stream(self._stream) as reader:
                yield from reader
            while self._next() is not None:
                pass
        finally:
            self._shown(None)

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        if self._table is None:
            if self._begun:
                raise RuntimeError("a training set is read once: its batches were taken")
            self._begun = True
            try:
                with pa.ipc.open_stream(self._stream) as reader:
                    self._table = reader.read_all()
                while self._next() is not None:
                    pass
            finally:
                self._shown(None)
        return self._table

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a frame of pandas; `options` are those of `pyarrow.Table.to_pandas`."""
        frame: pandas.DataFrame = self.to_arrow().to_pandas(**options)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """All rows as a frame of polars."""
        import polars

        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    @property
    def rows(self) -> int:
        """How many rows it has. Known, as what follows, once all was read."""
        return self._end().rows

    @property
    def checksum(self) -> str:
        """Of all rows, whatever their order: equal sets have equal checksums."""
        return self._end().checksum

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, meanings and tables it was made from."""
        found: dict[str, Any] = json.loads(self._end().manifest)
        return found

    def _end(self) -> training_pb2.TrainingSet:
        if self._finished is None:
            raise RuntimeError("the training set is not read to its end yet")
        return self._finished

    def _next(self) -> training_pb2.TrainingSetEvent | None:
        """The next event; None after the last."""
        try:
            with errors.raised():
                event = next(self._events, None)
        except BaseException as error:
            self._shown(None)
            if self._asked.failed is not None:
                raise self._asked.failed from error
            raise
        if event is not None:
            match event.WhichOneof("event"):
                case "progress":
                    self._shown(event.progress)
                case "finished":
                    self._finished = event.finished
        return event

    def _piece(self) -> bytes:
        """The next piece of the Arrow stream; nothing after the last."""
        while (event := self._next()) is not None:
            if event.WhichOneof("event") == "arrow":
                return event.arrow
        return b""


class _Stream(io.RawIOBase):
    """The Arrow stream of a training set, for those who read files."""

    def __init__(self, of: TrainingSet) -> None:
        self._of = of
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(self._of._piece())
        view = memoryview(buffer).cast("B")
        taken = min(len(view), len(self._left))
        view[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken


def _shown(progress: Progress) -> Callable[[training_pb2.Progress | None], None]:
    """What is done with progress; None ends it."""
    if callable(progress):
        told = progress
        return lambda now: told(now.rows_read, now.rows_sent) if now is not None else None
    # `disable=None` is tqdm's word for "unless someone watches".
    bar = tqdm(
        unit=" rows", unit_scale=True, desc="training set", disable=None if progress is None else not progress
    )

    def shown(now: training_pb2.Progress | None) -> None:
        if now is None:
            bar.close()
        else:
            bar.set_postfix_str(f"{now.rows_read:,} rows of sources read", refresh=False)
            bar.update(now.rows_sent - bar.n)

    return shown


class Received:
    """The events of a call that were received whole, in place of the call."""

    def __init__(self, events: Iterable[training_pb2.TrainingSetEvent]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[training_pb2.TrainingSetEvent]:
        return iter(self._events)

    def cancel(self) -> None:
        """There is nothing to stop."""
