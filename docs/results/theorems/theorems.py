"""Write theorems.csv and README.md beside this file, from reports/theorems.csv."""

from __future__ import annotations

import csv
import textwrap
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
DRAWN = Path("reports/theorems.csv")
HEAD = """# Theorems 3.2 and 3.3 on a run's own answers

What PCL's paper proves of its query strategy, held against `pcl-paper` on `digits10-4`, personalized, in the demo.

**The statements.** L̂_q(f) is the loss in feature space with q pairs answered (Eq. 9 and 10), f̂_q the network that
minimises it, Q all pairs. Theorem 3.2: |L̂_q(f̂_q) − L̂_Q(f̂_Q)| does not grow with an answer. Theorem 3.3: with f
held fixed, one more answer about a pair changes the loss by |L̂_q(f) − L̂_q+1(f)| ∝ exp S_up of the pair where it
is a cannot-link, and ∝ S_up where it is a must-link. Both for q ≪ N.

**What is measured.** f is held fixed, as in Theorem 3.3 and in the step by which 3.2 is proved: that L̂_q(f) ≤
L̂_q+1(f) for every f, from which the minima follow. No f̂_q is trained for each q, so the statement of 3.2 itself
is not tested; where the step fails, its proof does. Two networks: after pretraining on 80 random answers, with
which the strategy begins, and after training. L̂ is the run's own loss (its `self_term`, `scale`, `weights`, τ =
1), the mean over its fixed batches, of two random views of every image with the network in evaluation; answered
pairs count, what follows from them does not.

- *Loss rises*: the share of the run's answers, taken in the order in which it asked, after which L̂ is not lower.
- *Gap closes*: the share after which |L̂_q − L̂_Q| is not larger, Q the answers of the run, not all pairs.
- *Change against S_up*: Pearson's r, over random pairs that could be asked when the strategy begins, of the change
  with exp S_up, and of must-links with S_up. ∝ would be 1. S_up is that of Eq. 6, within the pair's batch.
- *Change against s*: the same with exp s and s, the similarity itself. With these the proof ends, before it writes
  S_up in their place; but S_up is largest where s is near ε, not where s is.

Means over five seeds; `theorems.csv` has each. The figure is `snakemake --cores 2 reports/theorems.svg`, this page
`python docs/results/theorems/theorems.py`.

| network | answer | answers | loss rises | gap closes | pairs | their loss rises | change against S_up | against s |
|---|---|---:|---:|---:|---:|---:|---:|---:|
"""
MEANS = ("rises", "closes", "pairs", "pairs_rise", "r_s_up", "r_similarity")

Rows = list[dict[str, str]]


def measured(drawn: pd.DataFrame) -> pd.DataFrame:
    """A row for every network, seed and kind of answer."""
    found = []
    for (network, seed), own in drawn.groupby(["network", "seed"], sort=False):
        loss = own[own["what"] == "loss"]
        values, kinds = loss["value"].to_numpy(), loss["answer"].to_numpy()[1:]
        gap = np.abs(values - values[-1])
        for kind in ("different", "same"):
            pairs = own[(own["what"] == "change") & (own["answer"] == kind)]
            change, scale = pairs["value"].abs(), np.exp if kind == "different" else np.asarray
            found.append(
                {
                    "network": network,
                    "seed": seed,
                    "answer": kind,
                    "answers": int((kinds == kind).sum()),
                    "rises": (np.diff(values) >= 0)[kinds == kind].mean(),
                    "closes": (np.diff(gap) <= 0)[kinds == kind].mean(),
                    "pairs": len(pairs),
                    "pairs_rise": (pairs["value"] >= 0).mean(),
                    "r_s_up": np.corrcoef(change, scale(pairs["s_up"]))[0, 1],
                    "r_similarity": np.corrcoef(change, scale(pairs["similarity"]))[0, 1],
                }
            )
    return pd.DataFrame(found)


def page(rows: Rows) -> str:
    """README.md."""
    lines = []
    for network, kind in dict.fromkeys((row["network"], row["answer"]) for row in rows):
        own = [row for row in rows if (row["network"], row["answer"]) == (network, kind)]
        mean = {name: fmean(float(row[name]) for row in own) for name in ("answers", *MEANS)}
        words = (f"{mean[name]:.0f}" if name in ("answers", "pairs") else f"{mean[name]:.2f}" for name in mean)
        lines.append(f"| {network} | {kind} | {' | '.join(words)} |\n".replace("-", "−"))
    return HEAD + "".join(lines) + _said(rows)


def _said(rows: Rows) -> str:
    """What the table says of cannot-links, most of the answers."""

    def mean(network: str, kind: str, name: str) -> float:
        return fmean(float(row[name]) for row in rows if (row["network"], row["answer"]) == (network, kind))

    before, after = dict.fromkeys(row["network"] for row in rows)
    falls = " and ".join(f"{1 - mean(network, 'different', 'pairs_rise'):.0%}" for network in (before, after))
    share = mean(after, "different", "answers") / sum(mean(after, kind, "answers") for kind in ("different", "same"))
    ends = {
        name: " and ".join(f"{mean(network, 'different', name):.2f}" for network in (before, after))
        for name in ("r_s_up", "r_similarity")
    }
    text = (
        f"A cannot-link lowers the loss for {falls} of the pairs, {before} and {after}, and {share:.0%} of the "
        "answers are cannot-links. The proof holds μ constant; printed, it is what decides. A cannot-link adds "
        "2 exp(s/τ) to a sum of 2N terms and takes μ from 1 to N/(N + 2), so that the first one of a row raises the "
        "loss only where exp(s/τ) is above twice its mean over the row. The change follows s "
        f"(r = {ends['r_similarity']}), and S_up hardly (r = {ends['r_s_up']}): it is least where s is large."
    )
    return f"\n{textwrap.fill(text, 118)}\n".replace("= -", "= −").replace("and -", "and −")


def main() -> None:
    """From the CSV of the figure."""
    drawn = pd.read_csv(DRAWN, keep_default_na=False, na_values={"s_up": "", "similarity": ""})
    measured(drawn).to_csv(HERE / "theorems.csv", index=False, lineterminator="\n", float_format="%.4f")
    with (HERE / "theorems.csv").open(newline="") as file:
        (HERE / "README.md").write_text(page(list(csv.DictReader(file))))


if __name__ == "__main__":
    main()
