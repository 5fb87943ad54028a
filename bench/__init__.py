"""
Measurements beside things anyone knows, as ratios taken in one run: `make bench`.

No part of the product and none of the tests. It may import all of the product.
"""
