"""Space-time cubic puzzles: in which order are four pieces of a video shown?"""
