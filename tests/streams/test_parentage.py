"""A child that does not outlive its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.streams.simulator.clients import GUARD_S

CHILD = """
    import os, sys, time
    from streams.parentage import die_with_parent
    die_with_parent(int(sys.argv[1]), int(sys.argv[2]))
    print("ready", flush=True)
    time.sleep(600)
"""
PARENT = """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]])
    time.sleep(600)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_a_killed_parent(signum: int) -> None:
    code = textwrap.dedent(CHILD)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), code, str(int(signum))],
        stdout=subprocess.PIPE,
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
        finally:
            parent.kill()
        # The child holds the other end of this pipe until it is gone.
        assert parent.communicate(timeout=GUARD_S)[0] == b""


def test_one_whose_parent_is_gone_already_dies_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), "1", str(int(signal.SIGKILL))],
        capture_output=True,
        timeout=GUARD_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
