"""What the environment says of evidence: where it lies, how long and how much of it is kept."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter, ValidationError

from api.store.evidence import Kinds
from streams.messages import Name
from vision.errors import ConfigError

URL_VARIABLE: Final = "MATAKOTA_EVIDENCE_URL"
HEADS_VARIABLE: Final = "MATAKOTA_EVIDENCE_HEADS"
KEEP_VARIABLE: Final = "MATAKOTA_EVIDENCE_KEEP_DAYS"
MAX_VARIABLE: Final = "MATAKOTA_EVIDENCE_MAX_GB"
BUCKET: Final = "s3://"
FOLDER: Final = "evidence"
HEADS_FILE: Final = "evidence-heads"
KEY_FILE: Final = "evidence-key.pem"
INCOMING: Final = "evidence-incoming"
KEEP_DAYS: Final = 30.0
MAX_GB: Final = 50.0
MOST_DAYS: Final = 36_500.0
MOST_GB: Final = 1e6
GB: Final = 1_000_000_000
_NAME = TypeAdapter[str](Name)


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """``url`` is an absolute folder or ``s3://BUCKET/PREFIX``, ``heads`` a file outside the
    database, ``key`` that of the signing key, ``incoming`` a folder for what is on its way into a
    bucket; at most ``max_bytes`` are kept, each item for as long as ``keep`` says."""

    url: str = field(repr=False)
    heads: Path
    key: Path
    incoming: Path
    keep: Kinds
    max_bytes: int

    @classmethod
    def read(cls, environ: Mapping[str, str], data: Path) -> Self:
        """``data`` is the data folder; an empty variable counts as none. Raises ConfigError."""
        url = environ.get(URL_VARIABLE) or str(data / FOLDER)
        heads = environ.get(HEADS_VARIABLE) or str(data / HEADS_FILE)
        return cls(
            url=_url(url),
            heads=Path(os.path.abspath(os.path.expanduser(heads))),
            key=data / KEY_FILE,
            incoming=data / INCOMING,
            keep=_keep(environ.get(KEEP_VARIABLE) or ""),
            max_bytes=_max_bytes(environ.get(MAX_VARIABLE) or ""),
        )


def _url(written: str) -> str:
    if written.startswith(BUCKET):
        bucket = written.removeprefix(BUCKET).strip("/")
        # a login in it would be shown by whatever shows the address
        if not bucket or "@" in bucket or "?" in bucket:
            raise ConfigError(
                f"{URL_VARIABLE} is no bucket: write s3://BUCKET/PREFIX; who signs in there is for "
                "the usual variables, such as AWS_ACCESS_KEY_ID"
            )
        return BUCKET + bucket
    if "://" in written:
        raise ConfigError(f"{URL_VARIABLE} is neither a folder nor s3://BUCKET/PREFIX")
    return os.path.abspath(os.path.expanduser(written))


def _keep(written: str) -> Kinds:
    """``30,intrusion=90``: days for all kinds, and for some of them."""
    days, of_kind = KEEP_DAYS, dict[str, float]()
    for number, part in enumerate(filter(None, map(str.strip, written.split(",")))):
        kind, equals, said = part.rpartition("=")
        found = _number(said, MOST_DAYS)
        if found is None or (not equals and number > 0) or (equals and kind.strip() in of_kind):
            raise ConfigError(
                f"{KEEP_VARIABLE} says {part[:40]!a}: write days for all kinds first, then those "
                f"of some, such as 30,intrusion=90, more than 0 and at most {MOST_DAYS:g}"
            )
        if not equals:
            days = found
            continue
        try:
            of_kind[_NAME.validate_python(kind.strip())] = found
        except ValidationError:
            raise ConfigError(
                f"{KEEP_VARIABLE} says {part[:40]!a}: name a kind of alert, such as intrusion=90"
            ) from None
    return Kinds(days, of_kind)


def _max_bytes(written: str) -> int:
    found = _number(written, MOST_GB) if written else MAX_GB
    if found is None:
        raise ConfigError(
            f"{MAX_VARIABLE} is {written[:40]!a}: write gigabytes, more than 0 and at most "
            f"{MOST_GB:g}"
        )
    return int(found * GB)


def _number(written: str, most: float) -> float | None:
    try:
        found = float(written)
    except ValueError:
        found = math.nan
    return found if 0 < found <= most else None
