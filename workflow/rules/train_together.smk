"""Training of several folds by one job (``training.folds_per_job``): a rule for each job, as its outputs are a list."""

for label, (experiment, group) in PLAN.stacked.items():

    rule:
        name:
            label
        input:
            forcing=PLAN.forcing,
            targets=PLAN.targets(experiment),
            split=at("split"),
            start=PLAN.start(experiment, group),
        output:
            weights=[at("weights", experiment=experiment, fold=fold) for fold in group],
            losses=[at("losses", experiment=experiment, fold=fold) for fold in group],
        log:
            at("log", job=f"train/{label.removeprefix('train_')}"),
        benchmark:
            at("benchmark", job=f"train/{label.removeprefix('train_')}")
        conda:
            "../../envs/h2cm.yaml"
        threads: training_threads()
        resources:
            mem_mb=growing(PLAN.memory(8)),
            runtime=growing(1440),
            gpu=resources.gpus(CONFIG),
        params:
            config=PLAN.keys("train", experiment),
            folder=lambda w: RUN,
            code=code("train.py"),
        message:
            f"Training {experiment}, folds {', '.join(map(str, group))}, threads: {{threads}}"
        script:
            "../scripts/train.py"
