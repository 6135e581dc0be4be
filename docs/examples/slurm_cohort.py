# SPDX-License-Identifier: Apache-2.0
"""A cohort on a SLURM cluster: workers as jobs by dask-jobqueue, and `petlesion batch` on the login node.

    pip install 'distributed>=2026.8,<2027' dask-jobqueue
    python slurm_cohort.py 8 /shared/COHORT --out /shared/RESULTS --weights /shared/WEIGHTS

The first argument is the number of jobs, each with one worker and one GPU; the rest goes to `petlesion batch`. Cohort,
results, weights and this Python environment must lie where every node sees them under the same path. Adapt queue,
account, memory and time to your site. A job that ends, or is killed, gives its case to another.
"""

from __future__ import annotations

import subprocess
import sys

from dask_jobqueue import SLURMCluster

JOBS, ARGUMENTS = int(sys.argv[1]), sys.argv[2:]

if __name__ == "__main__":
    with SLURMCluster(
        queue="gpu",
        account="my-account",
        walltime="08:00:00",
        processes=1,  # one worker a job, with one GPU
        cores=1,  # one case at a time; petlesion's own threads are --threads
        job_cpu=4,
        memory="32GB",
        job_extra_directives=["--gres=gpu:1"],
        worker_extra_args=["--memory-limit", "0"],  # SLURM limits the job's memory itself
        log_directory="dask-logs",
    ) as cluster:
        cluster.scale(jobs=JOBS)
        command = ["petlesion", "batch", *ARGUMENTS, "--threads", "4", "--scheduler", cluster.scheduler_address]
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - the words are the caller's own
