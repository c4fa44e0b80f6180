"""Prediction: the daily and monthly fields of each trained fold, on all cells."""


rule predict:
    input:
        store=PLAN.forcing,
        weights=at("weights"),
    output:
        monthly=at("monthly"),
        daily=at("daily"),
    log:
        at("log", job="predict/{experiment}_fold_{fold}"),
    benchmark:
        at("benchmark", job="predict/{experiment}_fold_{fold}")
    wildcard_constraints:
        experiment=PLAN.predicting(days=True),
    conda:
        "../../envs/h2cm.yaml"
    threads: training_threads()
    resources:
        mem_mb=growing(PLAN.memory(4)),
        runtime=growing(240),
        gpu=resources.gpus(CONFIG),
    params:
        config=PLAN.keys("predict"),
        code=code("predict.py"),
    message:
        "Predicting {wildcards.experiment}, fold {wildcards.fold}"
    script:
        "../scripts/predict.py"


use rule predict as predict_months with:
    output:
        monthly=at("monthly"),
    wildcard_constraints:
        experiment=PLAN.predicting(days=False),
