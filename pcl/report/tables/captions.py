"""What a reader of a table must know."""

from __future__ import annotations

from pcl.intervals import ENOUGH
from pcl.report.tables.described import EXPLAINED
from pcl.report.tables.filled import FilledTable, price
from pcl.report.words import NEEDS_CLUSTERS, image_counts, numbers


def caption(table: FilledTable) -> list[str]:
    """The sentences below a table, after its title."""
    sentences = [_spread(table), *(_differences(table) if table.item.differences else [_lead()])]
    if "f" in table.item.metrics:
        sentences.append("F is the Fowlkes–Mallows index.")
    if table.asks:
        sentences.append(
            "Questions: pairs asked + pairs that the answers imply / images whose neighbourhood they tell, mean over "
            "seeds."
        )
        sentences.append("Closure: whether implied pairs are trained on.")
    if table.described:
        sentences.append(EXPLAINED)
    if table.open:
        sentences.append(
            f"Nobody says how many clusters there are. K found: clusters that have an image, mean over seeds; "
            f"{NEEDS_CLUSTERS}: an arm that must be told."
        )
    if table.item.wanted is not None:
        sentences.append(_prices(table))
    sentences += [*_chance(table), *table.notes]
    if table.published_tasks:
        sentences += [f"In brackets: as published in {table.source.paper}.", table.source.note]
    return sentences


def _spread(table: FilledTable) -> str:
    """Over what mean and standard deviation are taken."""
    counts = sorted({cell.n for row in table.rows for cell in row.cells.values() if cell.n})
    where = f"({numbers(table.seeds)}), {image_counts(table.images, table.item.split)}."
    if not counts:
        return "No run of this table has been made yet."
    if counts == [1]:
        return f"One training seed {where} It has no standard deviation."
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"Mean ± standard deviation (ddof = 1) over {n} training seeds {where}"


INTERVAL = "(paired bootstrap over seeds and images, expanded percentiles)"


def _lead() -> str:
    return (
        f"Bold: the best mean of a column, where there are {ENOUGH} seeds or more and the 95 % interval of its "
        f"difference to the runner-up excludes 0 {INTERVAL}."
    )


def _differences(table: FilledTable) -> list[str]:
    """What the columns of differences are, and what has no number in them."""
    heads, groups = [arms[0] for arms in table.item.rows.values()], len(table.item.rows)
    titles = {row.arm: row.title for row in table.rows}
    first = f" Of {' and '.join(titles[arm] for arm in heads[1:])}, from {titles[heads[0]]}." if groups > 1 else ""
    many = sum(cell.difference is not None for row in table.rows for cell in row.cells.values())
    return [
        "Difference: from the first row of the group, with its 95 % interval "
        f"{INTERVAL}, bold where there are {ENOUGH} seeds or more and it excludes 0; rows go by its size.{first}",
        f"Of {many} such intervals, one in twenty would exclude 0 by chance alone.",
        *(f"Not run: {title} ({reason})." for title, reason in table.refused.items()),
    ]


def _prices(table: FilledTable) -> str:
    """How many answers each arm needs for the ACC that is wanted."""
    found = {row.title: price(table, row.arm) for row in table.rows if row.arm}
    most = max(table.item.budgets)
    said = (f"{title} {asked if asked is not None else f'more than {most}'}" for title, asked in found.items())
    wanted = f"a mean {table.item.split} ACC of {table.item.wanted:.2f}"
    return f"Answers needed for {wanted}, among those tried: {', '.join(said)}."


def _chance(table: FilledTable) -> list[str]:
    """Which runs ended at chance, and what that means."""
    if not table.at_chance:
        return []
    # Labels of a table's own may mean something under their heading only.
    names = {row.arm: f"{row.group} {row.title}" if row.arm in table.item.titles else row.title for row in table.rows}
    runs = (
        f"{names[arm]} on {task} (seed{'s' * (len(seeds) > 1)} {numbers(seeds)})"
        for (arm, task), seeds in table.at_chance.items()
    )
    bounds = (f"{table.chance[task]:.3f} on {task}" for task in {task: None for _, task in table.at_chance})
    return [
        f"At chance ended {'; '.join(runs)}.",
        "Chance is an ACC that exceeds the share of the largest target cluster by no more than the 95 % margin of "
        f"such a share: up to {', '.join(bounds)}.",
    ]
