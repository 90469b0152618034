"""A report as an Excel workbook: the summary, the turns of junctions, a sheet for each line, the
averages of weekdays and the method."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from api.i18n import Texts, texts
from api.store import TooManyRowsError
from api.times import local
from api.traffic.sheets import MAX_ROWS, MAX_SHEETS, Book, Cell, Column, SheetNames
from api.traffic.table import utc
from api.traffic.values import Flow, Report, Summary
from api.traffic.words import LIGHTS, REASONS, TURNS, WEEKDAYS, kind_name
from vision.traffic import VehicleClass, Why


def workbook(report: Report) -> bytes:
    """The whole file, the same bytes for the same report. Raises TooManyRowsError."""
    sheets = [(where, [*flows]) for where, flows in groupby(report.flows, _line_of)]
    longest = max((len(flows) for _, flows in sheets), default=0)
    if len(sheets) > MAX_SHEETS or longest > MAX_ROWS:
        raise TooManyRowsError(
            f"{len(sheets)} lines of up to {longest} rows do not fit into one workbook: ask for "
            "fewer cameras, a shorter time, longer bins, or another format"
        )
    book = Book(utc(report.made_ts))
    _Written(book, report, texts(report.language)).write(sheets)
    return book.close()


def _line_of(flow: Flow) -> tuple[str, str]:
    return flow.camera, flow.line


class _Written:
    def __init__(self, book: Book, report: Report, _: Texts) -> None:
        self._book, self._report, self._ = book, report, _

    def write(self, sheets: Sequence[tuple[tuple[str, str], Sequence[Flow]]]) -> None:
        _ = self._
        names = SheetNames((_("Summary"), _("Junctions"), _("Weekdays"), _("Method")))
        self._summary(_("Summary"))
        if self._report.turns:
            self._junctions(_("Junctions"))
        for (camera, line), flows in sheets:
            self._line(names.of(camera, line), camera, line, flows)
        if self._report.week:
            self._week(_("Weekdays"))
        self._method(_("Method"))

    def _summary(self, name: str) -> None:
        _, report = self._, self._report
        kinds = [kind for kind in VehicleClass if any(kind in s.kinds for s in report.summaries)]
        columns = [
            Column(_("Camera"), 20, "left"),
            Column(_("Line or movement"), 18, "left"),
            Column(_("Direction"), 18, "left"),
            *(Column(kind_name(kind, _), 11) for kind in kinds),
            Column(_("Motor vehicles"), 10),
            Column("smp", 9),
            Column(_("smp of vehicles"), 10),
            Column(_("Share of direction"), 10),
            Column(_("Heavy vehicles"), 10),
            Column(_("Peak hour begins (WITA)"), 17, "left"),
            Column(_("Vehicles in the peak hour"), 11),
            Column(_("smp in the peak hour"), 10),
            Column(_("Peak-hour factor"), 10),
            Column(_("Speed, km/h"), 11),
            Column(_("Vehicles measured"), 11),
            Column(_("Observed"), 10),
            Column(_("Bins"), 7),
            Column(_("Bins not observed"), 10),
            Column(_("Synthetic"), 10, "center"),
            Column(_("Why smp is missing"), 52, "left"),
        ]
        rows = (self._summed(each, kinds) for each in report.summaries)
        begin, end = local(report.wanted.from_ts), local(report.wanted.to_ts)
        title = _("Traffic counts, %(from)s to %(to)s WITA, bins of %(minutes)d minutes") % {
            "from": f"{begin:%Y-%m-%d %H:%M}",
            "to": f"{end:%Y-%m-%d %H:%M}",
            "minutes": report.wanted.seconds // 60,
        }
        self._book.add(name, title, columns, rows, 3)

    def _summed(self, each: Summary, kinds: Sequence[VehicleClass]) -> list[Cell]:
        peak = each.peak
        return [
            Cell(self._report.names[each.camera]),
            Cell(each.line),
            Cell(each.direction or self._("all directions")),
            *(Cell(each.kinds.get(kind), "whole") for kind in kinds),
            Cell(each.vehicles, "whole"),
            Cell(each.smp, "two"),
            Cell(each.smp_of, "whole"),
            Cell(each.share, "share"),
            Cell(each.heavy, "share"),
            Cell(None if peak is None else local(peak.start_ts), "time"),
            Cell(None if peak is None else peak.value, "whole"),
            Cell(each.peak_smp, "two"),
            Cell(None if peak is None else peak.factor, "two"),
            Cell(each.kmh, "one"),
            Cell(each.measured, "whole"),
            _observed(each.observed),
            Cell(each.bins, "whole"),
            Cell(each.gaps, "whole"),
            Cell(self._truth(each.synthetic), "word"),
            self._reason(each.why),
        ]

    def _line(self, name: str, camera: str, line: str, flows: Sequence[Flow]) -> None:
        _ = self._
        found = {count.class_name: count.vehicle for flow in flows for count in flow.counts}
        # in the manual's order
        classes = dict(sorted(found.items(), key=lambda each: [*VehicleClass].index(each[1])))
        columns = [
            Column(_("Start (WITA)"), 17, "left"),
            Column(_("Direction"), 18, "left"),
            *(Column(f"{name} ({kind.value})", 11) for name, kind in classes.items()),
            Column(_("Motor vehicles"), 10),
            Column("smp", 9),
            Column(_("Speed, km/h"), 11),
            Column(_("Vehicles measured"), 11),
            Column(_("Observed"), 10),
            Column(_("Seconds observed"), 10),
            Column(_("Seconds blind"), 10),
            Column(_("Frames"), 9),
            Column(_("Holiday"), 9, "center"),
            Column(_("Daylight"), 9, "center"),
            Column(_("View valid"), 11, "center"),
            Column(_("Perhaps missed (late)"), 10),
            Column(_("Mean headway, s"), 13),
            Column(_("Line occupied"), 10),
            Column(_("Revision of the scene"), 10),
            Column(_("Synthetic"), 10, "center"),
            Column(_("Start (UTC)"), 17, "left"),
            Column(_("Why smp is missing"), 52, "left"),
        ]
        rows = (self._flow(flow, [*classes]) for flow in flows)
        self._book.add(name, f"{self._report.names[camera]} · {line}", columns, rows, 2)

    def _flow(self, flow: Flow, classes: Sequence[str]) -> list[Cell]:
        counts = {count.class_name: count.count for count in flow.counts}
        gap = not flow.watched
        whole, two, one = ("gap",) * 3 if gap else ("whole", "two", "one")
        return [
            Cell(local(flow.start_ts), "time"),
            Cell(flow.direction),
            *(Cell(counts.get(name), "gap" if gap else "whole") for name in classes),
            Cell(flow.vehicles, whole),
            Cell(flow.smp, two),
            Cell(flow.kmh, one),
            Cell(None if gap else flow.measured, whole),
            _observed(flow.observed),
            Cell(flow.observed_s, "one"),
            Cell(flow.blind_s, "one"),
            Cell(flow.frames, "whole"),
            Cell(self._truth(flow.holiday), "word"),
            Cell(None if flow.light is None else self._(LIGHTS[flow.light]), "word"),
            Cell(self._truth(flow.view_valid), "word"),
            Cell(None if gap else flow.late, whole),
            Cell(flow.headway_s, "one"),
            Cell(flow.occupied, "share"),
            Cell(flow.revision, "whole"),
            Cell(self._truth(flow.synthetic), "word"),
            Cell(utc(flow.start_ts), "time"),
            self._reason(flow.why),
        ]

    def _reason(self, why: Why | None) -> Cell:
        return Cell(None if why is None else self._(REASONS[why]))

    def _truth(self, value: bool | None) -> str | None:
        if value is None:
            return None
        return self._("yes") if value else self._("no")

    def _junctions(self, name: str) -> None:
        _, report = self._, self._report
        kinds = [kind for kind in VehicleClass if any(kind in turn.kinds for turn in report.turns)]
        columns = [
            Column(_("Junction"), 24, "left"),
            Column(_("Approach"), 18, "left"),
            Column(_("Turn"), 12, "center"),
            Column(_("Motor vehicles"), 10),
            Column(_("Share of the approach"), 11),
            *(Column(kind_name(kind, _), 11) for kind in kinds),
            Column("smp", 9),
            Column(_("smp of vehicles"), 10),
            Column(_("Observed"), 10),
            Column(_("Camera"), 20, "left"),
            Column(_("Line or movement"), 18, "left"),
            Column(_("Direction"), 18, "left"),
            Column(_("Why smp is missing"), 52, "left"),
        ]
        rows = (
            [
                Cell(turn.junction),
                Cell(turn.approach),
                Cell(_(TURNS[turn.turn]), "word"),
                Cell(turn.vehicles, "gap" if turn.vehicles is None else "whole"),
                Cell(turn.share, "share"),
                *(Cell(turn.kinds.get(kind), "whole") for kind in kinds),
                Cell(turn.smp, "two"),
                Cell(turn.smp_of, "whole"),
                _observed(turn.observed),
                Cell(report.names[turn.camera]),
                Cell(turn.line),
                Cell(turn.direction),
                self._reason(turn.why),
            ]
            for turn in report.turns
        )
        self._book.add(name, _("Turning movements"), columns, rows, 3)

    def _week(self, name: str) -> None:
        _ = self._
        columns = [
            Column(_("Camera"), 20, "left"),
            Column(_("Line or movement"), 18, "left"),
            Column(_("Weekday"), 12, "left"),
            Column(_("Hour begins (WITA)"), 10, "left"),
            Column(_("Motor vehicles on average"), 12),
            Column(_("Days"), 8),
        ]
        rows = (
            [
                Cell(self._report.names[each.camera]),
                Cell(each.line),
                Cell(_(WEEKDAYS[each.weekday])),
                Cell(f"{each.second // 3600:02}:{each.second % 3600 // 60:02}"),
                Cell(each.vehicles, "one"),
                Cell(each.days, "whole"),
            ]
            for each in self._report.week
        )
        title = _("Averages of weekdays, without holidays")
        self._book.add(name, title, columns, rows, 2)

    def _method(self, name: str) -> None:
        _ = self._
        columns = [
            Column(_("About"), 26, "left"),
            Column(_("Subject"), 32, "left"),
            Column(_("How it is"), 110, "left"),
        ]
        rows = (
            [Cell(each.about, "wrap"), Cell(each.name, "wrap"), Cell(each.value, "wrap")]
            for each in self._report.method
        )
        self._book.add(name, _("How these numbers came about"), columns, rows, 0, filtered=False)


def _observed(share: float) -> Cell:
    return Cell(share, "share" if share > 0.9995 else "part")
