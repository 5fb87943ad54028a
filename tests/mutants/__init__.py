"""
Faults planted in the product, one at a time, to see that some unit test catches each.

`make mutants` runs it; `make test` does not. Nothing else imports it. It may use the standard
library only.
"""
