from charge_then_record import pay


def test_charge_then_record(jobchaos):
    jobchaos(pay, 7)
