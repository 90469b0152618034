"""RTSP in: one process for each connection to a camera, and the worker's end of it."""
