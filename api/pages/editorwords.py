"""The words of the list of cameras and of the editor, in the language of whoever looks."""

from __future__ import annotations

from typing import Any

from api.i18n import Texts
from api.kinds import SEVERITIES


def list_texts(_: Texts) -> dict[str, Any]:
    """What the list of cameras says."""
    return {
        "title": _("Cameras"),
        "search": _("Search"),
        "empty": _("There are no cameras to see here."),
        "nothing": _("No camera is called like this."),
        "camera": _("Camera"),
        "state": _("State"),
        "drawn": {"lines": _("Lines"), "zones": _("Zones"), "rules": _("Rules")},
        "revision": _("Revision in use"),
        "synthetic": _("synthetic"),
        "states": {
            "live": _("live"),
            "starting": _("starting"),
            "down": _("down"),
            "stopped": _("stopped"),
            "unknown": _("unknown"),
        },
    }


def editor_texts(_: Texts) -> dict[str, Any]:
    """What the editor says, by the parts of it."""
    return {
        "title": _("What is drawn on this camera"),
        "cameras": _("‹ Cameras"),
        "loading": _("Loading …"),
        "again": _("Try again"),
        "unheard": _("The server gives no answer: look whether you are connected, and try again."),
        "no_size": _(
            "This camera has sent no picture yet, so its size is not known: load the page again "
            "when it is live."
        ),
        "undo": _("Undo"),
        "redo": _("Redo"),
        "undo_hint": _("Undo (Ctrl+Z)"),
        "redo_hint": _("Redo (Ctrl+Shift+Z)"),
        "save": _("Save"),
        "saving": _("Saving …"),
        "note": _("What was changed (may stay empty)"),
        "unsaved": _("Changes that are not saved"),
        "nothing_drawn": _("Nothing is drawn yet"),
        "stored": _("Revision %(n)d"),
        "awaited": _("Revision %(n)d is saved; the camera takes it over …"),
        "in_force": _("Revision %(n)d is in force"),
        "newer": _("Somebody saved since: revision %(n)d is in force."),
        "close": _("Close"),
        "kept": _("Changes that you made before and did not save are shown."),
        "forget": _("Drop them"),
        "read_only": _("You see what is drawn; an administrator can change it."),
        "read_only_keys": _("Tab goes from shape to shape."),
        "conflict": _("Somebody else saved first"),
        "conflict_hint": _(
            "What you drew is still here. Load theirs to see it (Undo brings yours back), or go "
            "on with yours: the next Save then replaces theirs, which stays in the history."
        ),
        "theirs": _("Load theirs"),
        "mine": _("Go on with mine"),
        "gone_too": _("Removed with it: %(names)s. Undo brings all of it back."),
        "show": _("Show it"),
        "no_pictures": _("You see no pictures of cameras."),
        "no_picture": _("no picture"),
        "old": _("%(n)s s old"),
        "frozen": _("Held, %(n)s s old"),
        "freeze": _("Hold the picture"),
        "names": {"line": _("line"), "zone": _("zone")},
        "tabs": {
            "drawn": _("Drawn"),
            "rules": _("Rules"),
            "trial": _("Try it"),
            "history": _("History"),
        },
        "tools": _tools(_),
        "keys": _keys(_),
        "canvas": _canvas(_),
        "places": _places(_) | _classes(_),
        "rules": _rules(_) | _classes(_),
        "trial": _trial(_),
        "history": _history(_),
    }


def _tools(_: Texts) -> dict[str, Any]:
    return {
        "title": _("Tools"),
        "select": _("Choose"),
        "zone": _("Zone"),
        "line": _("Line"),
        "mark": _("Mark"),
        "region": _("Region"),
        "hints": {
            "select": _("Choose, move and change (V)"),
            "zone": _("Draw a zone on the ground (Z)"),
            "line": _("Draw a line that is counted both ways (L)"),
            "mark": _("Set a mark that was measured on the ground (M)"),
            "region": _("Draw the part that is analysed (G)"),
        },
    }


