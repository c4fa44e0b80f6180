from snakemake.utils import min_version

min_version("9.0")


# Only if none is given: Snakemake would mix a given configuration into this one.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/retrieve.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/train.smk" if CONFIG.training.folds_per_job == 1 else "workflow/rules/train_together.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        PLAN.promised(),


rule data:
    input:
        PLAN.store,
        at("store_summary"),


onstart:
    if workflow.is_main_process:
        check_machine()
        # the executor of Slurm calls all jobs of this process so
        note_slurm(Path.cwd(), getattr(workflow.scheduler._executor, "run_uuid", None))


onsuccess:
    if workflow.is_main_process:
        print(PLAN.where_results_are(str(file) for job in workflow.dag.jobs for file in job.output))


onerror:
    if workflow.is_main_process:
        logger.error(
            "Not finished. Start the same command again to go on: what is done is kept, training goes on from its last checkpoint."
        )
