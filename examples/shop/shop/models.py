"""What the shop keeps."""

from django.db import models


class Customer(models.Model):
    """Somebody who buys."""

    email = models.EmailField(unique=True)
    points = models.IntegerField(default=0)
    last_seen = models.DateTimeField(null=True)


class Product(models.Model):
    """Something to buy."""

    name = models.CharField(max_length=50)
    price = models.IntegerField()
    stock = models.IntegerField(default=0)


class Order(models.Model):
    """What a customer buys, and how far it has come."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    status = models.CharField(max_length=10, default="new")
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    @property
    def total(self):
        """The sum of all lines."""
        return sum(line.quantity * line.product.price for line in self.lines.select_related("product"))


class Line(models.Model):
    """One product in an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.IntegerField(default=1)


class Invoice(models.Model):
    """One for each order."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    amount = models.IntegerField()
    issued = models.DateTimeField(auto_now_add=True)


class Shipment(models.Model):
    """A parcel."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    address = models.CharField(max_length=100)


class Movement(models.Model):
    """Stock that has left for an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.IntegerField()

    class Meta:
        """Once for each product of an order."""

        unique_together = (("order", "product"),)


class Letter(models.Model):
    """A mail that waits to be sent."""

    to = models.EmailField()
    subject = models.CharField(max_length=100)
    sent = models.BooleanField(default=False)


class ReportRow(models.Model):
    """What was sold of one product, all in all."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    sold = models.IntegerField()
    computed = models.DateTimeField(auto_now_add=True)
