"""Summaries, tables, figures and the page: cheap, so made again at every edit of params.yaml or of their code."""


localrules:
    collect,
    summarise,
    table,
    figure,
    page,


wildcard_constraints:
    report=one_of([*PLANS.catalogue.tables, *CONFIG.every_figure]),
    table=one_of(PLANS.catalogue.tables),
    figure=one_of(CONFIG.every_figure),


rule collect:
    input:
        runs=lambda wildcards: scores(plan_of(wildcards).runs(wildcards.report)),
        code=code("stats.py"),
        params="params.yaml",
    output:
        "results/summary/{at}{report}.csv",
    log:
        "logs/collect/{at}{report}.log",
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "pcl collect --report {wildcards.report:q} --study {params.study:q} --out {output:q} > {log:q} 2>&1"


rule summarise:
    input:
        runs=lambda wildcards: scores(plan_of(wildcards).all_runs()),
        code=code("stats.py"),
        params="params.yaml",
    output:
        "results/{at}summary.csv",
    log:
        "logs/summarise/{at}summary.log",
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "pcl collect --study {params.study:q} --out {output:q} > {log:q} 2>&1"


rule precompute:  # what takes long in a figure
    input:
        runs=lambda wildcards: ancient(scores(plan_of(wildcards).runs(wildcards.figure))),
        code=lambda wildcards: code("report/embedding.py", kind_of(wildcards)),
    output:
        f"results/{FIGURE}",
    log:
        "logs/precompute/{figure}/{key}.log",
    threads: asks("threads")
    resources:
        mem_mb=asks("mem_mb"),
        gpu=asks("gpu"),
    params:
        study=study_of,
    message:
        "{output}"
    shell:
        "pcl precompute {wildcards.figure:q} --study {params.study:q} --out {output:q}"
        " --threads {threads} > {log:q} 2>&1"


rule table:
    input:
        summary="results/summary/{at}{table}.csv",
        images=lambda wildcards: images_of(plan_of(wildcards).runs(wildcards.table)),
        code=code("stats.py", "intervals.py", "metrics.py", "report/**/*"),
        params="params.yaml",
    output:
        report(
            "reports/{at}{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        multiext("reports/{at}{table}", ".md", ".tex"),
        directory("reports/{at}metrics/{table}"),
    log:
        "logs/table/{at}{table}.log",
    params:
        study=study_of,
        out="reports/{at}{table}",
    message:
        "{params.out}"
    shell:
        "pcl table {wildcards.table:q} --study {params.study:q}"
        " --summary {input.summary:q} --out {params.out:q} > {log:q} 2>&1"


rule figure:
    input:
        source=lambda wildcards: drawn_from(plan_of(wildcards), wildcards.at, wildcards.figure),
        code=code("stats.py", "report/**/*"),
        params="params.yaml",
    output:
        report(
            "reports/{at}{figure}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        multiext("reports/{at}{figure}", ".png", ".pdf", ".csv"),
    log:
        "logs/figure/{at}{figure}.log",
    params:
        study=study_of,
        out="reports/{at}{figure}",
        title=lambda wildcards: CONFIG.every_figure[wildcards.figure].title,
    message:
        "{params.out}"
    shell:
        "pcl figure {wildcards.figure:q} --study {params.study:q}"
        " --source {input.source:q} --out {params.out:q} > {log:q} 2>&1"


rule page:
    input:
        summary="results/{at}summary.csv",
        images=lambda wildcards: images_of(plan_of(wildcards).all_runs()),
        tables=lambda wildcards: tables(wildcards.at),
        figures=lambda wildcards: figures(wildcards.at),
        code=code("stats.py", "intervals.py", "metrics.py", "report/**/*"),
        params="params.yaml",
    output:
        report("reports/{at}index.html", caption="../report/page.rst", category="Page"),
    log:
        "logs/page/{at}index.log",
    params:
        study=study_of,
        figures=lambda wildcards, input: [f"--figure {path}" for path in input.figures],
    message:
        "{output}"
    shell:
        "pcl page --study {params.study:q} --summary {input.summary:q} {params.figures}"
        " --out {output:q} > {log:q} 2>&1"
