# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring watches in this test: a site for shop.example alone, an app's metrics, a receiver of alerts."""

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "shop.example" else 421)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Metrics(Site):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/shop/api" else 404)
        self.end_headers()
        self.wfile.write(b"shop_orders_total 7\n")


class Hook(Site):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with Path("/root/alerts.log").open("ab") as file:
            file.write(self.headers.get("Authorization", "nobody").encode() + b" " + body + b"\n")
        self.send_response(200)
        self.end_headers()


def only_the_shop(_socket: object, name: str, _context: object) -> int | None:
    return None if name == "shop.example" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/ssl/host-test.pem", "/root/host-test.key")
context.sni_callback = only_the_shop
site = ThreadingHTTPServer(("127.0.0.1", 443), Site)
site.socket = context.wrap_socket(site.socket, server_side=True)
for server in (site, ThreadingHTTPServer(("127.0.0.1", 9080), Metrics), ThreadingHTTPServer(("127.0.0.1", 9999), Hook)):
    Thread(target=server.serve_forever).start()
