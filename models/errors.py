"""The error tree of the zoo. Every message is one line that names the thing and the next step.

ModelError
├── ManifestError    a manifest or sidecar is wrong (file, field)
├── UnknownModel     no such name, or a file that no manifest entry and no sidecar describes
├── MissingWeights   a known model whose weights are not on this machine yet
├── WrongHash        the bytes are not those that the manifest or sidecar states
├── BadModel         the ONNX file does not load, or does not fit its stated input or layout
├── BuildError       weights could not be rebuilt from their published source
├── ExportError      ultralytics' weights could not be exported
├── LossyModel       a quantised model finds less than the one it was made from
└── PullError        weights could not be fetched
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of every error of this package; a person can act on each."""


class ManifestError(ModelError):
    """A manifest or a sidecar is wrong; the message names the file and the field."""


class UnknownModel(ModelError):  # noqa: N818  the name says it
    """No model of that name, or a file that nothing describes."""


class MissingWeights(ModelError):  # noqa: N818
    """The weights of a known model are not on this machine."""


class WrongHash(ModelError):  # noqa: N818
    """The bytes differ from the stated sha256 or size."""


class BadModel(ModelError):  # noqa: N818
    """The ONNX file does not load, or does not fit its stated input, layout or classes."""


class BuildError(ModelError):
    """Weights could not be rebuilt from their published source."""


class ExportError(ModelError):
    """Weights of ultralytics could not be made an ONNX file."""


class PullError(ModelError):
    """Weights could not be fetched from their address."""


class LossyModel(ModelError):  # noqa: N818
    """A quantised model finds less than the one that it was made from."""
