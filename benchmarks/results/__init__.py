"""What came out? Records, verdicts, claims, and the paper against itself."""
