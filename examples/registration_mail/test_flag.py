from flag import send_signup_mail


def test_flag(jobchaos):
    jobchaos(send_signup_mail, 1)
