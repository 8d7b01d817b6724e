"""CIFAR-100."""

from __future__ import annotations

from typing import final

from pcl.datasets import base
from pcl.datasets.readers import read_cifar

FOLDER = "cifar-100-python"
ARCHIVE = "cifar-100-python.tar.gz"


@final
class Dataset(base.Dataset):
    """CIFAR-100: 60,000 colour photographs of 32×32 in a hundred fine classes (50,000 train, 10,000 test).

    Get:      `pcl data cifar100`: cifar-100-python.tar.gz, 161 MiB, from https://www.cs.toronto.edu/~kriz/cifar.html
    Put:      the archive, or its folder cifar-100-python, into <raw>/cifar100 or <raw>
    Checks:   the archive's sha256 when downloaded; 500 train and 100 test images of every class
    Licence:  none stated by its authors; research use with citation is customary
    Source:   Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009
    """

    class_names = (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle",
        "bicycle", "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel",
        "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud",
        "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant",
        "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
        "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree",
        "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter",
        "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
        "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea",
        "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
        "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television",
        "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
        "willow_tree", "wolf", "woman", "worm",
    )  # fmt: skip
    channels = 3
    version = 1
    per_class = (500, 100)
    marks = (FOLDER, ARCHIVE)
    places = ("cifar100", ".")
    files = (
        base.OfficialFile(
            f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
    )

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits with fine labels, in the official order."""
        return read_cifar(self.locate(), FOLDER, ARCHIVE, {"train": ["train"], "test": ["test"]}, "fine_labels")
