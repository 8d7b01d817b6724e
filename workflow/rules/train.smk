"""Pretraining that runs share, and the runs: one rule for every method, since `pcl train` takes them all."""


rule pretrain:
    input:
        needed_to_pretrain,
    output:
        f"results/{PRETRAINING}/spec.json",  # the last file that the step writes
    log:
        f"logs/{PRETRAINING}.log",
    benchmark:
        f"logs/{PRETRAINING}.tsv"
    threads: asks("threads")
    resources:
        mem_mb=asks("mem_mb"),
        runtime=asks("runtime"),
        gpu=asks("gpu"),
    params:
        place=lambda wildcards: "{0.task} {0.orientation} {0.arm}".format(run_of(wildcards)),
        study=study_of,
    message:
        "{wildcards.scope} {wildcards.orientation}: pretraining of {wildcards.name}, seed {wildcards.seed}"
    shell:
        "pcl pretrain {params.place} --study {params.study:q}"
        " --seed {wildcards.seed:q} --key {wildcards.key:q} --threads {threads} > {log:q} 2>&1"


rule represent:
    input:
        needed_to_represent,
    output:
        f"results/{FEATURES}/manifest.json",  # the last file that the step writes
    log:
        f"logs/{FEATURES}.log",
    threads: asks("threads")
    resources:
        mem_mb=asks("mem_mb"),
        runtime=asks("runtime"),
        gpu=asks("gpu"),
    params:
        task=lambda wildcards: features_of(wildcards)[2],
        study=study_of,
    message:
        "{wildcards.scope}: features {wildcards.name}, seed {wildcards.seed}"
    shell:
        "pcl represent {params.task:q} {wildcards.name:q} --study {params.study:q}"
        " --seed {wildcards.seed:q} --key {wildcards.key:q} --threads {threads} > {log:q} 2>&1"


rule train:
    input:
        needed_to_train,
    output:
        f"results/{RUN}/metrics.json",  # the last file that the step writes
    log:
        f"logs/{RUN}.log",
    benchmark:
        f"logs/{RUN}.tsv"
    threads: asks("threads")
    resources:
        mem_mb=asks("mem_mb"),
        runtime=asks("runtime"),
        gpu=asks("gpu"),
    params:
        study=study_of,
    message:
        "{wildcards.task} {wildcards.orientation}: {wildcards.arm}, {wildcards.budget} questions, seed {wildcards.seed}"
    shell:
        "pcl train {wildcards.task:q} {wildcards.orientation:q} {wildcards.arm:q} --study {params.study:q}"
        " --budget {wildcards.budget:q} --seed {wildcards.seed:q} --key {wildcards.key:q} --threads {threads}"
        " > {log:q} 2>&1"
