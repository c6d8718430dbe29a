"""The science of the suite: models, losses, methods, data, training and evaluation.

Importing this package imports no torch, so that configurations can be planned quickly.
"""
