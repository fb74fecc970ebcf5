from idempotency_key import pay


def test_idempotency_key(jobchaos):
    jobchaos(pay, 7)
