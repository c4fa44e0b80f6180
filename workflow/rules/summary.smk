"""Summaries: one rule; what there is, and what it reads, is in the registry of the package."""


rule summary:
    input:
        lambda w: [f"{RUN}/{file}" for file in summary_inputs(w.summary, w.who, CONFIG)],
    output:
        at("summary", experiment="{who}"),
    log:
        at("log", job="summaries/{who}_{summary}"),
    benchmark:
        at("benchmark", job="summaries/{who}_{summary}")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        config=lambda w: PLAN.summary_keys(w.summary),
        folder=lambda w: RUN,
        code=lambda w: code("summary.py", f"h2cm.results.summaries.{w.summary}"),
    message:
        "Summarising {wildcards.who}: {wildcards.summary}"
    script:
        "../scripts/summary.py"
