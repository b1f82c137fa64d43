"""Training sets: every form of a spine, as they come, and made again."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pandas
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import Server, asked, run

import feat

SPINES = [
    "arrow",
    "batch",
    "reader",
    "pandas",
    "categories",
    "polars",
    "lazy",
    "parquet",
    "feather",
    "csv",
    "jsonl",
]


def spine(form: str, folder: Path) -> object:
    """The spine of `asked` in one of the forms that are taken."""
    table = asked()
    file = folder / f"spine.{form}"
    match form:
        case "batch":
            return table.combine_chunks().to_batches()[0]
        case "reader":
            return table.to_reader(max_chunksize=7)
        case "pandas":
            return table.to_pandas()
        case "categories":
            return table.to_pandas().astype({"user_id": "category"})
        case "polars":
            return polars.from_arrow(table)
        case "lazy":
            frame = polars.from_arrow(table)
            assert isinstance(frame, polars.DataFrame)
            return frame.lazy()
        case "parquet":
            pa.parquet.write_table(table, file)
            return str(file)
        case "feather":
            pa.feather.write_feather(table, file)
            return file
        case "csv":
            pa.csv.write_csv(table, file)
            return file
        case "jsonl":
            table.to_pandas().to_json(file, orient="records", lines=True, date_format="iso", date_unit="us")
            return file
    return table


@pytest.mark.parametrize("form", SPINES)
def test_every_form_of_a_spine_gives_the_same_set(client: feat.Client, tmp_path: Path, form: str) -> None:
    by_file = client.training_set("shopper", server_spine="asked.parquet", time="t", progress=False)
    wanted = by_file.to_arrow().drop(["user_id", "t"])
    zone = "UTC" if form in ("csv", "jsonl") else None
    made = client.training_set("shopper", spine(form, tmp_path), time="t", zone=zone, progress=False)
    table = made.to_arrow()
    assert table.column("user_id").to_pylist() == asked().column("user_id").to_pylist()
    assert table.drop(["user_id", "t"]).equals(wanted)
    assert made.rows == 400 and made.id != by_file.id
    if form in ("arrow", "batch", "reader", "parquet", "feather"):
        assert made.checksum == by_file.checksum


def test_a_set_is_what_the_command_line_makes(shop: Server, client: feat.Client) -> None:
    run(
        shop.folder,
        "train",
        "--service",
        "shopper",
        "--spine",
        "asked.parquet",
        "--time",
        "t",
        "--out",
        "set.parquet",
    )
    wanted = pa.parquet.read_table(shop.folder / "set.parquet")
    made = client.training_set("shopper", asked(), time="t", progress=False)
    assert made.to_arrow().to_pylist() == wanted.to_pylist()
    assert made.manifest["rows"] == 400
    assert made.to_pandas().equals(made.to_arrow().to_pandas())
    assert made.to_polars().to_dicts() == wanted.to_pylist()


def test_a_row_of_a_set_is_what_a_lookup_says_at_its_instant(client: feat.Client) -> None:
    noon = datetime.datetime(2025, 1, 3, 12, tzinfo=datetime.timezone.utc)
    users = [f"u{one}" for one in range(14)]
    rows = pa.table({"user_id": users, "t": pa.array([noon] * 14, pa.timestamp("us", "UTC"))})
    made = client.training_set("shopper", rows, time="t", progress=False).to_arrow().drop(["user_id", "t"])
    assert client.get("shopper", rows.drop(["t"]), at=noon).to_arrow().equals(made)


def test_a_dataset_says_its_spine_itself(client: feat.Client) -> None:
    made = client.training_set("returning", progress=False)
    table = made.to_arrow()
    assert table.column_names[-1] == "comes_back__orders"
    assert 0 < table.num_rows <= 400


def test_batches_come_before_the_whole(client: feat.Client) -> None:
    rows = asked(200_000)
    told: list[tuple[int, int]] = []
    with client.training_set("shopper", rows, time="t", progress=lambda *now: told.append(now)) as made:
        with pytest.raises(RuntimeError, match="not read to its end"):
            _ = made.rows
        batches = made.batches()
        first = next(batches)
        assert 0 < first.num_rows < 200_000
        rest = list(batches)
    assert made.rows == first.num_rows + sum(batch.num_rows for batch in rest) == 200_000
    assert told and told == sorted(told) and told[-1][1] <= 200_000
    with pytest.raises(RuntimeError, match="read once"):
        made.to_arrow()


def test_leaving_early_stops_the_work(client: feat.Client) -> None:
    # The server makes two at once: were these still at work, the last would be refused.
    for _ in range(4):
        with client.training_set("shopper", asked(100_000), time="t", progress=False) as made:
            next(made.batches())
    free = threading.Event()
    for _ in range(200):
        try:
            assert (
                client.training_set("shopper", asked(), time="t", progress=False).to_arrow().num_rows == 400
            )
            break
        except feat.ResourceExhausted:
            free.wait(0.05)
    else:
        pytest.fail("the places of sets that were left are never free again")


def test_a_set_is_found_and_made_again(client: feat.Client) -> None:
    made = client.training_set("shopper", asked(), time="t", progress=False)
    made.to_arrow()
    listed = client.training_sets("shopper")
    assert made.id in [one.id for one in listed] and listed == sorted(
        listed, key=lambda one: one.created_at.ToNanoseconds(), reverse=True
    )
    again = client.reproduce(made.id, asked(), progress=False)
    again.to_arrow()
    assert again.checksum == made.checksum
    with pytest.raises(feat.NotReady, match="another now"):
        client.reproduce(made.id, asked(399), progress=False).to_arrow()
    with pytest.raises(feat.NotReady, match="send it again"):
        client.reproduce(made.id, progress=False).to_arrow()
    with pytest.raises(feat.NotFound, match="nothing"):
        client.reproduce("nothing", progress=False)


def test_a_spine_that_is_wrong_is_refused_in_words(client: feat.Client, tmp_path: Path) -> None:
    table = asked(3)
    naive = pandas.DataFrame({"user_id": ["u1"], "t": [datetime.datetime(2025, 1, 1)]})
    twice = pa.Table.from_arrays(
        [table.column(0), table.column(1), table.column(0)], names=["user_id", "t", "user_id"]
    )
    (tmp_path / "spine.xlsx").write_bytes(b"")
    (tmp_path / "spine.parquet").write_bytes(b"PAR1 and then nothing")

    def fails() -> pa.RecordBatchReader:
        def batches() -> object:
            yield table.to_batches()[0]
            raise OSError("the disk is gone")

        return pa.RecordBatchReader.from_batches(table.schema, batches())

    cases: list[tuple[type[Exception], str, object, dict[str, object]]] = [
        (feat.NotFound, "shop.shopper@1", table, {"name": "shoppers"}),
        (feat.InvalidRequest, "`user_id`", table.drop(["user_id"]), {}),
        (feat.InvalidRequest, "`when`", table, {"time": "when"}),
        (feat.InvalidRequest, "two columns `user_id`", twice, {}),
        (feat.InvalidRequest, "zone", naive, {}),
        (feat.InvalidRequest, "leaves the project", None, {"server_spine": "../x.parquet"}),
        (feat.NotFound, "`returning`", None, {"name": "return", "time": None}),
        (OSError, "the disk is gone", fails(), {}),
        (ValueError, "by its name", tmp_path / "spine.xlsx", {}),
        (Exception, "Parquet|parquet", tmp_path / "spine.parquet", {}),
        (FileNotFoundError, "none.csv", "none.csv", {}),
        (TypeError, "a spine is a frame", 3, {}),
        (ValueError, "time='t'", table, {"time": None}),
        (ValueError, "no mode", table, {"mode": "fast"}),
        (ValueError, "either", table, {"server_spine": "asked.parquet"}),
        (ValueError, "a dataset says itself", None, {}),
    ]
    for kind, says, given, options in cases:
        options = {"name": "shopper", "time": "t"} | options
        name = options.pop("name")
        with pytest.raises(kind, match=says):
            client.training_set(name, given, progress=False, **options).to_arrow()  # type: ignore[arg-type]
    # It still answers.
    assert client.training_set("shopper", table, time="t", progress=False).to_arrow().num_rows == 3


def test_progress_is_shown_where_it_is_wanted(
    client: feat.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.training_set("shopper", asked(50_000), time="t", progress=True).to_arrow()
    assert "training set" in capsys.readouterr().err
    # Nobody watches a pipe.
    client.training_set("shopper", asked(), time="t").to_arrow()
    assert capsys.readouterr().err == ""
