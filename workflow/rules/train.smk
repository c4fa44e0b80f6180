"""Training: one job for each experiment and fold."""


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
        mem_mb=growing(memory(8)),
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
