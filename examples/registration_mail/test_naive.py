from naive import send_signup_mail


def test_naive(jobchaos):
    jobchaos(send_signup_mail, 1)
