"""What is asked? The files that a person writes, checked; every error has file and line."""
