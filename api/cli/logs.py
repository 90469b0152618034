"""How the command line logs: to standard error, one line each, without a secret in it."""

from __future__ import annotations

import sys
from collections.abc import Collection

import structlog

from streams.health import Redactor


def configure(level: int) -> None:
    """Log from ``level`` (as in the module logging) on."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.processors.format_exc_info,
            Redactor(),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )


def hide(secrets: Collection[str]) -> None:
    """From now on never log one of ``secrets``, nor what was hidden before."""
    processors = structlog.get_config()["processors"]
    structlog.configure(
        processors=[
            processor.hiding(secrets) if isinstance(processor, Redactor) else processor
            for processor in processors
        ]
    )
