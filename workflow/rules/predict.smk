"""Prediction: the daily and monthly fields of each trained fold, on all cells."""


rule predict:
    input:
        store=store_files(STORE_INPUTS),
        weights=f"{RUN}/training/{{experiment}}/fold_{{fold}}/model.safetensors",
    output:
        monthly=f"{RUN}/predictions/{{experiment}}/fold_{{fold}}/monthly.nc",
        daily=f"{RUN}/predictions/{{experiment}}/fold_{{fold}}/daily.nc",
    log:
        f"{RUN}/logs/predict/{{experiment}}_fold_{{fold}}.log",
    benchmark:
        f"{RUN}/benchmarks/predict/{{experiment}}_fold_{{fold}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: training_threads()
    resources:
        mem_mb=growing(memory(4)),
        runtime=240,
        gpu=resources.gpus(CONFIG),
    params:
        config=sections("constraints", "model", "training", "prediction"),
        code=code("predict.py"),
    message:
        "Predicting {wildcards.experiment}, fold {wildcards.fold}"
    script:
        "../scripts/predict.py"
