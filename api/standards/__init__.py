"""Alerts in the shapes that other programs know: JSON Schema, CloudEvents, ONVIF's events."""
