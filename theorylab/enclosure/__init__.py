"""Rigorous bounds of single trajectories: balls find them, the checker's rule "enclosure" replays them."""
