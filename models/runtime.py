"""onnxruntime, imported when the first model needs it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

CPU = "CPUExecutionProvider"
REASON_MAX_CHARS = 200
_ERRORS_ONLY = 3


@cache
def runtime() -> Any:
    """onnxruntime, imported when the first session loads: since 1.29 it reports what it runs to
    its makers, and writes a device id into the user's cache, unless told not to before that."""
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


@cache
def runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; its exceptions have no base of their own."""
    own = vars(runtime().capi.onnxruntime_pybind11_state).values()
    classes = (value for value in own if isinstance(value, type) and issubclass(value, Exception))
    return (*classes, RuntimeError, ValueError)


def session_options(threads: int) -> Any:
    """Options of a session of ``threads`` that sleep while they wait."""
    options = runtime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = runtime().ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = runtime().GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # many cameras share the cores: a waiting thread must sleep
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # weights outside the verified bytes are refused: no file lies below the null device
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    return options


def reason(error: Exception) -> str:
    """onnxruntime's words on one line, without its codes."""
    text = " ".join(str(error).split()).rpartition("[ONNXRuntimeError] : ")[2]
    return text.split(" : ", 2)[-1][:REASON_MAX_CHARS]
