"""What params.yaml plans: data, target clusters, pretraining and runs, each with the path of what it writes.

A path carries a key, eight hexadecimal digits of a hash over everything the numbers depend on and nothing else: a
changed setting is another path, so that no old number can stand under a new setting. Seeds stay outside the key.
"""

from pcl.plan.identities import ANY, Data, Features, Pretraining, Run, Target
from pcl.plan.lookup import Plans
from pcl.plan.study import Plan

__all__ = ["ANY", "Data", "Features", "Plan", "Plans", "Pretraining", "Run", "Target"]
