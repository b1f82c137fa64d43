"""Seeded click data: events in order of arrival (disorder, ties, nulls), a spine, two tables.

python generate.py OUT_DIR [--events 5000000] [--users 100000] [--spine 500000] [--seed 7] [--json ROWS]

Writes events, spine, profile and user_stats as Parquet, and the first ROWS events as JSON lines too. Users are drawn by a Zipf law, 60 days from
2026-01-01; the spine falls into the last 30, so that a window of 30 days is always full. About 2 % of
spine rows stand exactly on an event of their user (it must not count), 1 % name unknown users.
"""
import argparse
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
START = 1_767_225_600_000_000
TIME = pa.timestamp("us", tz="UTC")


def zipf_users(rng, users, count, exponent=0.8):
    weight = np.cumsum(np.arange(1, users + 1, dtype=np.float64) ** -exponent)
    rank = np.searchsorted(weight / weight[-1], rng.random(count), side="right")
    return (rng.permutation(users) + 1)[np.minimum(rank, users - 1)].astype(np.int64)


def times(values):
    return pa.array(values).cast(TIME)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--spine", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([given.seed, given.events])

    count = given.events
    user = zipf_users(rng, given.users, count)
    ts = START + (rng.random(count) * 60 * DAY).astype(np.int64)
    tied = rng.choice(count, count // 50, replace=False)
    source = (tied + 1 + rng.integers(0, count - 1, tied.size)) % count
    user[tied], ts[tied] = user[source], ts[source]
    arrival = ts + rng.exponential(60e6, count).astype(np.int64)
    order = np.argsort(arrival, kind="stable")
    user, ts = user[order], ts[order]
    price = np.round(np.exp(rng.normal(3, 1, count)), 2)
    events = pa.table({
        "event_id": pa.array(np.arange(count)),
        "user_id": pa.array(user, mask=rng.random(count) < 0.001),
        "price": pa.array(price, mask=rng.random(count) < 0.1),
        "ts": times(ts),
    })
    pq.write_table(events, given.out / "events.parquet", compression="zstd", row_group_size=250_000)
    if given.json:
        with open(given.out / "events.json", "w", encoding="utf-8") as lines:
            for row in events.slice(0, given.json).to_pylist():
                row["ts"] = row["ts"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                lines.write(json.dumps(row) + "\n")

    rows = given.spine
    asked = zipf_users(rng, given.users, rows)
    at = START + 30 * DAY + (rng.random(rows) * 30 * DAY).astype(np.int64)
    exact = rng.choice(rows, rows // 50, replace=False)
    event = rng.integers(0, count, exact.size)
    asked[exact], at[exact] = user[event], ts[event]
    unknown = rng.choice(rows, rows // 100, replace=False)
    asked[unknown] = given.users + 1 + rng.integers(0, given.users, unknown.size)
    pq.write_table(
        pa.table({"row_id": pa.array(np.arange(rows)), "user_id": pa.array(asked), "ts": times(at)}),
        given.out / "spine.parquet", compression="zstd")

    versions = np.repeat(np.arange(1, given.users + 1), 1 + rng.poisson(3, given.users))
    updated = START - 30 * DAY + (rng.random(versions.size) * 90 * DAY).astype(np.int64)
    countries = pa.array(["US", "DE", "FR", "GB", "JP", "BR", "IN", "CN", "ES", "IT"])
    plans = pa.array(["free", "basic", "pro", "enterprise"])
    size = versions.size
    pq.write_table(
        pa.table({
            "user_id": pa.array(versions),
            "updated_at": times(updated),
            "country": countries.take(pa.array(rng.integers(0, 10, size))),
            "plan": plans.take(pa.array(rng.integers(0, 4, size), mask=rng.random(size) < 0.05)),
        }),
        given.out / "profile.parquet", compression="zstd")

    size = max(count // 5, 1)
    pq.write_table(
        pa.table({
            "user_id": pa.array(zipf_users(rng, given.users, size)),
            "ts": times(START + (rng.random(size) * 60 * DAY).astype(np.int64)),
            "clicks_1d": pa.array(rng.poisson(5, size)),
            "spend_7d": pa.array(np.round(rng.gamma(2, 40, size), 2), mask=rng.random(size) < 0.05),
            "ctr": pa.array(rng.random(size)),
            "avg_price": pa.array(np.round(rng.gamma(2, 20, size), 2), mask=rng.random(size) < 0.05),
        }),
        given.out / "user_stats.parquet", compression="zstd")


if __name__ == "__main__":
    main()
