"""Generated C: formulas of several trajectories at once, and whole adaptive solves."""
