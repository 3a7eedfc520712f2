"""Findings in the format of Code Climate, which GitLab shows on the lines of a merge request.

https://docs.gitlab.com/ci/testing/code_quality/
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from sanetune.finding import Report
from sanetune.report.sarif import sarif

SEVERITY = {"error": "critical", "warning": "minor"}


def code_quality(report: Report, root: Path) -> list[dict[str, Any]]:
    """Return ``report`` as a list of issues, one for each place that a finding shows.

    Args:
        report: The findings.
        root: The repository's folder: GitLab wants paths from there.
    """
    issues = []
    seen: Counter[str] = Counter()
    for result in sarif(report, root)["runs"][0]["results"]:
        physical = result["locations"][0]["physicalLocation"] if result.get("locations") else {}
        path = physical.get("artifactLocation", {}).get("uri", "")
        line = physical.get("region", {}).get("startLine", 1)
        mark = result.get("partialFingerprints", {}).get("sanetune/v1", f"{path}:{result['ruleId']}")
        # Copies of a row have one content: GitLab shows one issue of those with the same fingerprint.
        seen[mark] += 1
        issues.append(
            {
                "description": result["message"]["text"],
                "check_name": result["ruleId"],
                "fingerprint": mark if seen[mark] == 1 else f"{mark}-{seen[mark]}",
                "severity": SEVERITY.get(result["level"], "info"),
                "location": {"path": path, "lines": {"begin": line}},
            }
        )
    return issues
