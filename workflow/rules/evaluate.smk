"""Evaluation: the metrics of each fold, and all of them in one table."""


rule evaluate:
    input:
        store=store_files(["grid", *CONFIG.constraints]),
        split=f"{RUN}/split/split.csv",
        monthly=f"{RUN}/predictions/{{experiment}}/fold_{{fold}}/monthly.nc",
        truth=TRUTH,
    output:
        f"{RUN}/evaluation/{{experiment}}/fold_{{fold}}.csv",
    log:
        f"{RUN}/logs/evaluate/{{experiment}}_fold_{{fold}}.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate/{{experiment}}_fold_{{fold}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        config=sections("source", "period", "constraints"),
        folder=lambda w: RUN,
        code=code("evaluate.py"),
    message:
        "Evaluating {wildcards.experiment}, fold {wildcards.fold}"
    script:
        "../scripts/evaluate.py"


rule metrics:
    input:
        folds=in_run(f"evaluation/{experiment}/fold_{fold}.csv" for experiment, fold in trained()),
    output:
        f"{RUN}/evaluation/metrics.csv",
    log:
        f"{RUN}/logs/metrics.log",
    benchmark:
        f"{RUN}/benchmarks/metrics.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        config=sections(),
        code=code("metrics.py"),
    message:
        "Collecting the metrics"
    script:
        "../scripts/metrics.py"
