"""Run every test that takes a device on CUDA, and record the outcome.

    python experiments/gpu_tests.py

Writes attention_lib/results/gpu_tests.json; without a CUDA device it changes nothing and ends
with 1.
"""

import subprocess
import sys
from xml.etree import ElementTree

import torch
from provenance import ROOT, command_line, provenance, write_record


def main() -> int:
    """Run pytest on the marked tests and keep what it counted."""
    command_line(__doc__).parse_args()
    if not torch.cuda.is_available():
        print("there is no CUDA device here: nothing was run and the record stays as it is")
        return 1
    report = ROOT / "_build" / "gpu_tests.xml"
    report.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "gpu", f"--junitxml={report}"]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        raise RuntimeError(f"{report} holds no test suite; run pytest -m gpu by hand")
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    failed = [
        f"{case.attrib['classname']}::{case.attrib['name']}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    record = {"provenance": provenance(__file__), **counts, "failed": failed}
    print(write_record("gpu_tests", record))
    return status


if __name__ == "__main__":
    sys.exit(main())
