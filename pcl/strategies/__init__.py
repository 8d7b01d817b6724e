"""Query strategies, one file each: which pair of a batch to ask about next."""
