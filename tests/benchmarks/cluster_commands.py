"""Commands on a cluster whose scheduler is scripts, and what they claim."""

from fake_checkout import Checkout
from fake_slurm import FakeSlurm


def launch(checkout: Checkout, *arguments: str) -> int:
    """The exit code of a command that submits and does not wait."""
    return checkout.run("--yes", "--no-wait", *arguments, cluster="slurm")


def claimed_jobs(checkout: Checkout) -> dict[str, str]:
    """The job that claims each run, without the runs that only prepared the corpora."""
    run_ids = [i for i in checkout.home.run_ids() if "-s99-" not in i]
    claims = {i: checkout.home.run(i).lease() for i in run_ids}
    return {i: claim.job for i, claim in claims.items() if claim is not None}


def script_of_job(fake_slurm: FakeSlurm, job: str) -> str:
    """The batch script that a job was submitted with."""
    return fake_slurm.script(int(job.split("_")[0]))


def ask_status(checkout: Checkout) -> int:
    """The exit code of a command that prints the state of each run."""
    return checkout.run("--status", cluster="slurm")
