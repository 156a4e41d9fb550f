"""The campaign of faults: prints what it counted."""

from __future__ import annotations

import pytest

from tests.faults.campaign import SECONDS, SEED, campaign


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/faults" in item.path.as_posix():
            item.add_marker(pytest.mark.faults)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Says the seed before the first input is tried."""
    if any("faults" in item.keywords for item in session.items):
        session.config.get_terminal_writer().line(f"SEQLOOM_FAULT_SEED={SEED} SEQLOOM_FAULT_SECONDS={SECONDS:g}")


@pytest.fixture(autouse=True)
def _no_warnings_as_errors(recwarn: pytest.WarningsRecorder) -> None:
    """Broken data is warned of."""


@pytest.fixture(autouse=True, scope="session")
def _disk() -> None:
    """What is killed here waits for the disk, as it does for users."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if campaign.counts:
        terminalreporter.write_line(f"faults: {campaign.summary()}")
