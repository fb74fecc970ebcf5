from sound import send_signup_mail


def test_sound(jobchaos):
    jobchaos(send_signup_mail, 1)
