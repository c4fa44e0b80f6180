"""The report: one page of what a run found, from its small files."""

from h2cm.results.figures.registry import figure_names
from h2cm.results.paths import OF_A_FIGURE, OF_A_TABLE
from h2cm.results.summaries.registry import summary_files
from h2cm.results.tables.registry import table_names
from h2cm.workflow.provenance import versions


rule rule_graph:
    input:
        at("configuration"),
    output:
        at("workflow"),
    log:
        at("log", job="rule_graph"),
    benchmark:
        at("benchmark", job="rule_graph")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=PLAN.keys("rule_graph"),
        snakefile=str(Path(workflow.basedir) / "Snakefile"),
        rules=lambda w: sorted(r.name for r in workflow.rules),
        versions={name: found for name, found in versions().items() if name != "platform"},
        code=code("rule_graph.py"),
    message:
        "Recording rules and versions"
    script:
        "../scripts/rule_graph.py"


rule redraw:
    """Figures, tables and report from the small files of a run alone: with --allowed-rules and --forcerun, see Makefile."""
    input:
        [at(kind, figure=name) for name in figure_names(CONFIG) for kind in OF_A_FIGURE],
        [at(kind, table=name) for name in table_names(CONFIG) for kind in OF_A_TABLE],
        at("report"),


rule report_page:
    input:
        configuration=at("configuration"),
        read=[at("workflow"), at("metrics"), at("split")],
        figures=[at(kind, figure=name) for name in figure_names(CONFIG) for kind in OF_A_FIGURE],
        tables=[at(kind, table=name) for name in table_names(CONFIG) for kind in OF_A_TABLE],
        summaries=[f"{RUN}/{file}" for file in summary_files(["constants"], CONFIG)],
    output:
        page=at("report"),
        archive=at("report_archive"),
    log:
        at("log", job="report_page"),
    benchmark:
        at("benchmark", job="report_page")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        config=PLAN.keys("report_page"),
        folder=lambda w: RUN,
        code=code("report_page.py", words=True),
    message:
        "Writing the report"
    script:
        "../scripts/report_page.py"
