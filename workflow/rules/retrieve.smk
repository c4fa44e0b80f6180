"""From the archives to the folder of the products: one job for each part (a year, or the whole) of a product."""


# No hash of the code among its params: a better downloader is no reason to retrieve again.
rule retrieve:
    output:
        f"{CONFIG.products.folder}/retrieved/{{product}}_{{part}}.csv",
    log:
        at("log", job="retrieve/{product}_{part}"),
    benchmark:
        at("benchmark", job="retrieve/{product}_{part}")
    localrule: True  # nodes of a cluster often cannot reach the network
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=growing(1440),
    params:
        config={},
        folder=lambda w: str(CONFIG.products.folder),
        own=lambda w: CONFIG.products.local.get(w.product),
    message:
        "Retrieving {wildcards.product} ({wildcards.part})"
    script:
        "../scripts/retrieve.py"


rule condense:
    input:
        f"{CONFIG.products.folder}/retrieved/{{product}}_{{part}}.csv",
    output:
        f"{CONFIG.products.folder}/condensed/{{product}}_{{part}}.nc",
    log:
        at("log", job="condense/{product}_{part}"),
    benchmark:
        at("benchmark", job="condense/{product}_{part}")
    conda:
        "../../envs/h2cm.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        config={},
        folder=lambda w: str(CONFIG.products.folder),
        layouts=lambda w: PLAN.layouts([w.product]),
        code=lambda w: code("condense.py", f"h2cm.sources.products.{w.product}"),
    message:
        "Averaging the tiles of {wildcards.product} ({wildcards.part})"
    script:
        "../scripts/condense.py"


if CONFIG.source == "published":

    rule published:
        input:
            PLAN.product_files("published"),
        output:
            PLAN.store,
        log:
            at("log", job="published"),
        benchmark:
            at("benchmark", job="published")
        conda:
            "../../envs/h2cm.yaml"
        threads: 2
        resources:
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            config=PLAN.keys("published"),
            code=code("published.py"),
        message:
            "Mapping the published inputs and targets to the store"
        script:
            "../scripts/published.py"
