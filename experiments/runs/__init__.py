"""What every run shares: settings, presets, the run's folder, the evaluator and the frame of a script."""
