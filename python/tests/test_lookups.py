"""Lookups: every way to ask, and every form of the answer."""

from __future__ import annotations

import datetime

import pandas
import polars
import pyarrow as pa
import pytest
from conftest import KIND, NOON, UTC, Server

import feat
from feat import Status

ALL = ["recent__n_1h", "recent__n_1d", "recent__spent_1h", "recent__spent_7d", "recent__last"]


def test_one_entity_is_a_dict(client: feat.Client) -> None:
    answer = client.get("shopper", {"user_id": "u3"}, at=NOON)
    values = answer.to_dict()
    assert list(values) == ALL
    assert isinstance(values["recent__n_1d"], int) and values["recent__n_1d"] > 0
    assert isinstance(values["recent__spent_7d"], float)
    assert answer.evaluated_at == NOON
    assert not answer.complete and answer.complete_to is not None and answer.complete_to < NOON
    assert [stamp.group for stamp in answer.stamps] == ["shop.recent"]
    assert answer.statuses["recent__last"] == [Status.PRESENT]
    age = answer.ages["recent__n_1d"][0]
    assert age is not None and datetime.timedelta(0) < age < datetime.timedelta(days=2)
    assert "1 rows of 5 features" in repr(answer)


def test_an_entity_that_was_never_seen_has_the_values_of_no_rows(client: feat.Client) -> None:
    answer = client.get("shopper", {"user_id": "nobody"}, at=NOON)
    assert answer.to_dict() == dict(zip(ALL, [0, 0, 0.0, 0.0, None], strict=True))
    assert set(answer.statuses["recent__last"]) == {Status.EMPTY}
    assert answer.ages["recent__last"] == [None]


@pytest.mark.parametrize(
    "form", ["dicts", "arrow", "batch", "pandas", "categories", "polars", "lazy", "one by one"]
)
def test_every_form_of_entities_gives_the_same(client: feat.Client, form: str) -> None:
    users = [f"u{one % 13}" for one in range(40)]
    frame = pandas.DataFrame({"user_id": users})
    asked = {
        "dicts": [{"user_id": user} for user in users],
        "arrow": pa.table({"user_id": users}),
        "batch": pa.RecordBatch.from_pydict({"user_id": users}),
        "pandas": frame.set_index(pandas.Index(range(7, 47))),
        "categories": frame.astype("category"),
        "polars": polars.DataFrame({"user_id": users}),
        "lazy": polars.LazyFrame({"user_id": users}),
        "one by one": ({"user_id": user} for user in users),
    }[form]
    answer = client.get("shopper", asked, at=NOON)
    single = {user: client.get("shopper", {"user_id": user}, at=NOON).to_dict() for user in set(users)}
    assert answer.to_dicts() == [single[user] for user in users]


def test_frames_of_an_answer_agree(client: feat.Client) -> None:
    answer = client.get("shopper", [{"user_id": f"u{one}"} for one in range(15)], at=NOON)
    table = answer.to_arrow()
    assert table.column_names == ALL and table.to_pylist() == answer.to_dicts()
    assert answer.to_polars().to_dicts() == answer.to_dicts()
    assert pa.Table.from_pandas(answer.to_pandas()).to_pylist() == answer.to_dicts()
    with_more = answer.to_pandas(statuses=True, ages=True)
    assert list(with_more.columns[:3]) == ["recent__n_1h", "recent__n_1h__status", "recent__n_1h__age"]
    assert set(with_more["recent__last__status"]) == {"present", "empty"}
    with pytest.raises(ValueError, match="15 rows"):
        answer.to_dict()


def test_several_services_and_request_inputs(client: feat.Client) -> None:
    entity = {"user_id": "u1", "product_id": 2}
    answer = client.get("checkout_risk", entity, inputs={"basket": 20}, at=NOON)
    values = answer.to_dict()
    spent = values["recent__spent_7d"]
    assert values["risk__share"] == spent / (spent + 20)
    by_row = client.get("checkout_risk", [entity | {"basket": 20.0}, entity | {"basket": 0.0}], at=NOON)
    assert [row["risk__share"] for row in by_row.to_dicts()] == [values["risk__share"], 1.0]
    both = client.get(["shopper", "checkout_risk@1"], entity, inputs={"basket": 20.0}, at=NOON)
    with pytest.raises(ValueError, match="recent__spent_7d.*of\\(\\)"):
        both.to_dict()
    assert both.of("checkout_risk").to_dict() == values
    assert list(both.of("shop.shopper").to_dict()) == ALL
    with pytest.raises(KeyError, match="shop.shopper"):
        both.of("recommend")


