"""Normal forms: graphs as sums of products over their sources, written so that equal functions look alike.

`normal_form` reads a graph, through `sources` and `meanings`, and asks `algebra` for its sums. Each layer of
the algebra knows those before it: `arithmetic`, `factoring`, `signs`, `conditions`, `powers`,
`functions`. `term_laws`, `index_laws` and `quotients` are the steps by which a term becomes normal;
`vanishing` decides whether what is left of a difference is 0, `unfolding` writes small sums out for it.
"""
