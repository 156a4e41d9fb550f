"""Sound: files decoded and resampled, log-mel frames, augmentation, and recordings with their texts as data."""
