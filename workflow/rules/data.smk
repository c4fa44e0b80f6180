"""From a source of data (the synthetic Earth, towers, products) to the store that training reads."""


rule resolve:
    output:
        f"{RUN}/config.yaml",
    log:
        f"{RUN}/logs/resolve.log",
    benchmark:
        f"{RUN}/benchmarks/resolve.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=5,
    params:
        config=sections(*type(CONFIG).model_fields),
        code=code("resolve.py"),
    message:
        "Writing the resolved configuration"
    script:
        "../scripts/resolve.py"


rule store_summary:
    input:
        store_files(),
    output:
        f"{RUN}/store_summary.csv",
    log:
        f"{RUN}/logs/store_summary.log",
    benchmark:
        f"{RUN}/benchmarks/store_summary.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=20,
    params:
        config=sections(),
        code=code("store_summary.py"),
    message:
        "Summarising the store"
    script:
        "../scripts/store_summary.py"


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
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=60,
        params:
            config=sections("source", "period", "towers", "constraint_names"),
            code=code("towers.py"),
        message:
            "Reading the towers"
        script:
            "../scripts/towers.py"


if CONFIG.source in ("twin", "products"):

    rule grid:
        output:
            f"{RUN}/store/grid.nc",
        log:
            f"{RUN}/logs/grid.log",
        benchmark:
            f"{RUN}/benchmarks/grid.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=10,
        params:
            config=sections("grid"),
            code=code("grid.py"),
        message:
            "Finding the land cells of the grid"
        script:
            "../scripts/grid.py"

    rule harmonise:
        input:
            f"{RUN}/store/grid.nc",
            products=lambda w: product_files(w.variable),
        output:
            f"{RUN}/store/{{variable}}.nc",
        log:
            f"{RUN}/logs/harmonise/{{variable}}.log",
        benchmark:
            f"{RUN}/benchmarks/harmonise/{{variable}}.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(8000),
            runtime=120,
        params:
            config=sections("source", "period", "grid", "products"),
            folder=lambda w: PRODUCTS,
            code=lambda w: code("harmonise.py", *readers(w.variable)),
        message:
            "Harmonising {wildcards.variable}"
        script:
            "../scripts/harmonise.py"

    rule comparison:
        input:
            f"{RUN}/store/grid.nc",
            products=lambda w: product_files(w.competitor),
        output:
            f"{RUN}/comparison/{{competitor}}.nc",
        log:
            f"{RUN}/logs/comparison/{{competitor}}.log",
        benchmark:
            f"{RUN}/benchmarks/comparison/{{competitor}}.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(8000),
            runtime=120,
        params:
            config=sections("source", "period", "grid", "products"),
            folder=lambda w: PRODUCTS,
            code=lambda w: code("comparison.py", *readers(w.competitor)),
        message:
            "Harmonising the competitor {wildcards.competitor}"
        script:
            "../scripts/comparison.py"


if CONFIG.source == "twin":

    rule twin:
        output:
            truth=f"{RUN}/twin/truth.nc",
            products=directory(f"{RUN}/twin/products"),
        log:
            f"{RUN}/logs/twin.log",
        benchmark:
            f"{RUN}/benchmarks/twin.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(8000),
            runtime=60,
        params:
            config=sections("seed", "period", "grid", "twin"),
            code=code("twin.py"),
        message:
            "Making the synthetic Earth"
        script:
            "../scripts/twin.py"
