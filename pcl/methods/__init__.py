"""Clustering methods, one file each; the file's name is the method's name in params.yaml.

A method file holds its settings, its stages and how network and losses are put together; the tensors are in
`pcl.networks` and `pcl.losses`. It imports without torch, so that Snakemake reads the settings quickly.
"""
