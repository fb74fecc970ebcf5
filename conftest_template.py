"""jobchaos in your project: a starting point. Keep what you need; everything below works as it is.

A test asks for a fixture and gives it the job and its arguments:

    def test_invoice(jobchaos):
        jobchaos(send_invoice, 42)

`run_twice` tries duplicates, `run_concurrently` two overlapping copies, `run_crashing` a crash at every point where the
world has changed, and `jobchaos` all of these. `pytest --jobchaos` is thorough and prints a table; in CI it gates.
"""

import pytest


@pytest.fixture
def jobchaos_stores():
    """State that jobchaos does not find by itself.

    SQLite databases, files, mails and HTTP requests are found when the job touches them, if they are test resources:
    under tmp_path, in memory, or with `test` in their names. Name the rest here, for example

        from jobchaos import DirectoryStore, FunctionStore, MemoryStore

        return [
            MemoryStore(fake_payment_service.charges, name="payments"),
            DirectoryStore(tmp_path / "uploads"),
            FunctionStore(snapshot=lambda: sorted(cache.items()), reset=cache.clear, name="cache"),
        ]
    """
    return []


# Options for all tests go into your pytest configuration:
#
#     [tool.pytest.ini_options]
#     jobchaos_ignore = ["orders.updated_at"]
#     jobchaos_budget = "1000"
#
# and for one test onto it:
#
#     @pytest.mark.jobchaos(ignore=["orders.updated_at"], granularity="line")
