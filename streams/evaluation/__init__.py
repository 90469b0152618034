"""How good the system is: its tracks and counts against what people labelled, and against peers."""
