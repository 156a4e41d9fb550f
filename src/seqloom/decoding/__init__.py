"""What is asked of a trained model without targets: the next tokens; and what it thinks of given ones."""
