"""A report as a PDF on A4, to be printed and signed. Texts are drawn as they are and never read as
markup; a letter that the font lacks is drawn as an empty box, and the last page says so."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Spacer,
    Table,
    TableStyle,
)

from api.handover.values import SIGNED, SIGNED_WITH, Cell, Report, Section
from api.i18n import LANGUAGES, N_, Texts, texts
from vision.types import Severity

PLAIN: Final = "Vera"
BOLD: Final = "VeraBd"
MARGIN: Final = 15 * mm
FOOT: Final = 9 * mm
WIDTH: Final = A4[0] - 2 * MARGIN
PADDING: Final = 1.2 * mm
LEADING: Final = 1.3
"""Of a line, beside the size of its letters."""
TEXT: Final = 8.0
SMALL: Final = 7.0
SHAPE: Final = 2.4 * mm
ROOM: Final = 40 * mm
"""Where less of a page is left, no table begins."""
REMARKS: Final = 4
"""So many empty lines."""
UNKNOWN: Final = "\ufffd"
"""Is drawn as an empty box, which is what fonts have for what they lack."""
INK: Final = HexColor("#14202c")
SOFT: Final = HexColor("#4d6072")
LINE: Final = HexColor("#71859a")
EDGE: Final = HexColor("#d3dce5")
COLOURS: Final[dict[Severity, Color]] = {
    "critical": HexColor("#b3003b"),
    "high": HexColor("#c62828"),
    "medium": HexColor("#92560a"),
    "low": HexColor("#0369a1"),
}
LACKING: Final = N_(
    "An empty box stands for a letter that this sheet cannot write: the page on the screen has it."
)


def draw(report: Report) -> bytes:
    """The report as a PDF."""
    fonts = _Fonts()
    _ = texts(report.language)
    into = io.BytesIO()
    document = BaseDocTemplate(
        into, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN,
        bottomMargin=MARGIN + FOOT, title=report.title, author="Matakota", lang=report.language,
    )  # fmt: skip
    frame = Frame(MARGIN, MARGIN + FOOT, WIDTH, A4[1] - 2 * MARGIN - FOOT, 0, 0, 0, 0, id="all")
    document.addPageTemplates(PageTemplate("all", [frame]))
    story = _story(report, fonts, _)
    document.build(story, canvasmaker=partial(_Numbered, report, fonts, _))
    return into.getvalue()


def _story(report: Report, fonts: _Fonts, _: Texts) -> list[Flowable]:
    story: list[Flowable] = [_Text(fonts, report.title, BOLD, 15), Spacer(1, 2 * mm)]
    facts = [
        [_Text(fonts, name, PLAIN, TEXT, SOFT), _Text(fonts, value, PLAIN, TEXT)]
        for name, value in report.facts
    ]
    story.append(_table(facts, [WIDTH * 0.2, WIDTH * 0.8], [("TOPPADDING", (0, 0), (-1, -1), 0)]))
    for section in report.sections:
        story += _section(section, fonts)
    story.append(KeepTogether(_signing(fonts, _)))
    if fonts.lacked:
        story += [Spacer(1, 4 * mm), _Text(fonts, _(LACKING), PLAIN, SMALL, SOFT)]
    return story


def _section(section: Section, fonts: _Fonts) -> list[Flowable]:
    heading: list[Flowable] = [
        Spacer(1, 6 * mm),
        _Text(fonts, section.title, BOLD, 10.5),
        Spacer(1, 1.5 * mm),
        *(_Text(fonts, said, PLAIN, TEXT) for said in section.before),
    ]
    if not section.rows:
        said = [_Text(fonts, section.empty, PLAIN, TEXT, SOFT)] if section.empty else []
        return [KeepTogether([*heading, *said])]
    rows: list[list[Flowable]] = [
        [
            _Text(fonts, column.name, PLAIN, SMALL, SOFT, right=column.number)
            for column in section.columns
        ]
    ]
    for row in section.rows:
        rows.append(
            [
                _Entry(fonts, cell, right=column.number)
                for cell, column in zip(row, section.columns, strict=True)
            ]
        )
    whole = sum(column.share for column in section.columns)
    widths = [WIDTH * column.share / whole for column in section.columns]
    lines: list[tuple[Any, ...]] = [
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, LINE),
        ("LINEBELOW", (0, 1), (-1, -1), 0.4, EDGE),
    ]
    # a heading stays with the first rows of its table
    found = [CondPageBreak(ROOM), *heading, _table(rows, widths, lines, repeat=True)]
    if section.after:
        found += [Spacer(1, 1.5 * mm), _Text(fonts, section.after, PLAIN, TEXT, SOFT)]
    return found


def _signing(fonts: _Fonts, _: Texts) -> list[Flowable]:
    """Room for what is written by hand."""
    remarks = [[_Text(fonts, _(N_("Remarks")), BOLD, 10.5)], *([""] for _n in range(REMARKS))]
    ruled = ("LINEBELOW", (0, 1), (-1, -1), 0.4, LINE)
    heights = [None, *[8 * mm] * REMARKS]
    sheet = Table(remarks, [WIDTH], heights)  # type: ignore[arg-type]
    sheet.setStyle(TableStyle([ruled, *_BARE]))
    half = (WIDTH - 10 * mm) / 2
    names = [_Text(fonts, _(name), BOLD, TEXT) for name in SIGNED]
    rows: list[list[Flowable | str]] = [[names[0], "", "", names[1], ""]]
    for word in SIGNED_WITH:
        said = [_Text(fonts, _(word), PLAIN, TEXT, SOFT) for _n in SIGNED]
        rows.append([said[0], "", "", said[1], ""])
    signed = Table(
        rows,
        [half * 0.3, half * 0.7, 10 * mm, half * 0.3, half * 0.7],
        [None, 9 * mm, 9 * mm, 14 * mm],
    )
    below = [("LINEBELOW", (at, 1), (at, -1), 0.4, LINE) for at in (1, 4)]
    low = ("VALIGN", (0, 1), (-1, -1), "BOTTOM")
    spans = [("SPAN", (at, 0), (at + 1, 0)) for at in (0, 3)]
    signed.setStyle(TableStyle([*_BARE, *below, low, *spans]))
    return [Spacer(1, 8 * mm), sheet, Spacer(1, 6 * mm), signed]


_BARE: Final[list[tuple[Any, ...]]] = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
    ("TOPPADDING", (0, 0), (-1, -1), PADDING),
    ("BOTTOMPADDING", (0, 0), (-1, -1), PADDING),
]


def _table(
    rows: Sequence[Sequence[Flowable]],
    widths: Sequence[float],
    more: Sequence[tuple[Any, ...]],
    *,
    repeat: bool = False,
) -> Table:
    made = Table([list(row) for row in rows], widths, repeatRows=1 if repeat else 0)
    made.setStyle(TableStyle([*_BARE, *more]))
    return made


class _Fonts:
    """The letters of one sheet, and whether some that it was given are none of them."""

    def __init__(self) -> None:
        self.lacked = False
        self._known: set[int] = set()
        for name in (PLAIN, BOLD):
            font = TTFont(name, f"{name}.ttf")
            pdfmetrics.registerFont(font)
            has = set(font.face.charToGlyph)
            self._known = self._known & has if self._known else has
        self._widths = {name: _Widths(name) for name in (PLAIN, BOLD)}

    def drawn(self, text: str) -> str:
        """The text in letters that there are."""
        found = "".join(
            each if ord(each) in self._known and each.isprintable() else UNKNOWN for each in text
        )
        self.lacked = self.lacked or UNKNOWN in found
        return found

    def lines(self, text: str, font: str, size: float, width: float) -> list[str]:
        """A drawn text in lines that are no wider; a word that is goes on in the next one."""
        widths, room = self._widths[font], width / size
        found, line, used = list[str](), "", 0.0
        for word in text.split(" "):
            wide = sum(map(widths.__getitem__, word))
            longer = used + widths[" "] + wide
            if line and longer <= room:
                line, used = f"{line} {word}", longer
                continue
            if line:
                found.append(line)
            line, used = word, wide
            if wide > room:
                *pieces, line = self._pieces(word, widths, room)
                found += pieces
                used = sum(map(widths.__getitem__, line))
        return [*found, line]

    def width(self, text: str, font: str, size: float) -> float:
        return sum(map(self._widths[font].__getitem__, text)) * size

    def _pieces(self, word: str, widths: _Widths, room: float) -> list[str]:
        """A word in parts that fit; of one letter at least."""
        found, begin, used = list[str](), 0, 0.0
        for n, letter in enumerate(word):
            if n > begin and used + widths[letter] > room:
                found.append(word[begin:n])
                begin, used = n, 0.0
            used += widths[letter]
        return [*found, word[begin:]]


class _Widths(dict[str, float]):
    """How wide each letter of a font is, beside the size of its letters."""

    def __init__(self, font: str) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, letter: str) -> float:
        self[letter] = found = float(pdfmetrics.stringWidth(letter, self._font, 1))
        return found


class _Text(Flowable):
    """A text of one kind, as wide as there is room."""

    def __init__(
        self,
        fonts: _Fonts,
        text: str,
        font: str,
        size: float,
        colour: Color = INK,
        *,
        right: bool = False,
    ) -> None:
        super().__init__()
        self._fonts = fonts
        self._text = fonts.drawn(text)
        self._font = font
        self._size = size
        self._colour = colour
        self._right = right
        self._lines: list[str] = []

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: ARG002, N803
        # tables ask for the same width again and again
        if not self._lines or self.width != aW:
            self.width = aW
            self._lines = self._fonts.lines(self._text, self._font, self._size, aW)
        self.height = len(self._lines) * self._size * LEADING
        return self.width, self.height

    def draw(self) -> None:
        at = self.height - self._size
        self.canv.setFont(self._font, self._size)
        self.canv.setFillColor(self._colour)
        for line in self._lines:
            if self._right:
                self.canv.drawRightString(self.width, at, line)
            else:
                self.canv.drawString(0, at, line)
            at -= self._size * LEADING


class _Entry(Flowable):
    """What stands in a cell of a table."""

    def __init__(self, fonts: _Fonts, cell: Cell, *, right: bool) -> None:
        super().__init__()
        self._severity = cell.severity
        self._indent = 0.0 if cell.severity is None else SHAPE + 1.2 * mm
        self._parts = [_Text(fonts, cell.text, PLAIN, TEXT, right=right)]
        if cell.more:
            self._parts.append(_Text(fonts, cell.more, PLAIN, SMALL, SOFT, right=right))

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: N803
        self.width = aW
        self.height = sum(part.wrap(aW - self._indent, aH)[1] for part in self._parts)
        return self.width, self.height

    def draw(self) -> None:
        if self._severity is not None:
            _shape(self.canv, self._severity, self.height - TEXT * 0.95)
        at = self.height
        for part in self._parts:
            at -= part.height
            part.drawOn(self.canv, self._indent, at)


def _shape(canvas: Canvas, severity: Severity, y: float) -> None:
    """A severity's shape, as the operations room draws it, for printers without colour too."""
    canvas.setFillColor(COLOURS[severity])
    path, half = canvas.beginPath(), SHAPE / 2
    match severity:
        case "critical":
            path.rect(0, y, SHAPE, SHAPE)
        case "high":
            _through(path, [(0, y), (SHAPE, y), (half, y + SHAPE)])
        case "medium":
            _through(path, [(half, y), (SHAPE, y + half), (half, y + SHAPE), (0, y + half)])
        case "low":
            path.circle(half, y + half, half * 0.9)
    canvas.drawPath(path, stroke=0, fill=1)


