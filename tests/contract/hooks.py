"""What a description of parameters cannot say: a page's cursor is opaque, and `at` waits for its position itself."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    query = dict(case.query or {})
    query.pop("cursor", None)
    if "at" in query:
        query.pop("after", None)
    case.query = query
