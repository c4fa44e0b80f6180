"""Figures and tables: one rule each; what there is, and what it reads, is in the registries of the package."""


rule figure:
    input:
        lambda w: [f"{RUN}/{file}" for file in figure_inputs(w.figure, CONFIG)],
    output:
        png=report(at("figure"), category="Figures", caption="../report/caption.rst"),
        pdf=at("figure_pdf"),
        caption=at("figure_caption"),
        data=at("figure_data"),
    log:
        at("log", job="figures/{figure}"),
    benchmark:
        at("benchmark", job="figures/{figure}")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        config=PLAN.keys("figure"),
        folder=lambda w: RUN,
        caption=lambda w: FIGURES[w.figure].caption,
        code=lambda w: code("figure.py", f"h2cm.results.figures.{FIGURES[w.figure].module or w.figure}", words=True),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/figure.py"


rule table:
    input:
        lambda w: [f"{RUN}/{file}" for file in table_inputs(w.table, CONFIG)],
    output:
        csv=report(at("table"), category="Tables", caption="../report/caption.rst"),
        markdown=at("table_markdown"),
        latex=at("table_latex"),
    log:
        at("log", job="tables/{table}"),
    benchmark:
        at("benchmark", job="tables/{table}")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        config=PLAN.keys("table"),
        folder=lambda w: RUN,
        caption=lambda w: TABLES[w.table].caption,
        citations=lambda w: PLAN.citations(w.table),
        code=lambda w: code("table.py", f"h2cm.results.tables.{w.table}", words=True),
    message:
        "Making table {wildcards.table}"
    script:
        "../scripts/table.py"
