"""Training of several folds by one job (``training.folds_per_job``): a rule for each job, as its outputs are a list."""

for experiment, group in fold_groups():
    label = f"{experiment}_folds_{'_'.join(map(str, group))}"

    rule:
        name:
            f"train_{label}"
        input:
            store=store_files(),
            split=f"{RUN}/split/split.csv",
        output:
            weights=in_run(f"training/{experiment}/fold_{fold}/model.safetensors" for fold in group),
            losses=in_run(f"training/{experiment}/fold_{fold}/losses.csv" for fold in group),
        log:
            f"{RUN}/logs/train/{label}.log",
        benchmark:
            f"{RUN}/benchmarks/train/{label}.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: training_threads()
        resources:
            mem_mb=growing(memory(8)),
            runtime=1440,
            gpu=resources.gpus(CONFIG),
        params:
            config=sections("seed", "constraints", "model", "training", experiment=experiment),
            experiment=experiment,
            folds=group,
            folder=lambda w, experiment=experiment: f"{RUN}/training/{experiment}",
            code=code("train.py"),
        message:
            f"Training {experiment}, folds {', '.join(map(str, group))}"
        script:
            "../scripts/train.py"
