"""Trusted grading of the course's notebooks, built on nbgrader."""

import sys

# At its import jsonschema would build a parser of internationalised addresses, which takes as long
# as importing torch; no notebook's schema asks for one.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
