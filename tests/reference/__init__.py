"""Seeded fits whose numbers are stored: what no rearrangement of the code may change."""
