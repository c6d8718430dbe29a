"""VCOP: in which order are three clips of a video shown?"""
