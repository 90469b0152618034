"""The pure core: detections, tracks, counts, rules.

Arrays and frozen values in, values out; no input, no output.
"""
