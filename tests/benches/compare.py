"""feat beside Polars and DuckDB: the same works on the same files in the same run, as ratios.

python compare.py DATA_DIR [--feat BINARY] [--runs 3] [--works A,B] [--peers polars,duckdb]
                  [--oracle ORACLE.py] [--limit LIMIT_BINARY]

DATA_DIR holds events, spine, profile and user_stats as `clicks/generate.py` writes them. Every
run is a process of its own; wall and CPU seconds and peak memory are medians over the runs, taken in
turns so that a noisy minute falls on all. With `--oracle` (a program that takes `--work`, `--data`,
`--out`, `--feat`) feat's answers are compared with its, column by column, floats by their bits.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
HOUR = 3_600_000_000
WINDOWS = {"1h": HOUR, "1d": 24 * HOUR, "7d": 168 * HOUR, "30d": 720 * HOUR}


def polars_work(work, data, out):
    import polars as pl
    spine = pl.scan_parquet(f"{data}/spine.parquet").select("row_id", "user_id", "ts")
    if work == "A":
        profile = pl.scan_parquet(f"{data}/profile.parquet").rename({"updated_at": "ts"}).sort("ts")
        stats = pl.scan_parquet(f"{data}/user_stats.parquet").sort("ts")
        join = dict(on="ts", by="user_id", check_sortedness=False, allow_exact_matches=False)
        answer = spine.sort("ts").join_asof(profile, **join).join_asof(stats, **join).drop("user_id", "ts")
        answer.collect().write_parquet(out)
        return
    events = (pl.scan_parquet(f"{data}/events.parquet").filter(pl.col("user_id").is_not_null())
              .select("user_id", "ts", "event_id", "price", row_id=pl.lit(None, pl.Int64)))
    asked = spine.select("user_id", "ts", event_id=pl.lit(None, pl.Int64),
                         price=pl.lit(None, pl.Float64), row_id="row_id")
    both = pl.concat([events, asked]).sort("user_id", "ts", "event_id", nulls_last=True).collect()
    parts = [both.select("row_id")]
    price = pl.col("price")
    for name in WINDOWS:
        parts.append(both.rolling("ts", period=name, closed="left", group_by="user_id").agg(
            pl.col("event_id").count().alias(f"cnt_{name}"), price.sum().alias(f"sum_{name}"),
            price.mean().alias(f"avg_{name}"), price.min().alias(f"min_{name}"),
            price.max().alias(f"max_{name}"), price.drop_nulls().last().alias(f"last_{name}"),
        ).drop("user_id", "ts"))
    pl.concat(parts, how="horizontal").filter(pl.col("row_id").is_not_null()).write_parquet(out)


def duckdb_work(work, data, out):
    import duckdb
    con = duckdb.connect()
    con.execute(f"set threads = {os.cpu_count()}; set preserve_insertion_order = false")
    if work == "A":
        query = f"""select s.row_id, p.country, p.plan, u.clicks_1d, u.spend_7d, u.ctr, u.avg_price
            from '{data}/spine.parquet' s
            asof left join '{data}/profile.parquet' p on s.user_id = p.user_id and s.ts > p.updated_at
            asof left join '{data}/user_stats.parquet' u on s.user_id = u.user_id and s.ts > u.ts"""
    else:
        columns, windows = [], []
        for name, length in WINDOWS.items():
            over = f"over w{name}"
            columns += [f"count(event_id) {over} as cnt_{name}"]
            columns += [f"{f}(price) {over} as {f}_{name}" for f in ("sum", "avg", "min", "max")]
            columns += [f"last_value(price ignore nulls) {over} as last_{name}"]
            windows += [f"w{name} as (partition by user_id order by ts "
                        f"range between {length} preceding and 1 preceding)"]
        query = f"""select * exclude (user_id, ts, event_id, price) from (
            select *, {', '.join(columns)} from (
                select user_id, epoch_us(ts) as ts, event_id, price, null::bigint as row_id
                from '{data}/events.parquet' where user_id is not null
                union all
                select user_id, epoch_us(ts), null, null, row_id from '{data}/spine.parquet')
            window {', '.join(windows)}) where row_id is not null"""
    con.execute(f"copy ({query}) to '{out}' (format parquet, compression zstd)")


def run(command, env=None):
    """Wall seconds, CPU seconds and peak bytes of one process."""
    start = time.monotonic()
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} ended with status {status}")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def same(answer, oracle):
    """The number of values that differ; columns of `answer` are named `group__feature`."""
    found = pq.read_table(answer)
    found = found.rename_columns([name.split("__")[-1] for name in found.column_names])
    wanted = pq.read_table(oracle)
    found, wanted = found.sort_by("row_id"), wanted.sort_by("row_id")
    differ = 0
    for name in wanted.column_names:
        ours = found[name].combine_chunks()
        theirs = wanted[name].combine_chunks().cast(ours.type)
        differ += sum(a != b and not (a is None and b is None)
                      for a, b in zip(ours.to_pylist(), theirs.to_pylist()))
    return differ, wanted.num_rows * (wanted.num_columns - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--feat", default="feat")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--works", default="A,B")
    parser.add_argument("--peers", default="polars,duckdb")
    parser.add_argument("--oracle")
    parser.add_argument("--limit", help="a program that does work B with --data and --out: the physical limit")
    parser.add_argument("--as-peer", nargs=3, metavar=("PEER", "WORK", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_peer:
        peer, work, out = given.as_peer
        {"polars": polars_work, "duckdb": duckdb_work}[peer](work, given.data, out)
        return
    env = os.environ | {"CLICKS": str(given.data.resolve())}
    with tempfile.TemporaryDirectory() as scratch:
        for work in given.works.split(","):
            commands = {"feat": [given.feat, "-C", HERE / "clicks", "train", "--service", f"work_{work.lower()}",
                                 "--spine", given.data / "spine.parquet", "--time", "ts",
                                 "--out", f"{scratch}/feat.parquet"]}
            for peer in filter(None, given.peers.split(",")):
                commands[peer] = [sys.executable, __file__, given.data, "--as-peer", peer, work,
                                  f"{scratch}/{peer}.parquet"]
            if given.limit and work == "B":
                commands["limit"] = [given.limit, "--data", given.data, "--out", f"{scratch}/limit.parquet"]
            taken = {name: [] for name in commands}
            for _ in range(given.runs):
                for name, command in commands.items():
                    taken[name].append(run(command, env))
            medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in taken.items()}
            ours = medians["feat"]
            print(f"work {work}: medians of {given.runs}; ratio = the other's / feat's")
            print(f"{'':8} {'wall s':>8} {'ratio':>6} {'CPU s':>8} {'ratio':>6} {'peak MiB':>9}")
            for name, (wall, cpu, peak) in medians.items():
                print(f"{name:8} {wall:8.2f} {wall / ours[0]:6.2f} {cpu:8.2f} {cpu / ours[1]:6.2f} {peak / 2**20:9.0f}")
            if given.oracle:
                oracle = f"{scratch}/oracle.parquet"
                subprocess.run([sys.executable, given.oracle, "--work", work, "--data", given.data, "--out", oracle,
                                "--feat"], check=True, stdout=subprocess.DEVNULL)
                differ, values = same(f"{scratch}/feat.parquet", oracle)
                print(f"feat against the oracle: compared {values} values, {differ} differ")
                if differ:
                    sys.exit(1)
            print(flush=True)


if __name__ == "__main__":
    main()
