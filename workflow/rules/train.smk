"""Training: one job for each experiment and fold, or for each few folds (``training.folds_per_job``)."""


rule train:
    input:
        store=store_files(),
        split=f"{RUN}/split/split.csv",
    output:
        weights=f"{RUN}/training/{{experiment}}/fold_{{fold}}/model.safetensors",
        losses=f"{RUN}/training/{{experiment}}/fold_{{fold}}/losses.csv",
    log:
        f"{RUN}/logs/train/{{experiment}}_fold_{{fold}}.log",
    benchmark:
        f"{RUN}/benchmarks/train/{{experiment}}_fold_{{fold}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: training_threads()
    resources:
        mem_mb=memory(8),
        runtime=1440,
        gpu=resources.gpus(CONFIG),
    params:
        config=sections("seed", "constraints", "model", "training"),
        experiment="{experiment}",
        folds=lambda w: [int(w.fold)],
        folder=lambda w: f"{RUN}/training/{w.experiment}",
        code=code("train.py"),
    message:
        "Training {wildcards.experiment}, fold {wildcards.fold}"
    script:
        "../scripts/train.py"


# The same for several folds at once: one rule for each group of folds, as its outputs are many.
for experiment, group in fold_groups():
    label = f"{experiment}_folds_{'_'.join(map(str, group))}"

    use rule train as train_group with:
        name:
            f"train_{label}"
        output:
            weights=in_run(f"training/{experiment}/fold_{fold}/model.safetensors" for fold in group),
            losses=in_run(f"training/{experiment}/fold_{fold}/losses.csv" for fold in group),
        log:
            f"{RUN}/logs/train/{label}.log",
        benchmark:
            f"{RUN}/benchmarks/train/{label}.tsv"
        params:
            config=sections("seed", "constraints", "model", "training", experiment=experiment),
            experiment=experiment,
            folds=group,
            folder=lambda w, experiment=experiment: f"{RUN}/training/{experiment}",
            code=code("train.py"),
        message:
            f"Training {experiment}, folds {', '.join(map(str, group))}"

    ruleorder: train_group > train
