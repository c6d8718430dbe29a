"""Which runs? Table x scale x seeds -> a graph of runs with names, states and hours."""
