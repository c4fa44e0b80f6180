"""Test set and folds."""


rule split:
    input:
        f"{RUN}/store/grid.nc",
    output:
        f"{RUN}/split/split.csv",
    log:
        f"{RUN}/logs/split.log",
    benchmark:
        f"{RUN}/benchmarks/split.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=5,
    params:
        config=sections("seed", "split"),
        code=code("split.py"),
    message:
        "Drawing the test set and the folds"
    script:
        "../scripts/split.py"
