"""From a source of data (the synthetic Earth, towers, products) to the store that training reads."""


rule resolve:
    output:
        at("configuration"),
    log:
        at("log", job="resolve"),
    benchmark:
        at("benchmark", job="resolve")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        config=CONFIG.model_dump(mode="json"),
        code=code("resolve.py"),
    message:
        "Writing the resolved configuration"
    script:
        "../scripts/resolve.py"


rule store_summary:
    input:
        PLAN.store,
    output:
        at("store_summary"),
    log:
        at("log", job="store_summary"),
    benchmark:
        at("benchmark", job="store_summary")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(20),
    params:
        config={},
        code=code("store_summary.py"),
    message:
        "Summarising the store"
    script:
        "../scripts/store_summary.py"


if CONFIG.source == "towers":

    rule towers:
        input:
            PLAN.tower_files(),
        output:
            PLAN.store,
            PLAN.tower_variables,
            report=at("tower_report"),
        log:
            at("log", job="towers"),
        benchmark:
            at("benchmark", job="towers")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(60),
        params:
            config=PLAN.keys("towers"),
            code=code("towers.py"),
        message:
            "Reading the towers"
        script:
            "../scripts/towers.py"


if CONFIG.source in ("twin", "products"):

    rule grid:
        output:
            at("grid"),
        log:
            at("log", job="grid"),
        benchmark:
            at("benchmark", job="grid")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(10),
        params:
            config=PLAN.keys("grid"),
            code=code("grid.py"),
        message:
            "Finding the land cells of the grid"
        script:
            "../scripts/grid.py"

    rule harmonise:
        input:
            at("grid"),
            products=lambda w: PLAN.product_files(w.variable),
        output:
            at("variable"),
        log:
            at("log", job="harmonise/{variable}"),
        benchmark:
            at("benchmark", job="harmonise/{variable}")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(max(8000, PLAN.memory(4))),
            runtime=growing(120),
        params:
            config=lambda w: PLAN.keys("harmonise", products=products_of(w.variable)),
            folder=lambda w: PLAN.products,
            layouts=lambda w: PLAN.layouts(products_of(w.variable)),
            code=lambda w: code("harmonise.py", *PLAN.readers(w.variable)),
        message:
            "Harmonising {wildcards.variable}"
        script:
            "../scripts/harmonise.py"


if CONFIG.source != "towers":

    rule comparison:
        input:
            at("grid"),
            products=lambda w: PLAN.product_files(w.competitor),
        output:
            at("comparison"),
        log:
            at("log", job="comparison/{competitor}"),
        benchmark:
            at("benchmark", job="comparison/{competitor}")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            config=lambda w: PLAN.keys("harmonise", products=products_of(w.competitor)),
            folder=lambda w: PLAN.products,
            layouts=lambda w: PLAN.layouts(products_of(w.competitor)),
            code=lambda w: code("comparison.py", *PLAN.readers(w.competitor)),
        message:
            "Harmonising the competitor {wildcards.competitor}"
        script:
            "../scripts/comparison.py"


if CONFIG.source == "twin":

    rule twin:
        output:
            truth=at("truth"),
            products=directory(at("pseudo_products")),
        log:
            at("log", job="twin"),
        benchmark:
            at("benchmark", job="twin")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(PLAN.memory(8)),
            runtime=growing(60),
        params:
            config=PLAN.keys("twin"),
            layouts=PLAN.layouts(),
            code=code("twin.py", *PLAN.writers()),
        message:
            "Making the synthetic Earth"
        script:
            "../scripts/twin.py"
