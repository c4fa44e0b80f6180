"""The report: one page of what a run found, from its small files."""


rule rule_graph:
    input:
        f"{RUN}/config.yaml",
    output:
        f"{RUN}/workflow.json",
    log:
        f"{RUN}/logs/rule_graph.log",
    benchmark:
        f"{RUN}/benchmarks/rule_graph.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        config=sections(),
        snakefile=str(ROOT / "Snakefile"),
        rules=lambda w: sorted(r.name for r in workflow.rules),
        code=code("rule_graph.py"),
    message:
        "Recording rules and versions"
    script:
        "../scripts/rule_graph.py"


rule report_page:
    input:
        f"{RUN}/config.yaml",
        f"{RUN}/workflow.json",
        f"{RUN}/evaluation/metrics.csv",
        f"{RUN}/split/split.csv",
        in_run(f"figures/{name}.png" for name in figure_names(CONFIG)),
        in_run(f"tables/{name}.csv" for name in table_names(CONFIG)),
    output:
        page=f"{RUN}/report.html",
        archive=f"{RUN}/report.zip",
    log:
        f"{RUN}/logs/report_page.log",
    benchmark:
        f"{RUN}/benchmarks/report_page.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        config=sections(*type(CONFIG).model_fields),
        folder=lambda w: RUN,
        code=code("report_page.py"),
    message:
        "Writing the report"
    script:
        "../scripts/report_page.py"
