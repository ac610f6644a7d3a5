"""What the work at hand is about: the ids on each line of the log, and spans of traces."""
