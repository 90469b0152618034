"""The command line: the composition root, where packages meet and errors become exit codes."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from api.cli import logs
from models.errors import ModelError
from streams.parentage import die_with_parent
from vision.errors import MatakotaError

EXIT_AGAIN = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
UNHEARD_S: Final = 0.05
_USAGE_ERROR: Any = typer.BadParameter.__base__
"""What typer raises for wrong options; it has no public name there."""

_COMMANDS: Final = {
    "demo": "Show everything at once: three cameras, their counts and alerts.",
    "analyse": "Analyse a clip faster than real time.",
    "survey": "Count hours of recorded files by the minute.",
    "recount": "Count a survey again by other lines, without its videos.",
    "explain": "Tell which conditions of the rules fail at a moment of a clip.",
    "up": "Run the whole system for the cameras of a city.",
    "config": "Store the city's configuration, and show it.",
    "worker": "Analyse cameras, and send alerts and counts to Redis.",
    "serve": "Serve the API and the pages, and store what workers send.",
    "notify": "Decide who is told of alerts, and tell them.",
    "watch": "See whether what workers state arrives, and alarm if not.",
    "rejected": "List, store and drop messages that were put aside.",
    "alerts": "Export alerts, show how often rules were right, suggest thresholds, save cases.",
    "counts": "Export traffic counts, with all that is known of them.",
    "cases": "Try alerts that were saved again, with a scene.",
    "evidence": "Verify, list, hold and delete what alerts are proved by.",
    "alerting": "Say who is told of which alerts, and show it.",
    "traffic": "Say how traffic is classed and summed, and show it.",
    "rtsp": "Play clips as RTSP cameras until Ctrl-C.",
    "cameras": "Look at the city's cameras, and replay what passed them.",
    "keys": "Create, list and revoke what opens the API.",
    "users": "Add people, and let them in or keep them out.",
    "groups": "Add, list and remove groups of cameras.",
    "link": "Print a link that works once, within an hour.",
    "scene": "Check scene files, print their schema, tell how a view looks.",
    "models": "List, verify, pull, rebuild and export the models' weights.",
    "samples": "List and fetch the sample clips.",
    "evaluate": "Measure tracks, counts and incidents against what is true.",
    "validate": "Prepare pieces of recordings that people count, and show how right is counted.",
    "bench": "Measure CPU time on this machine.",
}
"""Modules beside this one, each with an ``app`` or a function of its own name, and what they do,
so that the list of them loads none."""


class _Commands(TyperGroup):
    """Commands that are imported when they are called: together they load everything there is,
    but the API needs no detector, and an analysis no database."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # the names from which typer suggests one for a misspelt word
        self.commands = dict.fromkeys(_COMMANDS, typer.core.TyperCommand(None))
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"api.cli.{cmd_name}")
        parent = typer.Typer(rich_markup_mode=None)
        parent.callback()(lambda: None)
        if hasattr(module, "app"):
            parent.add_typer(module.app, name=cmd_name, help=_COMMANDS[cmd_name])
        else:
            parent.command(cmd_name)(getattr(module, cmd_name))
        return typer.main.get_group(parent).commands[cmd_name]


app = typer.Typer(
    name="matakota",
    cls=_Commands,
    help="The eye of the city: incidents and traffic counts from cameras and clips.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            version = installed_version("matakota")
        except PackageNotFoundError:
            version = "from a checkout that is not installed"
        typer.echo(f"matakota {version}")
        raise typer.Exit


@app.callback()
def _options(
    log_level: Annotated[
        str, typer.Option(help="How much to log: debug, info, warning or error.")
    ] = "info",
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    supervised_by: Annotated[
        int | None, typer.Option(hidden=True, help="The process without which this one ends.")
    ] = None,
) -> None:
    if supervised_by is not None:
        die_with_parent(supervised_by)
    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        raise MatakotaError(
            f"--log-level {log_level} is unknown: use debug, info, warning or error"
        )
    logs.configure(level)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 it ran and the answer is no, or what
    stopped it may be over by itself, 2 bad input; said in one line on standard error."""
    try:
        code = app(args=list(arguments), prog_name="matakota", standalone_mode=False)
    except SystemExit as stop:
        # Whoever read our output has enough, which is no failure: typer makes it exit code 1, and
        # keeps the interpreter from flushing into the pipe.
        if isinstance(stop.__context__, BrokenPipeError):
            return 0
        return stop.code if isinstance(stop.code, int) else 1
    except _USAGE_ERROR as error:
        # a command without arguments "says" its help; anything else is one sentence
        said = error.format_message()
        print(said if "\n" in said else f"matakota: {said} See 'matakota --help'.", file=sys.stderr)
        return EXIT_BAD_INPUT
    except (MatakotaError, ModelError) as error:
        print(f"matakota: {error}", file=sys.stderr)
        return EXIT_AGAIN if getattr(error, "passing", False) else EXIT_BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def end_by_signals() -> None:
    """SIGTERM unwinds like an exit, so that nothing half-written stays. It may arrive while an
    object is being collected, where Python ignores what is raised, Ctrl-C too: it is raised once
    more a moment later."""
    said = sys.unraisablehook
    unheard: list[type[BaseException]] = []

    def terminated(*_: object) -> NoReturn:
        sys.exit(EXIT_TERMINATED)

    def again(*_: object) -> NoReturn:
        if unheard.pop() is KeyboardInterrupt:
            raise KeyboardInterrupt
        sys.exit(EXIT_TERMINATED)

    def ignored(what: sys.UnraisableHookArgs) -> None:
        if what.exc_type not in {SystemExit, KeyboardInterrupt}:
            said(what)
            return
        unheard.append(what.exc_type)
        signal.setitimer(signal.ITIMER_REAL, UNHEARD_S)

    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGALRM, again)
    sys.unraisablehook = ignored


def main() -> None:
    """The ``matakota`` command."""
    end_by_signals()
    sys.exit(run(sys.argv[1:]))
