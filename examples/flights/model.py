"""Trains a model of late arrivals on a training set and asks it with live features.

    python model.py [ADDRESS]

Needs `feat serve` at ADDRESS (127.0.0.1:8815), the client (`pip install ../../python`), pandas and
scikit-learn.
"""

import datetime
import sys

import numpy
import pyarrow
import pyarrow.parquet
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import feat

UTC = datetime.timezone.utc
#: Where the model's past ends.
CUT = datetime.datetime(2013, 11, 1, tzinfo=UTC)
#: When it is asked: after the last landing of the data.
NOW = datetime.datetime(2014, 1, 2, tzinfo=UTC)


def main(address: str) -> None:
    """Trains, judges, looks up, compares and asks."""
    with feat.Client(address) as client:
        described = client.describe("flight_risk")
        keys = [key.name for key in [*described.keys, *described.requests]]
        numbers = ("int", "float", "bool")
        features = [one.column for one in described.features if one.type.rstrip("?") in numbers]

        # Every departure of the year, with what was known of it at its schedule, and how it ended.
        flights = client.training_set("flight_train").to_pandas()
        flights = flights.dropna(subset="arrival__late").sort_values("scheduled_at")
        cut = flights["scheduled_at"].searchsorted(CUT)
        past, later = flights[:cut:10], flights[cut:]
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        model.fit(numeric(past[features]), past["arrival__late"].astype(bool))
        told = model.predict_proba(numeric(later[features]))[:, 1]
        score = roc_auc_score(later["arrival__late"].astype(bool), told)
        print(f"trained on {len(past)} departures; {len(later)} later ones: AUC {score:.3f}")

        # The last thousand flights again, as if they were to leave now.
        departures = pyarrow.parquet.read_table("data/departures.parquet", columns=keys)
        asked = departures.slice(departures.num_rows - 1000)
        live = client.get("flight_risk", asked, at=NOW)
        of = len(described.features)
        print(f"looked up {len(live)} flights, {len(features)} of {of} features are numbers")

        # What training would see at that instant.
        instants = pyarrow.array([NOW] * len(live), pyarrow.timestamp("us", "UTC"))
        spine = asked.append_column("t", instants)
        rows = client.training_set("flight_risk", spine, time="t", progress=False).to_arrow()
        same = live.to_arrow().equals(rows.select(live.to_arrow().column_names))
        print(f"live features are those of training at the same instant: {'yes' if same else 'NO'}")

        risks = model.predict_proba(numeric(live.to_pandas()[features]))[:, 1]
        for place in numpy.argsort(-risks)[:3]:
            one = asked.slice(place, 1).to_pylist()[0]
            print(f"{risks[place]:.2f}  {one['carrier']} {one['tailnum']} {one['origin']}-{one['dest']}")
        if not same:
            sys.exit(1)


def numeric(frame):
    """The features as numbers; what is not known is NaN, which the model takes."""
    return frame.astype("float64")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8815")
