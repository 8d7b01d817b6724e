# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The same pictures, sorted three ways
#
# Pictures can be sorted in more than one way: playing cards by suit, by colour, or into court cards and others.
# Nothing in the pictures says which is meant; a few "same group?" answers do. Here their file names answer in a
# person's place.
#
# `CARDS` names a folder of cards, with names like `deck__suit__rank.png`. Where there is none, the shapes that come
# with `pcl label --demo` are sorted instead: by colour, by shape, or by whether they are filled.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from pcl.estimator import PersonalizedClustering
from pcl.label import demo, features

COURT, RED = ("jack", "queen", "king"), ("heart", "diamond")

if "CARDS" in os.environ:
    files = sorted({file.read_bytes(): file for file in sorted(Path(os.environ["CARDS"]).glob("*.png"))}.values())
    words = np.array([file.stem.split("__") for file in files])
    ways = {
        "suit": (words[:, 1], 400),
        "colour": (np.isin(words[:, 1], RED), 200),
        "court": (np.isin(words[:, 2], COURT), 100),
    }
else:
    files = sorted(demo.write(Path("shapes")).glob("*.png"))
    words = np.array([file.stem.split("-") for file in files])  # colour, shape, filling, size, number
    ways = {"colour": (words[:, 0], 150), "shape": (words[:, 1], 60), "filling": (words[:, 2], 40)}
rows, *_ = features.of_files(files, "efficientnet")
rows.shape

# %% [markdown]
# `PersonalizedClustering` takes features and someone to ask. It chooses what it asks, and stops when the budget is
# spent. Nobody tells it how many groups there are.


# %%
def sorted_by(wanted: np.ndarray, answers: int) -> PersonalizedClustering:
    def oracle(i: int, j: int) -> bool:
        return bool(wanted[i] == wanted[j])

    return PersonalizedClustering(budget=answers).fit(rows, oracle=oracle)


# %%
def right(labels: np.ndarray, wanted: np.ndarray) -> float:
    """The share of pictures that are of the commonest kind of their group."""
    groups = [wanted[labels == group] for group in np.unique(labels)]
    return sum(np.unique(group, return_counts=True)[1].max() for group in groups) / len(labels)


def show(labels: np.ndarray, title: str, each: int = 12) -> None:
    """A row of pictures for each group, drawn at random."""
    groups = np.unique(labels)
    figure, axes = plt.subplots(len(groups), each, figsize=(each * 0.7, len(groups) * 0.95), dpi=60, squeeze=False)
    draws = np.random.default_rng(0)
    for row, group in zip(axes, groups, strict=True):
        members = draws.permutation(np.flatnonzero(labels == group))
        for axis, image in zip(row, members, strict=False):
            axis.imshow(Image.open(files[image]).convert("RGB"))
        for axis in row:
            axis.axis("off")
    figure.suptitle(title)
    plt.show()


# %%
for name, (wanted, answers) in ways.items():
    model = sorted_by(wanted, answers)
    found, share = model.n_clusters_, right(model.labels_, wanted)
    show(model.labels_, f"by {name}, {model.asked_} answers: {share:.0%} right in {found} groups")

# %% [markdown]
# Whoever wants to answer one by one asks for questions, and answers them:

# %%
model, wanted = PersonalizedClustering().fit(rows), ways["colour"][0]
for _ in range(20):
    (i, j), *_ = model.next_questions()
    model.answer(i, j, bool(wanted[i] == wanted[j]))
model.n_clusters_, model.predict(rows[:5])
