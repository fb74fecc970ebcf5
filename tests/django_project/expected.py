"""What must be found in each job: code to the token of the minimal schedule. Nothing, in the sound ones."""

from __future__ import annotations

from shop import jobs

IN_SEQUENCE = {
    jobs.adds_a_payment: {"JC103": "A A", "JC303": "A1!kill A", "JC503": "A0!lost"},
    jobs.records_a_receipt: {},
    jobs.adds_a_payment_asynchronously: {"JC103": "A A", "JC303": "A1!kill A", "JC503": "A0!lost"},
    jobs.records_a_receipt_asynchronously: {},
    jobs.marks_paid_then_adds_a_payment: {"JC303": "A2!kill A", "JC503": "A1!lost"},
    jobs.marks_paid_and_adds_a_payment_at_once: {},
    jobs.replaces_payments: {},
    jobs.inserts_and_is_refused_the_second_time: {},
    jobs.mails_in_the_transaction: {"JC301": "A3!kill A", "JC501": "A2!lost"},
    jobs.mails_on_commit: {"JC302": "A3!kill A", "JC502": "A2!lost"},
    jobs.enqueues_on_commit: {"JC302": "A3!kill A", "JC502": "A2!lost"},
    jobs.marks_on_commit: {},
    jobs.counts_in_the_cache: {"JC103": "A A", "JC303": "A2!kill A", "JC503": "A1!lost"},
    jobs.remembers_in_the_cache: {},
    jobs.copies_to_the_archive: {"JC103": "A A", "JC303": "A2!kill A", "JC503": "A1!lost"},
    jobs.copies_to_the_archive_under_its_own_key: {},
    jobs.mails: {"JC101": "A A", "JC301": "A2!kill A", "JC501": "A1!lost"},
    jobs.mails_with_an_identity: {},
}

OVERLAPPING = {
    jobs.adds_a_payment: {"JC203": "A B"},
    jobs.records_a_receipt: {},
    jobs.adds_a_payment_asynchronously: {"JC203": "A B"},
    jobs.records_a_receipt_asynchronously: {},
    jobs.marks_paid_then_adds_a_payment: {"JC203": "A1 B A"},
    jobs.marks_paid_and_adds_a_payment_at_once: {},
    jobs.replaces_payments: {"JC203": "A3 B A"},
    jobs.inserts_and_is_refused_the_second_time: {},
    jobs.mails_in_the_transaction: {"JC201": "A2 B A"},
    jobs.mails_on_commit: {},
    jobs.enqueues_on_commit: {},
    jobs.marks_on_commit: {},
    jobs.counts_in_the_cache: {"JC203": "A B"},
    jobs.remembers_in_the_cache: {},
    jobs.copies_to_the_archive: {"JC203": "A B"},
    jobs.copies_to_the_archive_under_its_own_key: {},
    jobs.mails: {"JC201": "A B"},
    jobs.mails_with_an_identity: {},
}
