"""From the archives to the folder of the products: one job for each part (a year, or the whole) of a product."""


# No hash of the code among its params: a better downloader is no reason to retrieve again.
rule retrieve:
    output:
        f"{CONFIG.products.folder}/retrieved/{{product}}_{{part}}.csv",
    log:
        f"{RUN}/logs/retrieve/{{product}}_{{part}}.log",
    benchmark:
        f"{RUN}/benchmarks/retrieve/{{product}}_{{part}}.tsv"
    localrule: True  # nodes of a cluster often cannot reach the network
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=1440,
    params:
        config=sections(),
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
        f"{RUN}/logs/condense/{{product}}_{{part}}.log",
    benchmark:
        f"{RUN}/benchmarks/condense/{{product}}_{{part}}.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        config=sections(),
        folder=lambda w: str(CONFIG.products.folder),
        code=lambda w: code("condense.py", f"h2cm.sources.products.{w.product}"),
    message:
        "Averaging the tiles of {wildcards.product} ({wildcards.part})"
    script:
        "../scripts/condense.py"


if CONFIG.source == "published":

    rule published:
        input:
            product_files("published"),
        output:
            store_files(),
        log:
            f"{RUN}/logs/published.log",
        benchmark:
            f"{RUN}/benchmarks/published.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 2
        resources:
            mem_mb=growing(8000),
            runtime=120,
        params:
            config=sections("source", "period", "grid", "products", "constraint_names"),
            code=code("published.py"),
        message:
            "Mapping the published inputs and targets to the store"
        script:
            "../scripts/published.py"
