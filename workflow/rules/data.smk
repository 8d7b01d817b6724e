"""Data sets as arrays, and their classes as target clusters."""


localrules:
    relabel,


rule prepare:
    output:
        "results/data/{dataset}/{key}/manifest.json",
    log:
        "logs/prepare/{dataset}/{key}.log",
    conda:
        "../../environment.yml"
    message:
        "{wildcards.dataset}: arrays from its own files"
    shell:
        "python -m pcl prepare {wildcards.dataset} --key {wildcards.key} > {log} 2>&1"


rule relabel:
    input:
        lambda wildcards: ancient(str(PLANS.selected.data(wildcards.task).path / "manifest.json")),
    output:
        "results/tasks/{task}/{orientation}/{key}.npz",
    log:
        "logs/relabel/{task}/{orientation}/{key}.log",
    conda:
        "../../environment.yml"
    message:
        "{wildcards.task} {wildcards.orientation}: target clusters"
    shell:
        "python -m pcl relabel {wildcards.task} {wildcards.orientation} --key {wildcards.key} > {log} 2>&1"
