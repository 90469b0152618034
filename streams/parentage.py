"""A process that does not outlive the one that started it, also where that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

POLL_S = 0.5
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int, signum: int = signal.SIGKILL) -> None:
    """Send ``signum`` to this process when its parent ``parent_pid`` is gone, or at once where it
    is gone already.

    On Linux the kernel does it, when the parent's thread that started this process ends: start
    such processes from a thread that stays. Elsewhere a thread looks every half second.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signum), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) is refused")
    else:  # pragma: no cover
        watch = threading.Thread(target=_watch, args=(parent_pid, signum), daemon=True)
        watch.start()
    # The parent may have ended before the wish was known.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signum)


def _watch(parent_pid: int, signum: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signum)
