"""The settings of who is told of what, as the store keeps them and ``matakota alerting`` reads and
prints them. No secret is in them: those are in a file that only the notifier reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_network
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from streams.messages import Name
from vision.types import Severity

CANARY_CHANNEL: Final = "canary"
"""The built-in channel on which canaries arrive."""
MAX_WORDS_CHARS: Final = 2000
ChannelKind: TypeAlias = Literal["webhook", "apprise"]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Matcher(Part):
    """Which alerts: those that fit every field that names something. ``sites`` are names of sites
    of the same settings, ``places`` names of zones and lines."""

    severities: tuple[Severity, ...] = ()
    kinds: tuple[Name, ...] = ()
    cameras: tuple[Name, ...] = ()
    sites: tuple[Name, ...] = ()
    rules: tuple[Name, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def named(self) -> int:
        """How many fields name something."""
        return sum(1 for _, value in self if value)

    def within(self, cameras: frozenset[str] | None) -> bool:
        """Whether it names cameras, and only some of these; None are all cameras."""
        return cameras is None or (bool(self.cameras) and cameras.issuperset(self.cameras))

    def reaches(self, cameras: frozenset[str], sites: Mapping[str, Collection[str]]) -> bool:
        """Whether alerts of these cameras may fit it, though it is not about them alone; ``sites``
        are cameras of sites by name."""
        if self.cameras and cameras.issuperset(self.cameras):
            return False
        left = cameras.intersection(self.cameras) if self.cameras else cameras
        if self.sites:
            named = [sites.get(site, ()) for site in self.sites]
            left = frozenset(each for each in left if any(each in site for site in named))
        return bool(left)


class Channel(Part):
    """A way to tell somebody. ``url`` is the address of a webhook; an apprise channel has none
    here, since its address holds what opens it: that is in the file of secrets under the channel's
    name, as is a webhook's signing secret. ``per_minute`` messages are sent at most; ``closed``:
    it is told of ends too. ``language`` is that of what people read."""

    name: Name
    kind: ChannelKind
    url: str | None = None
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    closed: bool = False
    enabled: bool = True
    language: Literal["id", "en"] = "id"

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if (self.kind == "webhook") != (self.url is not None):
            raise ValueError(
                "a webhook has a 'url', and an apprise channel's is in the file of secrets"
            )
        if self.name == CANARY_CHANNEL:
            raise ValueError(f"'{CANARY_CHANNEL}' is built in: choose another name")
        return self


class Escalation(Part):
    """Who is told where nobody acknowledged within ``after_min`` minutes of the first message."""

    after_min: Annotated[float, Field(gt=0, le=24 * 60)]
    channels: Annotated[tuple[Name, ...], Field(min_length=1)]


class Route(Part):
    """Alerts that fit ``match`` go to ``channels`` while ``schedule`` holds (as in a scene's rule,
    a document that ``streams.schedulefile`` reads; always where there is none). With a ``group``,
    the first alert of a camera or of a site goes at once, and more within ``group_s`` seconds
    become one message."""

    name: Name
    match: Matcher = Matcher()
    channels: Annotated[tuple[Name, ...], Field(min_length=1)]
    schedule: dict[str, JsonValue] | None = None
    group: Literal["camera", "site"] | None = None
    group_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    escalate: tuple[Escalation, ...] = ()


class Site(Part):
    """Cameras of one place, which go down together where its power or its line does."""

    name: Name
    cameras: Annotated[tuple[Name, ...], Field(min_length=1)]


class Inhibition(Part):
    """While an alert that fits ``source`` is open, nobody is told of those that fit ``target`` and
    are of the same camera or site; never of the source itself."""

    name: Name
    source: Matcher
    target: Matcher
    same: Literal["camera", "site"]


class Telephone(Part):
    name: Name
    number: Annotated[str, Field(pattern=r"^\+?[0-9][0-9 ()./-]{1,38}$")]


class Advice(Part):
    """What to do about alerts that fit ``match``, and whom to call: of several that fit, the one
    that says most about them; of those the first."""

    match: Matcher
    text: Annotated[str, Field(min_length=1, max_length=MAX_WORDS_CHARS)]
    telephones: tuple[Telephone, ...] = ()


class Storm(Part):
    """More than ``alone`` messages within a minute to one channel are a storm: of what is not
    critical it then gets a digest every ``digest_s`` seconds, until it is over. So far apart are
    messages about what nobody acknowledged, too."""

    alone: Annotated[int, Field(ge=1, le=100_000)] = 12
    digest_s: Annotated[float, Field(ge=5, le=3600)] = 20.0


class Alerting(Part):
    """Everything. ``secrets`` is the absolute path of the file of secrets, ``networks`` those
    private networks in which channels may lie, ``alarm`` the channel by which the watchdog tells
    that the chain itself is broken. With ``inhibit_bad_views``, nobody is told of a camera's other
    rules while it is covered, dark or moved."""

    secrets: str | None = None
    networks: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    sites: tuple[Site, ...] = ()
    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    advice: tuple[Advice, ...] = ()
    storm: Storm = Storm()
    alarm: Name | None = None
    inhibit_bad_views: bool = True

    @field_validator("networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)
        return value

    def channel(self, name: str) -> Channel | None:
        return next((each for each in self.channels if each.name == name), None)

    def site_of(self, camera: str) -> str | None:
        """The site to which a camera belongs."""
        return next((site.name for site in self.sites if camera in site.cameras), None)
