"""From a source of data (the synthetic Earth, towers, products) to the store that training reads."""


rule resolve:
    output:
        f"{RUN}/config.yaml",
    log:
        f"{RUN}/logs/resolve.log",
    benchmark:
        f"{RUN}/benchmarks/resolve.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    conda:
        "../../envs/h2cm.yaml"
    params:
        config=sections(*type(CONFIG).model_fields),
        code=code("resolve.py"),
    message:
        "Writing the resolved configuration"
    script:
        "../scripts/resolve.py"


if CONFIG.source == "towers":

    rule towers:
        input:
            tower_files(),
        output:
            store_files(),
        log:
            f"{RUN}/logs/towers.log",
        benchmark:
            f"{RUN}/benchmarks/towers.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        conda:
            "../../envs/h2cm.yaml"
        params:
            config=sections("source", "period", "towers", "constraints"),
            code=code("towers.py"),
        message:
            "Reading the towers"
        script:
            "../scripts/towers.py"


else:

    rule grid:
        output:
            f"{RUN}/store/grid.nc",
        log:
            f"{RUN}/logs/grid.log",
        benchmark:
            f"{RUN}/benchmarks/grid.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=10,
        conda:
            "../../envs/h2cm.yaml"
        params:
            config=sections("grid"),
            code=code("grid.py"),
        message:
            "Finding the land cells of the grid"
        script:
            "../scripts/grid.py"
