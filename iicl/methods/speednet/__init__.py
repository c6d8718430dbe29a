"""SpeedNet: is a video played at its own speed or faster?"""
