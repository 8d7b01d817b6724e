"""Kinds of figures, one file each: a kind in params.yaml is the name of its file."""
