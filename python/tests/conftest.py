"""A real server over two small projects: a shop, and a value of every type."""

from __future__ import annotations

import datetime
import decimal
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import feat

UTC = datetime.timezone.utc
#: After every row of both projects.
NOON = datetime.datetime(2025, 1, 3, 12, tzinfo=UTC)

SPEC = """
@owner("shop@example.com")
package shop

entity user(user_id: string)
entity product(product_id: int)

source orders: events {
  order_id:   int
  user_id:    string
  product_id: int
  amount:     float?
  at:         timestamp
  seen:       timestamp

  time at
  known seen
  dedupe by order_id within 1d
  batch parquet("orders.parquet")
}

source checkout: request { basket: float }

features recent of user from orders {
  n     = count()      over [1h, 1d]
  spent = sum(amount)  over [1h, 7d]
  last  = last(amount) over 1d
}

features sold of product from orders {
  n = count() over 1d
}

derived risk of user with checkout {
  share = recent.spent_7d / (recent.spent_7d + checkout.basket)
}

labels comes_back of user from orders {
  orders = count() next 24h
}

source asked: events {
  user_id: string
  t:       timestamp

  time t
  known after 0s
  batch parquet("asked.parquet")
}

service shopper of user { recent.* }
service checkout_risk of user, product with checkout { recent.spent_7d  sold.n  risk.share }

dataset returning {
  service shopper
  spine   asked at t
  label   comes_back.orders
}
"""

KINDS = """
@owner("kinds@example.com")
package kinds

entity thing(id: int, day: date)

source rows: events {
  id:     int
  day:    date
  flag:   bool
  n:      int
  ratio:  float?
  price:  decimal(12, 2)
  name:   string
  colour: enum("red", "green, or so")
  raw:    bytes
  seen:   timestamp
  date:   date
  took:   duration
  tags:   list<string>
  counts: map<string, int>
  place:  struct { lat: float, name: string? }
  at:     timestamp

  time at
  known after 1s
  batch parquet("rows.parquet")
}

features latest of thing from rows {
  rows   = count()            over 1d
  flag   = last(flag)         over 1d
  n      = last(n)            over 1d
  ratio  = last(ratio)        over 1d
  price  = last(price)        over 1d
  name   = last(name)         over 1d
  colour = last(colour)       over 1d
  raw    = last(raw)          over 1d
  seen   = last(seen)         over 1d
  date   = last(date)         over 1d
  took   = last(took)         over 1d
  tags   = last(tags)         over 1d
  counts = last(counts)       over 1d
  place  = last(place)        over 1d
  names  = last_n(name, n: 3) over 1d
}

service everything of thing { latest.* }
"""


def binary() -> str:
    """The `feat` under test."""
    found = os.environ.get("FEAT_BINARY")
    if not found:
        pytest.exit("FEAT_BINARY names the feat binary to test; ./test sets it", returncode=2)
    return found


def run(folder: Path, *words: str) -> str:
    """Runs a command that must succeed; what it printed."""
    done = subprocess.run([binary(), *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Server:
    """A server that runs."""

    folder: Path
    address: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, *options: str, listen: str = "127.0.0.1:0") -> Server:
        process = subprocess.Popen(
            [binary(), "serve", "--listen", listen, *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on "), said
        return cls(folder, said.removeprefix("listening on ").strip(), process)

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def project(folder: Path, name: str, spec: str, source: str) -> Path:
    """A project whose `source` is replayed from its file."""
    (folder / f"{name}.feat").write_text(spec)
    toml = f'[project]\nname = "{name}"\n[sources.{source}]\nreplay = "{source}.parquet"\n'
    (folder / "feat.toml").write_text(toml)
    return folder


def orders() -> pa.Table:
    """Orders of two days, some twice, some without an amount."""
    dice = random.Random(7)
    start = datetime.datetime(2025, 1, 1, tzinfo=UTC)
    rows = []
    for at in range(600):
        time = start + datetime.timedelta(minutes=4 * at + dice.randrange(4))
        rows.append(
            {
                "order_id": dice.randrange(550),
                "user_id": f"u{dice.randrange(12)}",
                "product_id": dice.randrange(5),
                "amount": None if dice.random() < 0.1 else dice.randrange(1, 9999) / 100,
                "at": time,
                "seen": time + datetime.timedelta(seconds=dice.randrange(90)),
            }
        )
    rows.sort(key=lambda row: row["seen"])
    time = pa.timestamp("us", "UTC")
    types = [pa.int64(), pa.string(), pa.int64(), pa.float64(), time, time]
    schema = pa.schema([pa.field(name, ty) for name, ty in zip(rows[0], types, strict=True)])
    return pa.Table.from_pylist(rows, schema)


def asked(rows: int = 400) -> pa.Table:
    """A spine: users at instants, some of nobody."""
    dice = random.Random(11)
    start = datetime.datetime(2025, 1, 1, tzinfo=UTC)
    users = [f"u{dice.randrange(14)}" for _ in range(rows)]
    times = [start + datetime.timedelta(seconds=dice.randrange(2 * 86400)) for _ in range(rows)]
    return pa.table({"user_id": users, "t": pa.array(times, pa.timestamp("us", "UTC"))})


#: A row of every type, as Python has it.
KIND = {
    "id": 7,
    "day": datetime.date(2025, 1, 2),
    "flag": True,
    "n": -(2**62),
    "ratio": 0.1,
    "price": decimal.Decimal("-12.50"),
    "name": "Zoë",
    "colour": "green, or so",
    "raw": b"\x00\xff",
    "seen": datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "date": datetime.date(1900, 2, 28),
    "took": datetime.timedelta(days=-1, microseconds=1),
    "tags": ["b", "a", "b"],
    "counts": {"x": 1, "y": -2},
    "place": {"lat": 52.5, "name": None},
    "at": datetime.datetime(2025, 1, 3, 11, tzinfo=UTC),
}
_ARROW = {
    "id": pa.int64(),
    "day": pa.date32(),
    "flag": pa.bool_(),
    "n": pa.int64(),
    "ratio": pa.float64(),
    "price": pa.decimal128(12, 2),
    "name": pa.string(),
    "colour": pa.string(),
    "raw": pa.binary(),
    "seen": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "took": pa.duration("us"),
    "tags": pa.list_(pa.string()),
    "counts": pa.map_(pa.string(), pa.int64()),
    "place": pa.struct([("lat", pa.float64()), ("name", pa.string())]),
    "at": pa.timestamp("us", "UTC"),
}


def filled(folder: Path) -> Path:
    """A shop that is applied, and whose orders are in the store."""
    project(folder, "shop", SPEC, "orders")
    pa.parquet.write_table(orders(), folder / "orders.parquet")
    pa.parquet.write_table(asked(), folder / "asked.parquet")
    run(folder, "apply")
    run(folder, "stream", "--replay", "--until-end")
    return folder


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A shop whose orders are in the store."""
    server = Server.start(filled(tmp_path_factory.mktemp("shop")))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A value of every type."""
    folder = project(tmp_path_factory.mktemp("kinds"), "kinds", KINDS, "rows")
    row = dict(KIND, counts=list(KIND["counts"].items()))  # type: ignore[attr-defined]
    table = pa.table({name: pa.array([row[name]], ty) for name, ty in _ARROW.items()})
    pa.parquet.write_table(table, folder / "rows.parquet")
    run(folder, "apply")
    run(folder, "stream", "--replay", "--until-end")
    server = Server.start(folder)
    yield server
    assert server.stop() == 0


@pytest.fixture
def client(shop: Server) -> Iterator[feat.Client]:
    with feat.Client(shop.address) as client:
        yield client
