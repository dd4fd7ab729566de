"""Stand-ins for a Slurm queue and for kubectl that run the same commands on this machine.

    python stand_ins.py sbatch SCRIPT
    python stand_ins.py scancel JOB
    python stand_ins.py kubectl create|apply|rollout|port-forward|delete ...

$STAND_INS is a folder of their own. Every process that is started leads a group, listed there.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import kubernetes_validate
import yaml

HOME = Path(os.environ.get("STAND_INS", "."))


def start(command: list[str], log: str, env: dict[str, str] | None = None) -> int:
    """Start a process that outlives this one."""
    with (HOME / log).open("ab") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=env,
            start_new_session=True,
        )  # fmt: skip
    with (HOME / "groups").open("a", encoding="ascii") as groups:
        groups.write(f"{process.pid}\n")
    return process.pid


def end(group: int) -> None:
    """End a process with all it started."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def sbatch(script: str) -> None:
    """Run a job's script."""
    kept = HOME / Path(script).name  # dask-jobqueue removes its own
    shutil.copyfile(script, kept)
    print(f"Submitted batch job {start(['bash', str(kept)], 'slurm.log')}")


def scancel(job: str) -> None:
    """End a job."""
    end(int(job))


def kubectl(verb: str, *words: str) -> None:
    """Do what a cluster would for the guide's manifest."""
    match verb:
        case "create":
            kind, _, name, *files = words
            assert kind == "secret", words
            folder = HOME / name
            folder.mkdir()
            for file in files:
                shutil.copy(file.removeprefix("--from-file="), folder)
        case "apply":
            run_manifest(Path(words[1]))
        case "rollout" | "port-forward":
            assert words[0] in ("status", "service/grading-scheduler"), words
        case "delete":
            for group in (HOME / "pods").read_text(encoding="ascii").split():
                end(int(group))
        case _:
            raise SystemExit(f"this kubectl cannot {verb}")


def run_manifest(path: Path) -> None:
    """Hold a manifest against Kubernetes' schema, then run its pods' commands as processes."""
    # The port of the guide's scheduler service in the cluster, and where it is found from outside.
    inside, outside = os.environ["STAND_INS_PORTS"].split()
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    settings = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    for document in (d for d in documents if d["kind"] == "Deployment"):
        pod = document["spec"]["template"]["spec"]
        [container], [volume] = pod["containers"], pod["volumes"]
        [mount], [source] = container["volumeMounts"], container["envFrom"]
        folder = str(HOME / volume["secret"]["secretName"])
        assert mount["name"] == volume["name"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("DASK_")}
        for name, value in settings[source["configMapRef"]["name"]].items():
            env[name] = value.replace(mount["mountPath"], folder)
        command = [
            word.replace("grading-scheduler", "127.0.0.1").replace(inside, outside)
            for word in container["command"]
        ]
        for _ in range(document["spec"].get("replicas", 1)):
            with (HOME / "pods").open("a", encoding="ascii") as pods:
                pods.write(f"{start(command, 'pods.log', env)}\n")


if __name__ == "__main__":
    {"sbatch": sbatch, "scancel": scancel, "kubectl": kubectl}[sys.argv[1]](*sys.argv[2:])
