"""Studies: questions that run many neurons, chips or networks, each with a request, a run and a result."""
