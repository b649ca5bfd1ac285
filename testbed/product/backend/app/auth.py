# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords and tokens."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from typing import Any

import bcrypt
import jwt

VALID = 24 * 3600  # seconds
ROUNDS = 10
# Checked where there is no such user, so that the answer takes as long.
NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt(ROUNDS)).decode()


def _short(password: str) -> bytes:
    """Bcrypt takes 72 bytes at most, a password may have more."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return bcrypt.hashpw(_short(password), bcrypt.gensalt(ROUNDS)).decode()


def password_is(password: str, hashed: str | None) -> bool:
    """Whether a password is the one that was hashed; never where there is no user."""
    matches = bcrypt.checkpw(_short(password), (hashed or NOBODY).encode())
    return matches and hashed is not None


def issue(secret: str, user_id: str) -> str:
    """Return a token for a new session."""
    claims = {"sub": user_id, "jti": uuid.uuid4().hex, "exp": int(time.time()) + VALID}
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, token: str) -> dict[str, Any]:
    """Return a token's claims. Raises jwt.InvalidTokenError."""
    return dict(jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["sub", "jti", "exp"]}))
