"""Test set and folds."""


rule split:
    input:
        at("grid"),
    output:
        at("split"),
    log:
        at("log", job="split"),
    benchmark:
        at("benchmark", job="split")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        config=PLAN.keys("split"),
        code=code("split.py"),
    message:
        "Drawing the test set and the folds"
    script:
        "../scripts/split.py"
