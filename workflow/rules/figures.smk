"""Figures and tables: one rule each; what there is, and what it reads, is in the registries of the package."""


rule figure:
    input:
        lambda w: in_run(figure_inputs(w.figure, CONFIG)),
    output:
        png=report(f"{RUN}/figures/{{figure}}.png", category="Figures", caption="../report/caption.rst"),
        pdf=f"{RUN}/figures/{{figure}}.pdf",
    log:
        f"{RUN}/logs/figures/{{figure}}.log",
    benchmark:
        f"{RUN}/benchmarks/figures/{{figure}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        config=sections(*DRAWN),
        folder=lambda w: RUN,
        caption=lambda w: FIGURES[w.figure].caption,
        code=lambda w: code("figure.py", f"h2cm.results.figures.{w.figure}"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/figure.py"


rule table:
    input:
        lambda w: in_run(table_inputs(w.table, CONFIG)),
    output:
        report(f"{RUN}/tables/{{table}}.csv", category="Tables", caption="../report/caption.rst"),
    log:
        f"{RUN}/logs/tables/{{table}}.log",
    benchmark:
        f"{RUN}/benchmarks/tables/{{table}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        config=sections(*DRAWN),
        folder=lambda w: RUN,
        caption=lambda w: TABLES[w.table].caption,
        code=lambda w: code("table.py", f"h2cm.results.tables.{w.table}"),
    message:
        "Making table {wildcards.table}"
    script:
        "../scripts/table.py"