def test_every_type_arrives_as_what_it_is(kinds: Server) -> None:
    with feat.Client(kinds.address) as client:
        asked = {"id": 7, "day": datetime.date(2025, 1, 2)}
        answer = client.get("everything", asked, at=NOON)
        wanted = {f"latest__{name}": value for name, value in KIND.items() if name not in ("id", "day", "at")}
        wanted |= {"latest__rows": 1, "latest__names": ["Zoë"]}
        assert answer.to_dict() == wanted
        # The types of a training set, and its values, bit for bit.
        spine = pa.table(
            {"id": [7, 8], "day": [asked["day"]] * 2, "t": pa.array([NOON] * 2, pa.timestamp("us", "UTC"))}
        )
        made = (
            client.training_set("everything", spine, time="t", progress=False)
            .to_arrow()
            .drop(["id", "day", "t"])
        )
        both = client.get("everything", spine.drop(["t"]), at=NOON).to_arrow()
        assert both.schema.equals(made.schema)
        assert both.equals(made)
        assert answer.to_arrow().equals(made.slice(0, 1))
        nothing = client.get("everything", [{"id": None, "day": None}], at=NOON)
        assert set(nothing.to_dict().values()) == {None}
        assert nothing.statuses["latest__n"] == [Status.NO_KEY]


def test_a_service_says_what_it_asks_for(client: feat.Client) -> None:
    found = client.describe("checkout_risk")
    assert [(key.name, key.type) for key in found.keys] == [("user_id", "string"), ("product_id", "int")]
    assert [(one.name, one.type) for one in found.requests] == [("basket", "float")]
    assert [one.name for one in found.features] == ["recent.spent_7d", "sold.n", "risk.share"]


def test_what_is_asked_wrongly_is_refused_in_words(client: feat.Client) -> None:
    entity = {"user_id": "u1"}
    cases: list[tuple[type[Exception], str, object]] = [
        (feat.NotFound, "shop.shopper@1", lambda: client.get("shoppers", entity)),
        (feat.InvalidRequest, "user_id", lambda: client.get("shopper")),
        (feat.InvalidRequest, "basket", lambda: client.get("checkout_risk", entity | {"product_id": 1})),
        (feat.InvalidRequest, "of type string: found", lambda: client.get("shopper", {"user_id": 3})),
        (feat.InvalidRequest, "no service takes", lambda: client.get("shopper", entity | {"x": 1})),
        (
            feat.OutOfRange,
            "feat train",
            lambda: client.get("shopper", entity, at=datetime.datetime(1990, 1, 1, tzinfo=UTC)),
        ),
        (feat.ResourceExhausted, "10000", lambda: client.get("shopper", [entity] * 10_001)),
        (ValueError, "no zone", lambda: client.get("shopper", entity, at=datetime.datetime(2025, 1, 1))),
        (
            ValueError,
            "no zone",
            lambda: client.get("shopper", pa.table({"user_id": pa.array([0], pa.timestamp("us"))})),
        ),
        (TypeError, "`user_id` is a object", lambda: client.get("shopper", {"user_id": object()})),
        (TypeError, "an entity is a dict", lambda: client.get("shopper", ["u1"])),
        (ValueError, "64 bits", lambda: client.get("shopper", {"user_id": 2**63})),
    ]
    for kind, says, ask in cases:
        with pytest.raises(kind, match=says):
            ask()  # type: ignore[operator]


def test_a_server_that_is_not_there_is_said_within_the_deadline() -> None:
    with feat.Client("127.0.0.1:9", timeout=2.0) as client:
        with pytest.raises(feat.Unavailable, match="127.0.0.1:9") as caught:
            client.get("shopper", {"user_id": "u1"})
        assert caught.value.code == "UNAVAILABLE"
