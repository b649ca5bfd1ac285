# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody tries who has stolen the server's own key. Runs on the server: thief.py STORE KEY."""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

store, key = json.loads(sys.argv[1]), sys.argv[2]
s3 = boto3.client(
    "s3",
    endpoint_url=store["endpoint_url"],
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
    aws_access_key_id=store["credential"]["access_key_id"],
    aws_secret_access_key=store["credential"]["secret_access_key"],
)
for call, more in (
    (s3.get_object, {}),
    (s3.delete_object, {}),
    (s3.put_object, {"Body": b"ransom", "IfNoneMatch": "*"}),
    (s3.put_object, {"Body": b"ransom"}),
):
    try:
        call(Bucket=store["bucket"], Key=key, **more)
        print("done")
    except ClientError as error:
        print(error.response["ResponseMetadata"]["HTTPStatusCode"])
