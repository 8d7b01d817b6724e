"""ImageNet-10, as the PCL paper composes it."""

from __future__ import annotations

from typing import ClassVar, final

from pcl.datasets import pictures


@final
class Dataset(pictures.Synsets):
    """ImageNet-10: ten classes of ILSVRC-2012's training images, about 13,000 (80 % train, 20 % test).

    Get:      no command can download it: ask https://image-net.org for access, then copy the ten folders
              below (about 1.4 GB) from ILSVRC2012_img_train
    Put:      the ten folders into <raw>/imagenet10, or a whole ILSVRC tree at <raw>/imagenet/train
    Checks:   no folder is empty, every image can be read; the manifest reports the images of every class
    Licence:  research and education only, under ImageNet's terms of access; the images may not be passed on
    Source:   Deng et al., ImageNet, CVPR 2009; the choice of classes: Geng et al., PCL, AAAI-25,
              Tables 8 and 9, whose "check" is n02814533, a beach wagon; the paper counts 12,818 images
    """

    folders: ClassVar = {
        "n01847000": "drake",
        "n02115913": "dhole",
        "n02129165": "lion",
        "n02396427": "boar",
        "n02398521": "hippo",
        "n02814533": "beach wagon",
        "n02951358": "canoe",
        "n03673027": "liner",
        "n03947888": "pirate",
        "n04461696": "truck",
    }
    version = 2
    places = ("imagenet10", "imagenet/train", ".")
