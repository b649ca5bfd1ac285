# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the club's table."""

import os
import sys
from pathlib import Path

import psycopg2

if Path("/app/RELEASE").read_text(encoding="utf-8").strip() == "bad-migration":
    sys.exit("this migration fails on purpose")
with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS members (name text PRIMARY KEY)")
print("the table is there")
