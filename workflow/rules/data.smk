"""Data sets as arrays, and their classes as target clusters."""


localrules:
    relabel,


rule prepare:
    output:
        "results/data/{dataset}/{key}/manifest.json",
    log:
        "logs/prepare/{dataset}/{key}.log",
    message:
        "{wildcards.dataset}: arrays from its own files"
    shell:
        "pcl prepare {wildcards.dataset:q} --key {wildcards.key:q} > {log:q} 2>&1"


rule relabel:
    input:
        lambda wildcards: ancient(str(PLANS.selected.data(wildcards.task).path / "manifest.json")),
    output:
        "results/tasks/{task}/{orientation}/{key}.npz",
    log:
        "logs/relabel/{task}/{orientation}/{key}.log",
    message:
        "{wildcards.task} {wildcards.orientation}: target clusters"
    shell:
        "pcl relabel {wildcards.task:q} {wildcards.orientation:q} --key {wildcards.key:q} > {log:q} 2>&1"
