"""Data sets that are folders of picture files: what is in them, what it is called, and how it is split."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcl import layout
from pcl.datasets import base, fingerprint, store
from pcl.datasets.decoding import ENDINGS, LISTED, decode_all, listed
from pcl.datasets.splits import frozen_permutation, stratified_split
from pcl.errors import UserError
from pcl.progress import say


class Pictures(base.Dataset):
    """Picture files below one folder, in the order of their paths.

    The classes are those combinations of field values that some picture has; the content of every file is part of the
    data set's key. Where the files are gone, what was once prepared from them stands for them.
    """

    channels = 3
    share: float = 0.2
    """Of the pictures, in test; in every class, to within one picture."""

    class Settings(base.Dataset.Settings):
        """The side to which images of all shapes are brought."""

        size: int = Field(128, ge=8, description="pixels")

    settings: Settings

    @abstractmethod
    def values(self, file: str) -> dict[str, str]:
        """Field -> value of a picture, given its path below the folder; empty: nothing is known of it.

        Raises:
            ValueError: the path does not tell what it should.
        """

    @abstractmethod
    def class_name(self, values: dict[str, str]) -> str:
        """What the pictures with these values are called."""

    def within(self) -> tuple[str, ...]:
        """The only sub-folders that count; empty: all of them."""
        return ()

    def divide(self, files: list[str], labels: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Split -> places of its pictures in `files`, ascending; by default a fixed share at random."""
        n_test = min(max(round(self.share * len(files)), 1), len(files) - 1)
        # In an order of their own: classes in the order of names would be met by equal distances in step.
        shuffled = frozen_permutation(int(labels.max()) + 1)[labels]
        train, test = stratified_split(shuffled, n_test)
        return {"train": train, "test": test}

    @cached_property
    def _files(self) -> list[fingerprint.Found]:
        """Pictures and other files; none where the folder is missing."""
        place = self.place()
        return [] if place is None else fingerprint.find(place, self.within())

    @cached_property
    def found(self) -> list[fingerprint.Found]:
        """The pictures, as their endings say."""
        return [file for file in self._files if file.path.lower().endswith(ENDINGS)]

    @property
    def left_out(self) -> str:
        """The other files in words; empty where there are none."""
        others = [file.path for file in self._files if not file.path.lower().endswith(ENDINGS)]
        more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        return f"left out, for no ending of a picture: {', '.join(others[:LISTED])}{more}" if others else ""

    @cached_property
    def _values(self) -> list[dict[str, str]]:
        """Of every picture, in their order."""
        values: list[dict[str, str]] = []
        wrong: list[str] = []
        for file in self.found:
            try:
                values.append(self.values(file.path))
            except ValueError as error:
                wrong.append(f"{file.path}: {error}")
        if wrong:
            head = (
                f"datasets.{self.name}: {len(wrong)} of {len(self.found)} pictures in {self.place()} tell no class:"
            )
            raise UserError(listed(head, wrong) + "\nRename or move them, or change `classes`.")
        return values

    @cached_property
    def _classes(self) -> dict[str, dict[str, str]]:
        """Class -> field -> value, in the order of names."""
        known = {self.class_name(values): values for values in self._values if values}
        return dict(sorted(known.items()))

    @cached_property
    def _kept(self) -> store.Manifest | None:
        """What was prepared while the pictures were here: it stands for them, unless it is one of several."""
        found = []
        for folder in layout.DATA.found():
            with suppress(UserError):
                found += [store.read_manifest(folder)] if folder.parent.name == self.name else []
        wanted = (self.reader(), self.version, self.settings.model_dump(mode="json"))
        mine = [manifest for manifest in found if (manifest.reader, manifest.version, manifest.settings) == wanted]
        return mine[0] if len(mine) == 1 else None

    def classes(self) -> tuple[str, ...]:
        """The names that some picture has."""
        if not self.found:
            return self._kept.classes if self._kept else ()
        return tuple(self._classes)

    def fields(self) -> dict[str, tuple[str, ...]] | None:
        """Field -> its value for every class."""
        if not self.found:
            return self._kept.fields if self._kept else None
        names = next(iter(self._classes.values()), {})
        return {name: tuple(values[name] for values in self._classes.values()) for name in names}

    def fingerprint(self) -> str:
        """A digest of all paths and contents."""
        place = self.place()
        if place is None or not self.found:
            return self._kept.fingerprint if self._kept else fingerprint.ABSENT
        return fingerprint.fingerprint(self.name, place, self.found)

    def state(self) -> str | None:
        """How many pictures there are, and where."""
        counted = f"{len(self.found):,} pictures in {self.place()}"
        return "; ".join(filter(None, (counted, self.left_out))) if self.found else None

    @cached_property
    def _labels(self) -> NDArray[np.int64] | None:
        """Of every picture; None where nobody knows them."""
        label_of = {name: label for label, name in enumerate(self.classes())}
        known = [label_of[self.class_name(values)] for values in self._values if values]
        return np.array(known, np.int64) if known else None

    @cached_property
    def _splits(self) -> dict[str, NDArray[np.int64]]:
        """Split -> places of its pictures."""
        files = [file.path for file in self.found]
        if len(files) < 2:
            place = self.place()
            raise UserError(f"{place}: {len(files)} pictures; at least one to train and one to test on are needed")
        return self.divide(files, np.zeros(len(files), np.int64) if self._labels is None else self._labels)

    def training_images(self) -> int | None:
        """Those that the split leaves for training."""
        if self.found:
            return len(self._splits["train"])
        return self._kept.n["train"] if self._kept else None

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits, each in the order of paths."""
        place, labels = self.locate(), self._labels
        if self.left_out:
            say(f"{self.name}: {self.left_out}")
        members = {split: [self.found[at].path for at in where] for split, where in self._splits.items()}
        images = decode_all(place, members, self.settings.size, self.channels, progress)
        return {
            split: base.Split(images[split], None if labels is None else labels[where], np.array(members[split]))
            for split, where in self._splits.items()
        }


class Synsets(Pictures):
    """A choice of ImageNet's folders, named by synset; one is one class."""

    marks: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        """Any of the folders tells that a place is the right one."""
        cls.class_names, cls.marks = tuple(cls.folders.values()), tuple(cls.folders)

    def within(self) -> tuple[str, ...]:
        """The chosen folders; a whole ILSVRC tree holds a thousand."""
        return tuple(self.folders)

    def values(self, file: str) -> dict[str, str]:
        """The class's name."""
        return {"class": self.folders[Path(file).parts[0]]}

    def class_name(self, values: dict[str, str]) -> str:
        """The same."""
        return values["class"]

    def classes(self) -> tuple[str, ...]:
        """All of them, pictures or not, in the order of synsets."""
        return self.class_names

    def fields(self) -> dict[str, tuple[str, ...]]:
        """A class is but a name."""
        return {"class": self.class_names}

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits, each in the order of synset and file name."""
        place = self.locate()
        filled = {Path(file.path).parts[0] for file in self.found}
        absent = [f"{synset} ({name})" for synset, name in self.folders.items() if synset not in filled]
        if absent:
            raise UserError(
                f"{place}: no images for {len(absent)} of {len(self.folders)} classes: {', '.join(absent)}; "
                "copy their folders there"
            )
        return super().read(progress)
