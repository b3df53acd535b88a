"""What docs/privacy.md promises names tests that exist, calls that exist, and templates that can be read."""

from __future__ import annotations

import plistlib
import re
from dataclasses import fields
from pathlib import Path

import recsys
from recsys import Recommender, Settings
from recsys.log.erase import REASONS
from recsys.reports import Receipt

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
TEMPLATES = ROOT / "docs" / "templates"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    lines = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def cited_tests(cell: str) -> list[str]:
    return re.findall(r"`(tests/[\w/]+\.py)`", cell)


def test_every_threat_has_a_guarantee_a_limit_and_tests_that_exist() -> None:
    threats = rows("Threats")
    assert len(threats) >= 10
    for asset, adversary, guarantee, limit, tests in threats:
        assert all((asset, adversary, guarantee, limit)), asset
        named = cited_tests(tests)
        assert named, asset
        for test in named:
            text = (ROOT / test).read_text(encoding="utf-8")
            assert "def test_" in text, test


def test_a_file_that_does_not_exist_would_be_noticed() -> None:
    assert cited_tests("`tests/none.py`, `tests/log/test_erase.py`") == ["tests/none.py", "tests/log/test_erase.py"]
    assert not (ROOT / "tests" / "none.py").exists()


def test_every_call_that_answers_a_law_exists() -> None:
    calls = {name for _, _, cell in rows("The law, call by call") for name in re.findall(r"`(\w+)`", cell)}
    public = {*dir(Recommender), *dir(recsys)}
    assert {"forget", "export", "withdraw"} <= calls
    assert calls <= public


def test_every_reason_and_setting_is_told() -> None:
    assert all(f"`{reason}`" in PAGE for reason in REASONS)
    for name in ("keep_days", "keep_events", "time_resolution", "never_learn", "require_consent", "ballast"):
        assert name in PAGE
        assert hasattr(Settings(), name)


def test_the_manifest_for_apple_can_be_read_and_declares_no_tracking() -> None:
    manifest = plistlib.loads((TEMPLATES / "PrivacyInfo.xcprivacy").read_bytes())
    assert manifest["NSPrivacyTracking"] is False
    assert manifest["NSPrivacyTrackingDomains"] == manifest["NSPrivacyCollectedDataTypes"] == []
    reasons = {
        api["NSPrivacyAccessedAPIType"].removeprefix("NSPrivacyAccessedAPICategory"): api[
            "NSPrivacyAccessedAPITypeReasons"
        ]
        for api in manifest["NSPrivacyAccessedAPITypes"]
    }
    assert reasons == {"FileTimestamp": ["C617.1"], "SystemBootTime": ["35F9.1"]}


def test_the_calls_that_apple_counts_are_the_ones_declared() -> None:
    """Free disk space and user defaults, which would need a reason of their own, are asked nowhere."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "recsys").rglob("*.py"))
    assert not re.search(r"\b(statvfs|disk_usage|NSUserDefaults)\b", text)
    assert re.search(r"\blstat\(", text)
    assert re.search(r"\b(perf_counter|monotonic)\(", text)


def named(cells: list[list[str]]) -> set[str]:
    return {name for first, *_ in cells for name in re.findall(r"`(\w+)`", first)}


def test_every_field_of_a_receipt_is_explained() -> None:
    assert named(rows("What a receipt says")) == {field.name for field in fields(Receipt)}


def test_what_every_call_does_without_consent_is_said() -> None:
    calls = {name for name, value in vars(Recommender).items() if callable(value) and not name.startswith("_")}
    table = PAGE.split("### Without consent\n", 1)[1].split("\n\nOpening such", 1)[0]
    assert named([line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]) == calls
