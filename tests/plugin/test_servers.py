"""The fixtures of servers: one for the whole session, which is gone afterwards; an address in the environment wins."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = """

@pytest.mark.parametrize("time", [1, 2])
def test_it(time, jobchaos_postgres, jobchaos_redis):
    with psycopg.connect(jobchaos_postgres, autocommit=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS seen (time int)")
        db.execute("INSERT INTO seen VALUES (1)")
        (seen,) = db.execute("SELECT count(*) FROM seen").fetchone()
    with redis.Redis.from_url(jobchaos_redis) as client:
        pushed = client.incr("seen")
        server = client.info("server")["process_id"]
    with open("told.txt", "a") as file:
        file.write(f"{seen} {pushed} {jobchaos_postgres.rpartition('host=')[2]} {server}\\n")
"""


def told(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "told.txt").read_text().splitlines()]


def test_one_server_serves_the_whole_session_and_is_gone_afterwards(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("JOBCHAOS_POSTGRES", "JOBCHAOS_REDIS"):
        monkeypatch.delenv(variable, raising=False)
    module = f"import psycopg\nimport pytest\nimport redis\n{TESTS}"
    pytester.makepyfile(test_one=module, test_two=module)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)
    rows = told(pytester.path)
    assert [row[:2] for row in rows] == [[str(number)] * 2 for number in (1, 2, 3, 4)], "it keeps what it was told"
    ((folder, process),) = {(row[2], row[3]) for row in rows}
    assert not Path(folder).exists()
    assert not Path(f"/proc/{process}").exists()


def test_an_address_in_the_environment_wins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCHAOS_POSTGRES", "postgresql://ann@db.example/app_test")
    monkeypatch.setenv("JOBCHAOS_REDIS", "redis://cache.example/3")
    pytester.makepyfile(
        """
        def test_it(jobchaos_postgres, jobchaos_redis):
            assert jobchaos_postgres == "postgresql://ann@db.example/app_test"
            assert jobchaos_redis == "redis://cache.example/3"
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
