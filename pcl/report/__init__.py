"""Stage 8, reports: tables, figures and the page, drawn from the summary of runs and nothing else."""
