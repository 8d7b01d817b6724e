"""Data sets as arrays, and their classes as target clusters."""


rule prepare:
    output:
        f"{DATA}/manifest.json",
    params:
        task=lambda wildcards: PLANS.task_of(wildcards.dataset),
    log:
        "logs/prepare/{dataset}/{key}.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m pcl prepare {params.task} --key {wildcards.key} > {log} 2>&1"


rule relabel:
    input:
        lambda wildcards: ancient(str(PLANS.selected.data(wildcards.task).path / "manifest.json")),
    output:
        f"{TARGETS}.npz",
    log:
        "logs/relabel/{task}/{orientation}/{key}.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m pcl relabel {wildcards.task} {wildcards.orientation} --key {wildcards.key} > {log} 2>&1"
