"""Training: one job for each experiment and fold."""


rule train:
    input:
        forcing=PLAN.forcing,
        targets=lambda w: PLAN.targets(w.experiment),
        split=at("split"),
        start=lambda w: PLAN.start(w.experiment, [w.fold]),
    output:
        weights=[at("weights")],
        losses=[at("losses")],
    log:
        at("log", job="train/{experiment}_fold_{fold}"),
    benchmark:
        at("benchmark", job="train/{experiment}_fold_{fold}")
    conda:
        "../../envs/h2cm.yaml"
    threads: training_threads()
    resources:
        mem_mb=growing(PLAN.memory(8)),
        runtime=growing(1440),
        gpu=resources.gpus(CONFIG),
    params:
        config=lambda w: PLAN.keys("train", w.experiment),
        folder=lambda w: RUN,
        code=code("train.py"),
    message:
        "Training {wildcards.experiment}, fold {wildcards.fold}, threads: {threads}"
    script:
        "../scripts/train.py"
