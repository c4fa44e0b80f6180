"""The data set for users: a job for each variable and length of step, and what goes with the files."""


rule dataset:
    input:
        cells=at("grid"),
        members=lambda w: PLAN.dataset_members(w.step),
        intervals=lambda w: PLAN.dataset_intervals(w.step),
    output:
        PLAN.dataset_outputs(),
    log:
        at("log", job="dataset/{variable}_{step}"),
    benchmark:
        at("benchmark", job="dataset/{variable}_{step}")
    wildcard_constraints:
        step="daily|monthly",
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        config=PLAN.keys("dataset"),
        folder=lambda w: RUN,
        code=code("dataset.py", words=True),
    message:
        "Writing {wildcards.variable}, {wildcards.step}, of the data set"
    script:
        "../scripts/dataset.py"


if CONFIG.source != "towers":

    rule dataset_grid:
        input:
            at("grid"),
            PLAN.summaries("applicability"),
        output:
            at("dataset_grid"),
        log:
            at("log", job="dataset_grid"),
        benchmark:
            at("benchmark", job="dataset_grid")
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(10),
        params:
            config=PLAN.keys("dataset_grid"),
            code=code("dataset_grid.py", words=True),
        message:
            "Writing areas and land fractions of the data set"
        script:
            "../scripts/dataset_grid.py"


rule dataset_zarr:
    input:
        lambda w: PLAN.dataset_files(w.step),
    output:
        directory(at("dataset_store")),
    log:
        at("log", job="dataset_zarr/{step}"),
    benchmark:
        at("benchmark", job="dataset_zarr/{step}")
    wildcard_constraints:
        step="daily|monthly",
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        config=PLAN.keys("dataset_zarr"),
        code=code("dataset_zarr.py"),
    message:
        "Writing the {wildcards.step} fields as Zarr"
    script:
        "../scripts/dataset_zarr.py"


rule dataset_description:
    input:
        files=PLAN.dataset_files(),
        grid=PLAN.dataset_grid,
        stores=PLAN.dataset_stores,
        software=Path(workflow.basedir) / "CITATION.cff",
    output:
        readme=at("dataset_readme"),
        zenodo=at("dataset_zenodo"),
        crate=at("dataset_crate"),
    log:
        at("log", job="dataset_description"),
    benchmark:
        at("benchmark", job="dataset_description")
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=PLAN.keys("dataset_description"),
        code=code("dataset_description.py", words=True),
    message:
        "Describing the data set"
    script:
        "../scripts/dataset_description.py"
