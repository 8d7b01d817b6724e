"""`python -m pcl` is the command line."""

from pcl.cli import main

main()
