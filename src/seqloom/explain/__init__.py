"""What a trained model does and why, as numbers and as pages."""
