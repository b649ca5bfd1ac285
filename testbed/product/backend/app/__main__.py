# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the API on port 8000: ``python -m app``."""

from __future__ import annotations

import logging
import os
import threading
import time

import uvicorn

from app.settings import load_release, load_settings


def crash(seconds: int) -> None:
    """End the process as a crash does: at once, whatever it is doing."""
    time.sleep(seconds)
    logging.getLogger("snippetly").critical("fatal: crashing after %d s, as this release does", seconds)
    os._exit(1)


def main() -> None:
    """Serve until told to stop; requests under way are finished first."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    release = load_release()
    load_settings()
    log = logging.getLogger("snippetly")
    log.info("release %s starts", release.release)
    if not release.listen:
        log.warning("waiting for something that never comes; not listening yet")
        threading.Event().wait()
    if release.crash_after:
        threading.Thread(target=crash, args=(release.crash_after,), daemon=True).start()
    uvicorn.run(
        "app.main:app",
        host="0.0.0.0",  # noqa: S104 - the container's address; what is published is the runtime's business
        port=8000,
        access_log=False,
        server_header=False,
        # Longer than a proxy keeps an idle connection, or it would lose requests to one that is just being closed.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=25,
        log_config=None,
    )


main()
