"""From camera to Redis: sources of frames, scene files, the loop that drives the pipeline."""
