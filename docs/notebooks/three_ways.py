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
# Three hundred drawn shapes can be sorted by their colour, by their shape, or by whether they are filled. Nothing in
# the pictures says which is meant; a few "same group?" answers do. Here their file names answer in a person's place.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from pcl.estimator import PersonalizedClustering
from pcl.label import demo, features

files = sorted(demo.write(Path("shapes")).glob("*.png"))
words = np.array([file.stem.split("-") for file in files])  # colour, shape, filling, size, number
rows = features.of_files(files, "efficientnet")
rows.shape

# %% [markdown]
# `PersonalizedClustering` takes features and someone to ask. It chooses what it asks, and stops when the budget is
# spent. Nobody tells it how many groups there are.


# %%
def sorted_by(column: int, answers: int) -> PersonalizedClustering:
    def oracle(i: int, j: int) -> bool:
        return bool(words[i, column] == words[j, column])

    return PersonalizedClustering(budget=answers).fit(rows, oracle=oracle)


# %%
def right(labels: np.ndarray, column: int) -> float:
    """The share of pictures that are of the commonest kind of their group."""
    groups = [words[labels == group, column] for group in np.unique(labels)]
    return sum(np.unique(group, return_counts=True)[1].max() for group in groups) / len(labels)


def show(labels: np.ndarray, title: str, each: int = 10) -> None:
    """A row of pictures for each group."""
    groups = np.unique(labels)
    figure, axes = plt.subplots(len(groups), each, figsize=(each * 0.7, len(groups) * 0.75), squeeze=False)
    for row, group in zip(axes, groups, strict=True):
        members = np.flatnonzero(labels == group)
        for axis, image in zip(row, members[:: max(1, len(members) // each)], strict=False):
            axis.imshow(Image.open(files[image]))
        for axis in row:
            axis.axis("off")
    figure.suptitle(title)
    plt.show()


# %%
for title, column, answers in (("colour", 0, 60), ("shape", 1, 60), ("filling", 2, 40)):
    model = sorted_by(column, answers)
    said = (
        f"by {title}, {model.asked_} answers: {right(model.labels_, column):.0%} right in {model.n_clusters_} groups"
    )
    show(model.labels_, said)

# %% [markdown]
# Whoever wants to answer one by one asks for questions, and answers them:

# %%
model = PersonalizedClustering().fit(rows)
for _ in range(20):
    (i, j), *_ = model.next_questions()
    model.answer(i, j, bool(words[i, 0] == words[j, 0]))
model.n_clusters_, model.predict(rows[:5])
