"""What `explain` measures: gradients, contexts, gates, attention, attributions, the health of a training."""
