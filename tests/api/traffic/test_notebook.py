"""The notebook of the documentation reads what is exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from api.traffic.parquet import parquet
from tests.api.traffic.made import GATE, morning, report, two_lanes
from tests.needs import REPO

NOTEBOOK = REPO / "docs" / "traffic-day.ipynb"


def test_the_notebook_plots_a_day(tmp_path: Path) -> None:
    found = report(morning(), two_lanes())
    (tmp_path / "traffic-day.parquet").write_bytes(parquet(found))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.api.traffic.notebook", str(NOTEBOOK)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *method, counted, last = ran.stdout.splitlines()
    said = json.loads(last)
    whole = found.summaries[0]
    assert (whole.line, whole.peak is None) == (GATE, False)
    assert (said["total"], said["gaps"], said["partly"]) == (whole.vehicles, whole.gaps, 1)
    assert said["hatched"] == whole.gaps
    assert said["peak"]["vehicles"] == 4 * 141
    assert counted.startswith(f"{GATE}: {whole.vehicles} motor vehicles; 5 bins not observed")
    assert any("PKJI 2023" in line for line in method)
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_what_the_notebook_shows_is_of_its_own_cells() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    kinds = [output["output_type"] for cell in cells for output in cell.get("outputs", ())]
    assert "error" not in kinds
    assert any("image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", ()))
