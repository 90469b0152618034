"""A second opinion by a classifier of the zoo: does what it sees confirm what was reported?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from models.errors import BadModel
from models.manifest import ClassifyEntry
from models.session import load_classifier
from models.zoo import VerifiedModel
from streams.opinions import MAX_WORDS_CHARS, Opinion, Verdict
from vision.errors import OpinionError
from vision.letterbox import letterbox
from vision.types import Event, FloatArray, Image

CONFIRMED: Final = 0.5
"""From this share on the classes that confirm a report do so;"""
DOUBTED: Final = 0.2
"""below this they do not, and between the two nobody can say."""


class Classifier(Protocol):
    """What a picture (1, 3, h, w) shows: the share (classes,) of each class."""

    @property
    def entry(self) -> ClassifyEntry: ...

    def run(self, picture: FloatArray) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class ClassifierAdviser:
    """Asks ``classifier``; kinds that its entry confirms nothing of are none of its business."""

    classifier: Classifier

    @classmethod
    def of(cls, model: VerifiedModel) -> ClassifierAdviser:
        """One that asks ``model``. Raises BadModel."""
        return cls(load_classifier(model))

    @property
    def confirms(self) -> Mapping[str, tuple[str, ...]]:
        """For each kind that it knows something of, the classes that confirm it."""
        return self.classifier.entry.confirms

    def ask(self, crop: Image, event: Event) -> Opinion:
        entry = self.classifier.entry
        named = entry.confirms.get(event.kind)
        if named is None:
            raise OpinionError(f"{entry.name} knows nothing of {event.kind}")
        shown = entry.input
        size, padding = (shown.height, shown.width), shown.padding
        canvas, _ = letterbox(crop, size, padding.value, padding.align == "centre")
        planes = (canvas[:, :, ::-1] if shown.colour == "rgb" else canvas).transpose(2, 0, 1)
        picture = (planes[None] * np.float32(shown.scale)).astype(np.float32)
        try:
            shares = self.classifier.run(picture)
        except BadModel as error:
            raise OpinionError(str(error)) from None
        if not np.isfinite(shares).all():
            raise OpinionError(f"{entry.name} returns what is no number")
        wanted = [entry.classes.index(name) for name in named]
        # classes of a sigmoid do not exclude each other
        share = float(shares[wanted].max() if entry.scores == "sigmoid" else shares[wanted].sum())
        best = int(np.argmax(shares))
        words = f"{entry.classes[best]} {shares[best]:.0%}, {' or '.join(named)} {share:.0%}"
        verdict: Verdict = (
            "confirmed" if share >= CONFIRMED else "doubted" if share < DOUBTED else "unsure"
        )
        return Opinion(verdict, words[:MAX_WORDS_CHARS], entry.name)
