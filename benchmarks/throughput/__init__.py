"""How fast the parts of the project are: the cases, the guard that compares two commits, scripts."""
