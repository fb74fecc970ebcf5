from locked import send_signup_mail


def test_locked(jobchaos):
    jobchaos(send_signup_mail, 1)
