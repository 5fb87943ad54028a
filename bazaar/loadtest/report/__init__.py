"""
Plots, and the page of one load run.

The load test, the evaluation and `bench` draw with it: `drawing` begins a figure, `figures` has the
plots of a run, `theme` the colours, `page` the HTML. It may import `proof` and everything below.
"""
