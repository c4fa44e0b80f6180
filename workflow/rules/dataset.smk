"""The data set for users: a job for each variable and length of step, and what goes with the files."""

from h2cm.results.dataset.files import path_of, years

DATASET = f"{RUN}/dataset"
DATASET_SECTIONS = [
    "run",
    "source",
    "seed",
    "period",
    "grid",
    "constraints",
    "model",
    "split",
    "training",
    "prediction",
]


def dataset_files(steps=("daily", "monthly")):
    """The netCDF files of variables."""
    return [
        f"{DATASET}/{path_of(name, step, year)}"
        for step in steps
        for name in getattr(CONFIG.prediction, step)
        for year in years(CONFIG)
    ]


def dataset_outputs():
    """All that the data set consists of."""
    grid = [] if CONFIG.source == "towers" else [f"{DATASET}/grid.nc"]
    about = [f"{DATASET}/{name}" for name in ("README.md", ".zenodo.json", "ro-crate-metadata.json")]
    stores = [f"{DATASET}/{step}.zarr" for step in dataset_stores()]
    return [*dataset_files(), *grid, *stores, *about]


def dataset_stores():
    """The lengths of step that are also written as Zarr."""
    steps = ("daily", "monthly") if CONFIG.dataset.zarr else ()
    return [step for step in steps if getattr(CONFIG.prediction, step)]


def members(step):
    """Predictions of the folds of the experiment that the data set is made of."""
    main = main_experiment(CONFIG)
    return in_run(f"predictions/{main}/fold_{fold}/{step}.nc" for fold in folds(CONFIG, main))


rule dataset:
    input:
        cells=f"{RUN}/store/grid.nc",
        members=lambda w: members(w.step),
    output:
        [f"{DATASET}/{path_of('{variable}', '{step}', year)}" for year in years(CONFIG)],
    log:
        f"{RUN}/logs/dataset/{{variable}}_{{step}}.log",
    benchmark:
        f"{RUN}/benchmarks/dataset/{{variable}}_{{step}}.tsv"
    wildcard_constraints:
        step="daily|monthly",
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        config=sections(*DATASET_SECTIONS, "dataset", experiment=main_experiment(CONFIG)),
        folder=lambda w: DATASET,
        code=code("dataset.py"),
    message:
        "Writing {wildcards.variable}, {wildcards.step}, of the data set"
    script:
        "../scripts/dataset.py"


if CONFIG.source != "towers":

    rule dataset_grid:
        input:
            f"{RUN}/store/grid.nc",
        output:
            f"{DATASET}/grid.nc",
        log:
            f"{RUN}/logs/dataset_grid.log",
        benchmark:
            f"{RUN}/benchmarks/dataset_grid.tsv"
        conda:
            "../../envs/h2cm.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=10,
        params:
            config=sections(*DATASET_SECTIONS, "dataset", experiment=main_experiment(CONFIG)),
            code=code("dataset_grid.py"),
        message:
            "Writing areas and land fractions of the data set"
        script:
            "../scripts/dataset_grid.py"


rule dataset_zarr:
    input:
        lambda w: dataset_files([w.step]),
    output:
        directory(f"{DATASET}/{{step}}.zarr"),
    log:
        f"{RUN}/logs/dataset_zarr/{{step}}.log",
    benchmark:
        f"{RUN}/benchmarks/dataset_zarr/{{step}}.tsv"
    wildcard_constraints:
        step="daily|monthly",
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        config=sections(),
        code=code("dataset_zarr.py"),
    message:
        "Writing the {wildcards.step} fields as Zarr"
    script:
        "../scripts/dataset_zarr.py"


rule dataset_description:
    input:
        files=dataset_files(),
        grid=[] if CONFIG.source == "towers" else f"{DATASET}/grid.nc",
        stores=[f"{DATASET}/{step}.zarr" for step in dataset_stores()],
        software=ROOT / "CITATION.cff",
    output:
        readme=f"{DATASET}/README.md",
        zenodo=f"{DATASET}/.zenodo.json",
        crate=f"{DATASET}/ro-crate-metadata.json",
    log:
        f"{RUN}/logs/dataset_description.log",
    benchmark:
        f"{RUN}/benchmarks/dataset_description.tsv"
    conda:
        "../../envs/h2cm.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        config=sections(*DATASET_SECTIONS, "dataset", experiment=main_experiment(CONFIG)),
        code=code("dataset_description.py"),
    message:
        "Describing the data set"
    script:
        "../scripts/dataset_description.py"
