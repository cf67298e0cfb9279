# SPDX-License-Identifier: MPL-2.0
"""A Lambda function that calls Finicity's API: see ../README.md. test/e2e/testdata/aws.txtar runs it."""

import client  # examples/clients/python/client.py, beside this file in the package of the function.


def handler(event, context):
    # The client keeps the token between invocations.
    return {"customers": client.call("/aggregation/v1/customers")["found"]}
