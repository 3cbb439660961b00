"""The dependency audit tells holes, none, and that it could not ask, apart."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[1] / ".ci" / "audit"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is absent")


def audit(folder, *, report=None, said=""):
    """Run the audit with an auditor that leaves `report`, or nothing as the real one does where nobody answers."""
    auditor = folder / "pip-audit"
    auditor.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"print({said!r}, file=sys.stderr)\n"
        f"if {report is not None}: open(sys.argv[sys.argv.index('--output') + 1], 'w').write({json.dumps(report)!r})\n"
        "sys.exit(1)\n"
    )
    auditor.chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run([AUDIT], env={"PATH": path}, capture_output=True, text=True)


def test_without_a_network_it_says_that_nothing_is_known(tmp_path):
    done = audit(tmp_path, said="ERROR: connection refused")
    assert done.returncode == 3
    assert done.stderr.startswith("audit: could not be made (ERROR: connection refused); ")


def test_a_hole_is_told_with_what_mends_it(tmp_path):
    hole = {"id": "CVE-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
    pins = [{"name": "one", "version": "1.0", "vulns": [hole]}, {"name": "two", "skip_reason": "not found"}]
    done = audit(tmp_path, report={"dependencies": pins})
    assert done.returncode == 1
    assert "audit: one 1.0: CVE-1, mended in 1.1" in done.stdout
    assert "audit: 1 pins asked for, 1 known holes; not known: ['two']" in done.stdout


def test_none_is_told_as_none(tmp_path):
    done = audit(tmp_path, report={"dependencies": [{"name": "one", "version": "1.0", "vulns": []}]})
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "1 pins asked for, 0 known holes" in done.stdout
