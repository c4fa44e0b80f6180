"""Evaluation: the metrics of each fold, and all of them in one table."""


rule evaluate:
    input:
        store=PLAN.of_run(["grid", "targets"]),
        split=at("split"),
        monthly=at("monthly"),
        truth=PLAN.of_run(["truth"]),
    output:
        at("fold_metrics"),
    log:
        at("log", job="evaluate/{experiment}_fold_{fold}"),
    benchmark:
        at("benchmark", job="evaluate/{experiment}_fold_{fold}")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=PLAN.keys("evaluate"),
        folder=lambda w: RUN,
        code=code("evaluate.py"),
    message:
        "Evaluating {wildcards.experiment}, fold {wildcards.fold}"
    script:
        "../scripts/evaluate.py"


rule metrics:
    input:
        folds=PLAN.of_run(["fold_metrics"]),
    output:
        at("metrics"),
        summary=at("metrics_summary"),
    log:
        at("log", job="metrics"),
    benchmark:
        at("benchmark", job="metrics")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        config={},
        code=code("metrics.py"),
    message:
        "Collecting the metrics"
    script:
        "../scripts/metrics.py"


rule profiles:
    input:
        PLAN.of_run(["losses"]),
    output:
        at("profiles"),
    log:
        at("log", job="profiles"),
    benchmark:
        at("benchmark", job="profiles")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=PLAN.keys("profiles"),
        folder=lambda w: RUN,
        code=code("profiles.py"),
    message:
        "Collecting the profiles"
    script:
        "../scripts/profiles.py"


rule prior_sweep:
    input:
        PLAN.of_run(["losses"]),
    output:
        at("prior_sweep"),
    log:
        at("log", job="prior_sweep"),
    benchmark:
        at("benchmark", job="prior_sweep")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=PLAN.keys("prior_sweep"),
        folder=lambda w: RUN,
        code=code("prior_sweep.py"),
    message:
        "Collecting the sweep of the priors"
    script:
        "../scripts/prior_sweep.py"
