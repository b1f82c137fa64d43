"""The stubs are those of the `.proto` files, and types are read as the server writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from feat import types

PYTHON = Path(__file__).resolve().parent.parent


def test_the_stubs_are_what_the_proto_files_say(tmp_path: Path) -> None:
    subprocess.run([sys.executable, PYTHON / "generate", tmp_path], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*"))
    assert len(made) == 12
    for path in made:
        assert (tmp_path / path).read_text() == (PYTHON / "src" / path).read_text(), (
            f"{path}: run python/generate"
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("float?", pa.field("x", pa.float64())),
        ("int", pa.field("x", pa.int64(), nullable=False)),
        ('enum("a, b", "c\\"d", "})")', pa.field("x", pa.string(), nullable=False)),
        ("decimal(38, 6)?", pa.field("x", pa.decimal128(38, 6))),
        (
            "list<list<date>?>",
            pa.field("x", pa.list_(pa.field("item", pa.list_(pa.field("item", pa.date32(), False)))), False),
        ),
        ("map<string, struct { a: int?, b: bytes }>?", None),
        ("embedding<3>", pa.field("x", pa.list_(pa.field("item", pa.float32(), False), 3), False)),
    ],
)
def test_a_type_is_read_as_it_is_written(text: str, found: pa.Field | None) -> None:
    if found is None:
        struct = pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.binary(), False)])
        found = pa.field("x", pa.map_(pa.string(), pa.field("value", struct, False)))
    assert types.field("x", text).equals(found)


@pytest.mark.parametrize("text", ["", "number", "list<int", "int? more", "decimal(1)", "enum(", "§"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="older than the server"):
        types.field("x", text)
