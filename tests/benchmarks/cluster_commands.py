"""Commands on a cluster whose scheduler is scripts, and what they claim."""

from fake_checkout import Checkout
from fake_slurm import FakeSlurm


def launch(checkout: Checkout, *arguments: str) -> int:
    return checkout.run("--yes", "--no-wait", *arguments, cluster="slurm")


def of_seeds(checkout: Checkout) -> list[str]:
    return [i for i in checkout.home.run_ids() if "-s99-" not in i]


def jobs(checkout: Checkout) -> dict[str, str]:
    claims = {i: checkout.home.run(i).lease() for i in of_seeds(checkout)}
    return {i: claim.job for i, claim in claims.items() if claim is not None}


def script_of(fake_slurm: FakeSlurm, job: str) -> str:
    return fake_slurm.script(int(job.split("_")[0]))


def checkout_status(checkout: Checkout) -> int:
    return checkout.run("--status", cluster="slurm")
