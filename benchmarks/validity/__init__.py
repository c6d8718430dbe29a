"""Do the suite's own intervals cover what they are said to cover?"""
