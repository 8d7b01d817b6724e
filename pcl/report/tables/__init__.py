"""The paper's tables: filled from the summary of runs, beside the paper's numbers, and written in several formats."""

from pcl.report.tables.captions import caption
from pcl.report.tables.filled import Cell, FilledTable, Row, build
from pcl.report.tables.formats import contents, to_csv, to_latex, to_markdown, to_metrics, write
from pcl.report.tables.paper import PAPER_METRICS, published

__all__ = [
    "PAPER_METRICS", "Cell", "FilledTable", "Row",
    "build", "caption", "contents", "published", "to_csv", "to_latex", "to_markdown", "to_metrics", "write",
]  # fmt: skip
