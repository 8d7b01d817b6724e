"""The program: `python -m pcl`, and `pcl` where it is installed."""

import atexit
import gc

from pcl import numerics
from pcl.warm import asking


def program() -> None:
    """The command line, in a process that does nothing else.

    Importing torch and scikit-learn makes objects by the hundred thousand that live until the end. Python looks for
    garbage among them all the while, and once more before it exits: almost half of what starting a run costs.
    """
    asking.elsewhere()
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    numerics.hold()
    from pcl.cli import main  # after the numerics: it imports libraries that read them

    main()


if __name__ == "__main__":
    program()
