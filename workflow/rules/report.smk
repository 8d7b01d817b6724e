"""Summaries, tables, figures and the page: cheap, so made again at every edit of params.yaml or of their code."""


localrules:
    collect,
    summarise,
    table,
    figure,
    draw,
    page,


wildcard_constraints:
    report=one_of([*CONFIG.every_table, *CURVES]),
    table=one_of(CONFIG.every_table),
    curve=one_of(CURVES),
    projection=one_of(PROJECTIONS),


rule collect:
    input:
        runs=lambda wildcards: scores(plan_of(wildcards).runs(wildcards.report)),
        code=code("stats.py"),
        params="params.yaml",
    output:
        "results/summary/{at}{report}.csv",
    log:
        "logs/collect/{at}{report}.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "python -m pcl collect --report {wildcards.report} --study {params.study} --out {output} > {log} 2>&1"


rule summarise:
    input:
        runs=lambda wildcards: scores(plan_of(wildcards).all_runs()),
        code=code("stats.py"),
        params="params.yaml",
    output:
        "results/{at}summary.csv",
    log:
        "logs/summarise/{at}summary.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "python -m pcl collect --study {params.study} --out {output} > {log} 2>&1"


rule project:
    input:
        runs=lambda wildcards: ancient(scores(plan_of(wildcards).runs(wildcards.projection))),
        code=code("report/projection.py"),
    output:
        "results/projection/{projection}/{key}.npz",
    log:
        "logs/project/{projection}/{key}.log",
    conda:
        "../../environment.yml"
    threads: asks("threads")
    resources:
        mem_mb=asks("mem_mb"),
        gpu=asks("gpu"),
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "python -m pcl project {wildcards.projection} --study {params.study} --out {output}"
        " --threads {threads} > {log} 2>&1"


rule table:
    input:
        summary="results/summary/{at}{table}.csv",
        code=code("stats.py", "report/**/*"),
        params="params.yaml",
    output:
        report(
            "reports/{at}{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        multiext("reports/{at}{table}", ".md", ".tex", ".json"),
    log:
        "logs/table/{at}{table}.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
        out="reports/{at}{table}",
    message:
        "{params.out}"
    shell:
        "python -m pcl table {wildcards.table} --study {params.study}"
        " --summary {input.summary} --out {params.out} > {log} 2>&1"


rule figure:
    input:
        summary="results/summary/{at}{curve}.csv",
        code=code("stats.py", "report/**/*"),
        params="params.yaml",
    output:
        report(
            "reports/{at}{curve}.svg",
            caption="../report/curve.rst",
            category="Figures",
            labels={"figure": "{curve}"},
        ),
        multiext("reports/{at}{curve}", ".png", ".pdf", ".csv"),
    log:
        "logs/figure/{at}{curve}.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
        out="reports/{at}{curve}",
    message:
        "{params.out}"
    shell:
        "python -m pcl figure {wildcards.curve} --study {params.study}"
        " --summary {input.summary} --out {params.out} > {log} 2>&1"


rule draw:
    input:
        projection=lambda wildcards: str(plan_of(wildcards).projection(wildcards.projection)),
        code=code("stats.py", "report/**/*"),
        params="params.yaml",
    output:
        report(
            "reports/{at}{projection}.svg",
            caption="../report/projection.rst",
            category="Figures",
            labels={"figure": "{projection}"},
        ),
        multiext("reports/{at}{projection}", ".png", ".pdf", ".csv"),
    log:
        "logs/draw/{at}{projection}.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
        out="reports/{at}{projection}",
    message:
        "{params.out}"
    shell:
        "python -m pcl figure {wildcards.projection} --study {params.study}"
        " --projection {input.projection} --out {params.out} > {log} 2>&1"


rule page:
    input:
        summary="results/{at}summary.csv",
        tables=lambda wildcards: tables(wildcards.at),
        figures=lambda wildcards: figures(wildcards.at),
        code=code("stats.py", "report/**/*"),
        params="params.yaml",
    output:
        report("reports/{at}index.html", caption="../report/page.rst", category="Page"),
    log:
        "logs/page/{at}index.log",
    conda:
        "../../environment.yml"
    params:
        study=study_of,
        figures=lambda wildcards, input: [f"--figure {path}" for path in input.figures],
    message:
        "{output}"
    shell:
        "python -m pcl page --study {params.study} --summary {input.summary} {params.figures}"
        " --out {output} > {log} 2>&1"
