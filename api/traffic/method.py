"""What travels with every export: how the numbers came about, and what is not known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby

from api.i18n import Texts
from api.store.validations import Validation
from api.times import iso, local
from api.traffic.lines import Line
from api.traffic.values import Recorded, Said, Summary, Wanted
from api.traffic.words import RULES, kind_name, row_words, share
from streams.config import MODEL_FILE
from streams.trafficfile import Traffic
from vision.traffic import Road


def method(
    recorded: Iterable[Recorded],
    lines: Iterable[Line],
    summaries: Iterable[Summary],
    traffic: Traffic,
    wanted: Wanted,
    holidays: Iterable[date],
    made_ts: float,
    _: Texts,
) -> Iterator[Said]:
    """Of the report as a whole, its tables, and each camera and line in it."""
    about = _("This report")
    for name, value in (
        (_("Made"), f"{_wita(made_ts)} ({iso(made_ts)})"),
        (_("Program"), f"Matakota {_version()}"),
        (_("Time begins"), f"{_wita(wanted.from_ts)} ({iso(wanted.from_ts)})"),
        (_("Time ends"), f"{_wita(wanted.to_ts)} ({iso(wanted.to_ts)})"),
        (_("Length of a bin"), _("%(n)d minutes") % {"n": wanted.seconds // 60}),
    ):
        yield Said(about, name, value)
    days = ", ".join(str(day) for day in sorted(holidays))
    yield Said(about, _("Holidays in this time"), days or _("none"))
    yield from _tables(lines, traffic, _)
    totals = {(each.camera, each.line): each for each in summaries if not each.direction}
    by_camera = {camera: [*mine] for camera, mine in groupby(lines, key=lambda line: line.camera)}
    for camera in recorded:
        mine = by_camera.get(camera.camera, [])
        yield from _camera(camera, mine, traffic, _)
        for line in mine:
            yield from _line(camera, line, totals[line.camera, line.name], _)
    for name, value in RULES:
        yield Said(_("Method"), _(name), _(value))


def _tables(lines: Iterable[Line], traffic: Traffic, _: Texts) -> Iterator[Said]:
    about = _("Factors (emp)")
    yield Said(about, _("Source"), traffic.source)
    yield Said(about, _("Version"), traffic.version)
    settings = str(traffic.number) if traffic.number else _("as shipped")
    yield Said(about, _("Revision of the settings"), settings)
    for kind, folded in traffic.equivalents.folds.items():
        text = _("counts as %(class)s where a row has no factor of its own")
        yield Said(about, kind.value, text % {"class": folded.value})
    used = dict.fromkeys(row_words(row, _) for line in lines for row in line.used)
    for row in used:
        yield Said(about, _("Row that was used"), row)
    if not used:
        yield Said(about, _("Row that was used"), _("none"))


def _camera(camera: Recorded, lines: Sequence[Line], traffic: Traffic, _: Texts) -> Iterator[Said]:
    about = camera.camera
    yield Said(about, _("Camera"), camera.name)
    if camera.model is None:
        yield Said(about, _("Model"), _("unknown: the camera is not configured any more"))
    else:
        yield Said(about, _("Model"), camera.model.removesuffix(MODEL_FILE))
    kinds = {name: kind for line in lines for name, kind in line.classes.items()}
    if kinds:
        said = ", ".join(f"{name} = {kind_name(kind, _)}" for name, kind in kinds.items())
        yield Said(about, _("Classes"), said)
    for sentence in () if camera.model is None else traffic.unknown(camera.model, _.language):
        yield Said(about, _("Cannot be told apart"), sentence)
    if not any(each.paces for each in camera.intervals):
        yield Said(about, _("Speed"), _("none: nothing was measured on calibrated ground"))


def _line(camera: Recorded, line: Line, total: Summary, _: Texts) -> Iterator[Said]:
    about = f"{line.camera} · {line.name}"
    yield Said(about, _("Road"), _("nobody said") if line.road is None else _road(line.road, _))
    revisions = ", ".join(map(str, line.revisions))
    yield Said(about, _("Revision of the scene"), revisions)
    observed = _(
        "%(share)s of the time (%(observed).0f of %(all)d s); %(gaps)d of %(bins)d bins not at all"
    ) % {
        "share": share(total.observed),
        "observed": total.observed_s,
        "all": total.seconds,
        "gaps": total.gaps,
        "bins": total.bins,
    }
    yield Said(about, _("Observed"), observed)
    if line.synthetic:
        yield Said(about, _("Synthetic"), _("yes: no real camera saw it"))
    found = camera.validated.get(line.name)
    if found is None:
        yield Said(about, _("Validation"), _("none: nobody compared it with counts by people"))
        return
    yield from (Said(about, _("Validation"), sentence) for sentence in _accuracy(found, _))


def _accuracy(found: Validation, _: Texts) -> Iterator[str]:
    """How right the line is counted, all classes together first."""
    text = _(
        "%(n)d pieces, %(minutes)d minutes together, were counted by people, the newest on "
        "%(date)s; model %(model)s. Nothing here is corrected by that."
    )
    yield text % {
        "n": found.pieces,
        "minutes": round(found.seconds / 60),
        "date": _wita(found.counted_at),
        "model": found.model,
    }
    for each in reversed(found.accuracies):
        if each.error is None:
            continue
        name = each.class_name or _("all together")
        text = _("%(class)s: %(machine)d by the machine, %(true)d by people; error %(error)s")
        said = {"class": name, "machine": each.machine, "true": each.true}
        sentence = text % (said | {"error": _signed(each.error)})
        if each.errors is None:
            sentence += _(", too few pieces for an interval")
        else:
            low, high = map(_signed, each.errors)
            sentence += _(", with 95 %% certainty %(low)s to %(high)s") % {"low": low, "high": high}
        if each.factor is not None:
            sentence += _("; factor, not applied: %(factor).3f") % {"factor": each.factor}
        yield sentence


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _road(road: Road, _: Texts) -> str:
    said = [road.name, road.type]
    if road.width_m is not None:
        said.append(_("%(width)s m wide") % {"width": f"{road.width_m:g}"})
    if road.lanes is not None:
        said.append(_("%(n)d lanes in one direction") % {"n": road.lanes})
    return ", ".join(said)


def _wita(ts: float) -> str:
    return f"{local(ts):%Y-%m-%d %H:%M} WITA"


def _version() -> str:
    try:
        return version("matakota")
    except PackageNotFoundError:
        return "0"
