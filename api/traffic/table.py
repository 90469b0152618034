"""A report as one table, a row for each class of each bin: the columns that CSV, Parquet and JSON
share. Their names are for programs, and the same in every language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from api.times import EPOCH, iso, local
from api.traffic.values import ClassCount, Flow, Report, Summary
from vision.bins import DECIMALS
from vision.measures import Peak
from vision.traffic import VehicleClass

Kind: TypeAlias = Literal["text", "word", "time", "whole", "number", "truth"]
"""What a column holds; a ``word`` is a text of which there are few."""
Value: TypeAlias = str | int | float | bool | datetime | None
VERSION: Final = 1
"""It rises with each change of the columns that is no addition."""
SHARE_DECIMALS: Final = 4
KMH_DECIMALS: Final = 1
FACTOR_DECIMALS: Final = 3


class Column(NamedTuple):
    """One column: ``of`` says what stands there of a class in a flow."""

    name: str
    kind: Kind
    of: Callable[[Report, Flow, ClassCount], Value]


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)


def _share(value: float | None) -> float | None:
    return _rounded(value, SHARE_DECIMALS)


def _of_seen(flow: Flow, value: int) -> int | None:
    # where nobody watched, nothing is known to be 0
    return value if flow.watched else None


COLUMNS: Final = (
    Column("camera", "word", lambda _, flow, __: flow.camera),
    Column("camera_name", "word", lambda report, flow, _: report.names[flow.camera]),
    Column("line", "word", lambda _, flow, __: flow.line),
    Column("direction", "word", lambda _, flow, __: flow.direction),
    Column("class", "word", lambda _, __, count: count.class_name),
    Column("vehicle_class", "word", lambda _, __, count: count.vehicle.value),
    Column("start", "time", lambda _, flow, __: utc(flow.start_ts)),
    Column("start_wita", "text", lambda _, flow, __: local(flow.start_ts).isoformat()),
    Column("seconds", "whole", lambda _, flow, __: flow.seconds),
    Column("revision", "whole", lambda _, flow, __: flow.revision),
    Column("synthetic", "truth", lambda _, flow, __: flow.synthetic),
    Column("count", "whole", lambda _, __, count: count.count),
    Column("observed_seconds", "number", lambda _, flow, __: round(flow.observed_s, DECIMALS)),
    Column("observed_share", "number", lambda _, flow, __: _share(flow.observed)),
    Column("blind_seconds", "number", lambda _, flow, __: round(flow.blind_s, DECIMALS)),
    Column("frames", "whole", lambda _, flow, __: flow.frames),
    Column("holiday", "truth", lambda _, flow, __: flow.holiday),
    Column("light", "word", lambda _, flow, __: flow.light),
    Column("view_valid", "truth", lambda _, flow, __: flow.view_valid),
    Column("late", "whole", lambda _, flow, __: _of_seen(flow, flow.late)),
    Column("speed_kmh", "number", lambda _, __, count: _rounded(count.kmh, KMH_DECIMALS)),
    Column("speed_of", "whole", lambda _, flow, count: _of_seen(flow, count.measured)),
    Column("smp", "number", lambda _, __, count: _rounded(count.smp, DECIMALS)),
    Column("smp_why_empty", "word", lambda _, flow, __: flow.why),
    Column("flow_vehicles", "whole", lambda _, flow, __: flow.vehicles),
    Column("flow_smp", "number", lambda _, flow, __: _rounded(flow.smp, DECIMALS)),
    Column("flow_speed_kmh", "number", lambda _, flow, __: _rounded(flow.kmh, KMH_DECIMALS)),
    Column("flow_headway_s", "number", lambda _, flow, __: _rounded(flow.headway_s, DECIMALS)),
    Column(
        "line_occupied_share", "number", lambda _, flow, __: _rounded(flow.occupied, SHARE_DECIMALS)
    ),
)


def utc(ts: float) -> datetime:
    return EPOCH + timedelta(seconds=ts)


def rows(report: Report) -> Iterator[list[Value]]:
    """Every row, in the order of the flows."""
    for flow in report.flows:
        for count in flow.counts:
            yield [column.of(report, flow, count) for column in COLUMNS]


def _summary(report: Report, each: Summary) -> dict[str, Any]:
    """A summary in JSON values; ``direction`` is null for all directions together."""
    peak = each.peak
    return {
        "camera": each.camera,
        "camera_name": report.names[each.camera],
        "line": each.line,
        "direction": each.direction or None,
        "counts": dict(each.classes),
        "vehicle_classes": _kinds(each.kinds),
        "vehicles": each.vehicles,
        "smp": _rounded(each.smp, DECIMALS),
        "smp_of_vehicles": each.smp_of,
        "smp_why_empty": each.why,
        "direction_share": _rounded(each.share, SHARE_DECIMALS),
        "heavy_share": _rounded(each.heavy, SHARE_DECIMALS),
        "speed_kmh": _rounded(each.kmh, KMH_DECIMALS),
        "speed_of": each.measured,
        "observed_seconds": round(each.observed_s, DECIMALS),
        "observed_share": round(each.observed, SHARE_DECIMALS),
        "bins": each.bins,
        "bins_not_observed": each.gaps,
        "synthetic": each.synthetic,
        "peak_hour": None if peak is None else _peak(peak, each.peak_smp),
    }


def _peak(peak: Peak, smp: float | None) -> dict[str, Any]:
    return {
        "start": iso(peak.start_ts),
        "start_wita": local(peak.start_ts).isoformat(),
        "vehicles": int(peak.value),
        "smp": _rounded(smp, DECIMALS),
        "factor": _rounded(peak.factor, FACTOR_DECIMALS),
        "observed_share": round(peak.watched, SHARE_DECIMALS),
        "hours_looked_at": peak.hours,
        "hours": peak.of,
    }


def _turns(report: Report) -> list[dict[str, Any]]:
    """The turns at junctions in JSON values."""
    return [
        {
            "junction": each.junction,
            "approach": each.approach,
            "turn": each.turn,
            "camera": each.camera,
            "line": each.line,
            "direction": each.direction,
            "vehicles": each.vehicles,
            "vehicle_classes": _kinds(each.kinds),
            "share_of_approach": _rounded(each.share, SHARE_DECIMALS),
            "smp": _rounded(each.smp, DECIMALS),
            "smp_of_vehicles": each.smp_of,
            "smp_why_empty": each.why,
            "observed_share": round(each.observed, SHARE_DECIMALS),
        }
        for each in report.turns
    ]


def _week(report: Report) -> list[dict[str, Any]]:
    """The averages of weekdays in JSON values; Monday is 0."""
    return [each._asdict() | {"vehicles": round(each.vehicles, DECIMALS)} for each in report.week]


def beside(report: Report) -> dict[str, Any]:
    """All but the bins in JSON values."""
    return {
        "version": VERSION,
        "method": [each._asdict() for each in report.method],
        "summary": [_summary(report, each) for each in report.summaries],
        "turns": _turns(report),
        "week": _week(report),
    }


def _kinds(kinds: Mapping[VehicleClass, int]) -> dict[str, int]:
    return {kind.value: n for kind, n in kinds.items()}