def _through(path: Any, points: Sequence[tuple[float, float]]) -> None:
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()


class _Numbered(Canvas):
    """Writes below each page which it is of how many, which is known at the end."""

    def __init__(self, report: Report, fonts: _Fonts, _: Texts, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._report = report
        self._fonts = fonts
        self._ = _
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802
        self._pages.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]

    def save(self) -> None:
        pages = self._pages
        for number, page in enumerate(pages, 1):
            self.__dict__.update(page)
            self._foot(number, len(pages))
            super().showPage()
        super().save()

    def _foot(self, number: int, of: int) -> None:
        _ = self._
        self.setFont(PLAIN, SMALL)
        self.setFillColor(SOFT)
        self.setStrokeColor(EDGE)
        self.line(MARGIN, MARGIN + FOOT - 3 * mm, A4[0] - MARGIN, MARGIN + FOOT - 3 * mm)
        y = MARGIN
        page = self._fonts.drawn(_("Page %(n)d of %(all)d") % {"n": number, "all": of})
        self.drawRightString(A4[0] - MARGIN, y, page)
        language = LANGUAGES[_.language]
        said = " · ".join([self._report.title, self._report.made, language])
        room = WIDTH - self._fonts.width(page, PLAIN, SMALL) - 5 * mm
        first = self._fonts.lines(self._fonts.drawn(said), PLAIN, SMALL, room)[0]
        self.drawString(MARGIN, y, first)
