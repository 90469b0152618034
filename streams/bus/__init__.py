"""Everything between workers and API that goes through Redis, which has no other home.

``chain``: alerts, counts and reports, up. ``control``: configuration, commands and live pictures.
"""

from __future__ import annotations

from streams.bus.chain import Bus, Entry, RedisBus
from streams.bus.control import Command, Control, Pictures, RedisControl

__all__ = [
    "Bus",
    "Command",
    "Control",
    "Entry",
    "Pictures",
    "RedisBus",
    "RedisControl",
]
