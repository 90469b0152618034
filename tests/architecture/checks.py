"""The "never" list as checks over one source file each: findings out, nothing else.

A check is tested with snippets that break it in ``test_checks.py``; one that cannot fail is none.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from tests.architecture.source import SHIPPED, Source, at_import, functions, imports

Check = Callable[[Source], Iterator[str]]

# An outside thing and its one home.
HOMES = {
    "alembic": ("api/store/",),
    "av": ("streams/",),
    "onnxruntime": ("models/",),
    "redis": ("streams/bus/",),
    "reportlab": ("api/handover/sheet.py",),
    "sqlalchemy": ("api/store/",),
    "supervision": ("streams/evaluation/peers.py",),
    "trackers": ("streams/evaluation/peers.py",),
    "trackeval": ("streams/evaluation/scores.py",),
    "ultralytics": ("models/export.py", "streams/evaluation/agpl.py"),
}

# Whom of ours each place may import; the longest place that fits decides.
FLOORS = {
    "vision/": {"vision"},
    "models/": {"models"},
    "streams/": {"streams", "vision", "models"},
    "api/": {"api", "streams", "vision"},
    "api/cli/": {"api", "streams", "vision", "models"},
    "samples/": {"samples"},
}

# "path::function" of the outermost loops of processes, which alone may catch everything.
OUTERMOST_LOOPS: frozenset[str] = frozenset({"streams/rtsp/decoder.py::run"})

MAX_LINES = 400

WALL_CLOCK = {
    "time.asctime",
    "time.ctime",
    "time.gmtime",
    "time.localtime",
    "time.time",
    "time.time_ns",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
}
ONLY_TS = ("vision/rules/", "vision/counting.py", "vision/policy.py", "vision/track.py")

_CONTAINERS = {
    "bytearray",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "dict",
    "list",
    "queue.Queue",
    "set",
    "weakref.WeakKeyDictionary",
    "weakref.WeakValueDictionary",
}
_DISPLAYS = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
_MUTATORS = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "update",
}


def _say(source: Source, line: int, what: str) -> str:
    return f"{source.path}:{line}: {what}"


def one_home(source: Source) -> Iterator[str]:
    if not source.shipped:
        return
    for line, name in imports(source):
        home = HOMES.get(name.partition(".")[0])
        if home and not source.within(*home):
            yield _say(source, line, f"imports {name}, whose home is {', '.join(home)}")


def floors(source: Source) -> Iterator[str]:
    places = [place for place in FLOORS if source.within(place)]
    if not places:
        return
    may = FLOORS[max(places, key=len)]
    command_line = source.within("api/cli/", "api/__main__.py")
    for line, name in imports(source):
        top = name.partition(".")[0]
        if top in {*SHIPPED, "tests"} and top not in may:
            yield _say(source, line, f"imports {name}; it may import {', '.join(sorted(may))}")
        if not command_line and f"{name}.".startswith("api.cli."):
            yield _say(source, line, "imports the composition root api.cli")
        if top == "cv2" and source.within("api/") and not command_line:
            yield _say(source, line, "imports cv2; pictures are the business of vision")


def no_video_capture(source: Source) -> Iterator[str]:
    if not source.shipped:
        return
    for line, name in imports(source):
        if name.startswith("cv2.") and name.endswith(".VideoCapture"):
            yield _say(source, line, "uses cv2.VideoCapture; open it through streams")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr == "VideoCapture":
            yield _say(source, node.lineno, "uses cv2.VideoCapture; open it through streams")


def short(source: Source) -> Iterator[str]:
    count = len(source.text.splitlines())
    if count > MAX_LINES:
        yield _say(source, count, f"has {count} lines; {MAX_LINES} is the limit")


def named_for_what_it_holds(source: Source) -> Iterator[str]:
    if source.path.stem in {"utils", "util"} or {"utils", "util"} & set(source.path.parent.parts):
        yield _say(source, 1, "is named utils; name it for what it holds")


def no_blind_except(source: Source) -> Iterator[str]:
    if not source.shipped:
        return
    for inside, node in functions(source.tree):
        if f"{source.path}::{inside}" in OUTERMOST_LOOPS:
            continue
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield _say(source, node.lineno, "catches everything")
            elif isinstance(node.type, ast.Tuple):
                caught = node.type.elts
            else:
                caught = [node.type]
        elif isinstance(node, ast.Call) and source.dotted(node.func) == "contextlib.suppress":
            caught = node.args
        for kind in caught:
            if source.dotted(kind).removeprefix("builtins.") in {"Exception", "BaseException"}:
                yield _say(source, kind.lineno, f"catches {source.dotted(kind)}")


def no_environment_at_import(source: Source) -> Iterator[str]:
    if not source.shipped:
        return
    for node in at_import(source.tree):
        if isinstance(node, ast.Attribute | ast.Name) and source.dotted(node) in {
            "os.environ",
            "os.environb",
            "os.getenv",
            "os.getenvb",
        }:
            yield _say(source, node.lineno, "reads the environment at import")


def _mutable(source: Source, value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return source.dotted(value.func) in _CONTAINERS
    return isinstance(value, _DISPLAYS)


def _bound(source: Source) -> Iterator[tuple[ast.Name, ast.expr | None]]:
    """Names that modules and classes bind at import, with what they bind to them."""
    for node in at_import(source.tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target, node.value


def no_shared_state(source: Source) -> Iterator[str]:
    """Containers of modules and classes are UPPER_CASE constants that nobody changes; there are
    no counters, no ``global``, and no function writes to a class."""
    if not source.shipped:
        return
    constants: set[str] = set()
    for target, value in _bound(source):
        if isinstance(value, ast.Call) and source.dotted(value.func) == "itertools.count":
            yield _say(source, target.lineno, f"{target.id} counts for everybody")
        elif _mutable(source, value):
            constants.add(target.id)
            dunder = target.id.startswith("__") and target.id.endswith("__")
            if not (dunder or target.id.isupper()):
                yield _say(source, target.lineno, f"{target.id} is shared and can change")
    classes = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)}
    for inside, node in functions(source.tree):
        if isinstance(node, ast.Global):
            yield _say(source, node.lineno, f"global {', '.join(node.names)}")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id in {"cls", *classes}:
                yield _say(source, node.lineno, f"writes to the class {node.value.id}")
        elif inside and _changes(node) in constants:
            yield _say(source, node.lineno, f"changes the constant {_changes(node)}")


def _changes(node: ast.AST) -> str | None:
    """The name of the container that a node changes in place."""
    held: ast.AST | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        held = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        held = node.func.value if node.func.attr in _MUTATORS else None
    return held.id if isinstance(held, ast.Name) else None


def only_ts(source: Source) -> Iterator[str]:
    """No wall clock in vision; in rules and counts no clock at all, and no frame counts."""
    if not source.within("vision/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name) and source.dotted(node) in WALL_CLOCK:
            yield _say(source, node.lineno, f"reads the wall clock: {source.dotted(node)}")
        if not source.within(*ONLY_TS):
            continue
        if isinstance(node, ast.Attribute) and source.dotted(node) in {
            "tracked.index",
            "frame.index",
        }:
            yield _say(source, node.lineno, f"reads a frame count: {source.dotted(node)}")
    if source.within(*ONLY_TS):
        for line, name in imports(source):
            if name.partition(".")[0] == "time":
                yield _say(source, line, "imports time; ts is the only clock here")


# What decides on an event of a page anew, whenever it comes.
GUARDS = {"guarded", "_kept", "_connecting"}
# A page's own beginning and end, which nobody sends.
_LIFE = {"on_connect", "on_delete", "on_disconnect"}


def guarded_events(source: Source) -> Iterator[str]:
    """What a page does about an event is let through a guard: a page is open for long, and whoever
    writes to its socket sends what they like."""
    if not source.within("api/pages/"):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        handlers = [kw.value for kw in node.keywords if (kw.arg or "").startswith("on_")]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if (name == "on" or name.startswith("on_")) and name not in _LIFE:
            handlers += node.args[-1:]
            handlers += [kw.value for kw in node.keywords if kw.arg in {"handler", "callback"}]
        for handler in handlers:
            called = handler.func if isinstance(handler, ast.Call) else None
            if not (isinstance(called, ast.Name) and called.id in GUARDS):
                yield _say(source, handler.lineno, f"{ast.unparse(handler)} stands behind no guard")


def apart(source: Source) -> Iterator[str]:
    """Texts are told to everybody, so that what tells them knows nobody of ours."""
    if not source.within("api/i18n/"):
        return
    for line, name in imports(source):
        if name.partition(".")[0] in {*SHIPPED, "tests"}:
            yield _say(source, line, f"imports {name}; it stands alone")


CHECKS: tuple[Check, ...] = (
    apart,
    floors,
    guarded_events,
    named_for_what_it_holds,
    no_blind_except,
    no_environment_at_import,
    no_shared_state,
    no_video_capture,
    one_home,
    only_ts,
    short,
)
