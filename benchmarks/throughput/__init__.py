"""How fast the parts of the project are: cases, a guard that compares two commits, scripts."""
