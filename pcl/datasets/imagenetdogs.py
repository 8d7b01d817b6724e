"""ImageNet-Dogs."""

from __future__ import annotations

from typing import ClassVar, final

from pcl.datasets import pictures


@final
class Dataset(pictures.Synsets):
    """ImageNet-Dogs: fifteen breeds of ILSVRC-2012's training images, about 19,500 (80 % train, 20 % test).

    Get:      no command can download it: ask https://image-net.org for access, then copy the fifteen folders
              below (about 2.2 GB) from ILSVRC2012_img_train
    Put:      the fifteen folders into <raw>/imagenetdogs, or a whole ILSVRC tree at <raw>/imagenet/train
    Checks:   no folder is empty, every image can be read; the manifest reports the images of every class
    Licence:  research and education only, under ImageNet's terms of access; the images may not be passed on
    Source:   Deng et al., ImageNet, CVPR 2009; the choice of classes: Chang et al., Deep Adaptive
              Image Clustering, ICCV 2017
    """

    folders: ClassVar = {
        "n02085936": "Maltese",
        "n02086646": "Blenheim spaniel",
        "n02088238": "basset",
        "n02091467": "Norwegian elkhound",
        "n02097130": "giant schnauzer",
        "n02099601": "golden retriever",
        "n02101388": "Brittany spaniel",
        "n02101556": "clumber",
        "n02102177": "Welsh springer spaniel",
        "n02105056": "groenendael",
        "n02105412": "kelpie",
        "n02105855": "Shetland sheepdog",
        "n02107142": "Doberman",
        "n02110958": "pug",
        "n02112137": "chow",
    }
    version = 2
    places = ("imagenetdogs", "imagenet/train", ".")
