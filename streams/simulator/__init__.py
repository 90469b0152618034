"""RTSP out: clips played as cameras, with the faults of real ones (``docs/simulator.md``)."""

from streams.simulator.camera import Fault, FaultKind
from streams.simulator.recording import Recording, load_recording
from streams.simulator.simulator import Seen, Simulator
from streams.simulator.wire import Login

__all__ = ["Fault", "FaultKind", "Login", "Recording", "Seen", "Simulator", "load_recording"]
