"""AVTS: audio-visual temporal synchronisation (Korbar et al., 2018)."""