def _keys(_: Texts) -> dict[str, str]:
    """What can be done now, below the picture."""
    return {
        "select": _(
            "Drag a shape or one of its corners; drag a small point to add a corner. Keys: Tab "
            "from shape to shape, Enter to its corners, arrows move by 1 px (Shift 10, Ctrl 100), "
            "Delete removes, Ctrl+Z undoes."
        ),
        "zone": _(
            "Click corner by corner around the zone, where feet and wheels are; click the first "
            "corner, or press Enter, to close it. Keys: arrows move the cross, Space sets a "
            "corner, Backspace takes one back, Escape ends."
        ),
        "line": _(
            "Press at one end and let go at the other. The arrow shows forward: to the right hand "
            "of someone who walks from 1 to 2. Keys: arrows move the cross, Space sets an end, "
            "Escape ends."
        ),
        "mark": _(
            "Click the point on the ground, then write where it is in metres. Keys: arrows move "
            "the cross, Space sets it, Escape ends."
        ),
        "region": _(
            "Press at one corner and let go at the other. Keys: arrows move the cross, Space sets "
            "a corner, Escape ends."
        ),
    }


def _canvas(_: Texts) -> dict[str, Any]:
    return {
        "picture": _("Picture with what is drawn on it"),
        "drawing": {
            "zone": _("Drawing a zone: arrows move the cross, Space sets a corner"),
            "line": _("Drawing a line: arrows move the cross, Space sets an end"),
            "mark": _("Setting a mark: arrows move the cross, Space sets it"),
            "region": _("Drawing a region: arrows move the cross, Space sets a corner"),
        },
        "shapes": {
            "zone": _("Zone %(name)s, %(n)d corners"),
            "line": _("Line %(name)s, forward %(forward)s, backward %(backward)s"),
            "mark": _("Mark %(name)s"),
            "region": _("Region that is analysed"),
        },
        "corner": _("Point %(n)d at %(x)d, %(y)d"),
    }


def _places(_: Texts) -> dict[str, Any]:
    return {
        "views": _("Views of this camera"),
        "own": _("Its own view"),
        "preset": _("preset"),
        "view_known": _("The camera's view is kept: all of this works while it looks there."),
        "view_unknown": _("Turn the camera to this view, then take it."),
        "take": _("Take the present view"),
        "taking": _("Taking it …"),
        "drop_view": _("Remove this preset with all that is drawn on it"),
        "empty": _("Nothing is drawn here yet: choose Zone or Line above the picture, and draw."),
        "nothing": _("Nothing is drawn here."),
        "sorts": {
            "line": _("Line"),
            "zone": _("Zone"),
            "mark": _("Mark"),
            "region": _("Region"),
        },
        "name": _("Name"),
        "taken": _("This name is taken: choose another one."),
        "nameless": _("A name has 1 to 80 visible characters."),
        "forward": _("Direction of the arrow (forward)"),
        "backward": _("The other direction (backward)"),
        "arrow": _(
            "The arrow leads from your left hand to your right hand when you walk from 1 to 2."
        ),
        "turn": _("Turn the arrow round"),
        "mark": _("%(n)s: %(x)s m, %(y)s m"),
        "mark_hint": _(
            "Where it is on the ground, in metres from one of the marks or on a map. Four marks "
            "are needed of which no three lie on a line; six or more show mistakes."
        ),
        "used": _("Watched by: %(names)s"),
        "remove": _("Remove"),
        "remove_point": _("Remove corner %(n)d"),
        "movements": {
            "title": _("Movements"),
            "hint": _(
                "Counts who came from which zone and went into which, such as at a junction."
            ),
            "entries": _("from"),
            "exits": _("to"),
            "one": _("movement"),
            "add": _("Add a movement"),
        },
        "finding": _("What finds objects"),
        "detector": _("Found by"),
        "detectors": {
            "model": _("the camera's model"),
            "motion": _("what moves"),
            "fused": _("model and what moves"),
        },
        "detail": _("Smallest objects"),
        "details": {
            "usual": _("usual"),
            "fine": _("smaller: 2.2 times the computing"),
            "finest": _("smallest: nearly 4 times the computing"),
        },
        "classes": _("Classes"),
        "classes_hint": _("None chosen: all that the detector knows."),
        "region": _("Part that is analysed"),
        "regions": {
            "whole": _("the whole picture"),
            "auto": _("what lines and zones need"),
            "drawn": _("as drawn"),
        },
        "region_hint": _(
            "A part of a large picture is analysed closer, so that smaller objects are found."
        ),
        "gate": _("The model is asked only where the picture shows something new"),
        "stretch": _("Streams of another shape show the same view, squeezed"),
        "size": _("Drawn on a picture of %(w)d x %(h)d px."),
    }


