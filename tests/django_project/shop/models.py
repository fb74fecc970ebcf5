"""Orders, and what is done about them."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """Something that a customer wants."""

    email = models.CharField(max_length=100)
    status = models.CharField(max_length=10, default="new")
    paid = models.IntegerField(default=0)


class Payment(models.Model):
    """Money that has come in."""

    order = models.ForeignKey(Order, models.CASCADE)
    cents = models.IntegerField()


class Receipt(models.Model):
    """A payment, remembered once."""

    number = models.CharField(max_length=20, primary_key=True)
