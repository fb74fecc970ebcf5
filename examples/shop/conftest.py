"""A customer, an order, and a payment provider that really listens."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Provider(BaseHTTPRequestHandler):
    """Answers everything with the number of requests so far."""

    def do_POST(self):
        """Take a charge or a refund."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        answer = json.dumps({"count": len(self.server.paths)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def provider_server():
    """The provider, for all tests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.paths = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider(provider_server, settings):
    """The paths that were asked for in this test."""
    settings.PAYMENTS_URL = f"http://127.0.0.1:{provider_server.server_port}"
    provider_server.paths.clear()
    return provider_server.paths


@pytest.fixture
def customer(db):
    """Ann."""
    from shop.models import Customer

    return Customer.objects.create(email="ann@example.com")


@pytest.fixture
def order(customer):
    """Two mugs and a lamp, for 200."""
    from shop.models import Line, Order, Product

    order = Order.objects.create(customer=customer)
    mug = Product.objects.create(name="mug", price=50, stock=10)
    lamp = Product.objects.create(name="lamp", price=100, stock=3)
    Line.objects.create(order=order, product=mug, quantity=2)
    Line.objects.create(order=order, product=lamp)
    return order