def _classes(_: Texts) -> dict[str, Any]:
    """What the detectors' classes are called."""
    return {
        "class_names": {
            "person": _("person"),
            "bicycle": _("bicycle"),
            "car": _("car"),
            "motorcycle": _("motorcycle"),
            "bus": _("bus"),
            "truck": _("truck"),
            "moving": _("whatever moves"),
        }
    }


def _rules(_: Texts) -> dict[str, Any]:
    return {
        "kind": _("Raise an alert for"),
        "places": {
            "zone": _("in a zone"),
            "line": _("at a line"),
            "camera": _("about the camera itself"),
        },
        "on": {"zone": _("Zone"), "line": _("Line")},
        "draw_first": {
            "zone": _("Draw a zone on this view first."),
            "line": _("Draw a line on this view first."),
        },
        "own_only": _("Rules about the camera itself stand with its own view."),
        "add": _("Add the rule"),
        "empty": _("No rule yet: nothing here raises an alert."),
        "off": _("off"),
        "timed": _("at times"),
        "enabled": _("It watches"),
        "name": _("Name"),
        "taken": _("This name is taken: choose another one."),
        "severity": _("Severity"),
        "severities": {each: _(name) for each, name in SEVERITIES.items()},
        "classes": _("What it looks at"),
        "classes_hint": _("None chosen: %(names)s."),
        "usual": _("usual: %(value)s"),
        "left_out": _("left out"),
        "cooldown": _("Same incident again within"),
        "cooldown_hint": _(
            "What begins so soon after an incident was over, at the same place, is the same one."
        ),
        "remove": _("Remove the rule"),
        "hours": {
            "title": _("When it watches"),
            "always": _("always"),
            "timed": _("at certain times"),
            "days": _("Days"),
            "names": {
                "mon": _("Mon"),
                "tue": _("Tue"),
                "wed": _("Wed"),
                "thu": _("Thu"),
                "fri": _("Fri"),
                "sat": _("Sat"),
                "sun": _("Sun"),
            },
            "from": _("From"),
            "to": _("Until"),
            "hint": _(
                "Both empty: the whole day. An end that is not later than the start is on the "
                "next day; a span belongs to the day on which it begins."
            ),
            "more": _("More times"),
            "drop": _("Remove these times"),
            "holidays": _("Holidays (dates, or ID and ID/government)"),
            "on_holidays": _("On holidays"),
            "holiday_ways": {
                "same": _("as on other days"),
                "all": _("the whole day"),
                "none": _("not at all"),
            },
            "zone": _("Time zone"),
        },
    }


def _trial(_: Texts) -> dict[str, Any]:
    return {
        "hint": _(
            "Plays what was tracked in the last minutes through the rules as they are drawn now, "
            "saved or not. No alert is raised."
        ),
        "minutes": _("Minutes back"),
        "run": _("Try it on the last %(n)s minutes"),
        "running": _("Trying …"),
        "nothing": _("Nothing can be tried: see the worker's log."),
        "stale": _("Something was drawn since: try it again."),
        "fired": _("Alerts that it would have raised: %(n)s"),
        "none": _("None."),
        "more": _("There are more than are shown."),
        "why_not": _("Why the others raised nothing"),
        "what": _("condition"),
        "was": _("it was"),
        "needed": _("needed"),
        "left_out": _("Could not be tried"),
        "counted": _("Lines that were passed"),
        "line": _("line"),
        "direction": _("direction"),
        "number": _("count"),
    }


def _history(_: Texts) -> dict[str, Any]:
    return {
        "hint": _("A revision that is taken back into the editor is in force once it is saved."),
        "none": _("Nothing was saved yet."),
        "revision": _("Revision %(n)d"),
        "in_force": _("in force"),
        "watching": _("the camera watches by it"),
        "nobody": _("from the configuration"),
        "restore": _("Take it back"),
        "older": _("Older revisions"),
        "note": _("revision %(n)d again"),
    }
