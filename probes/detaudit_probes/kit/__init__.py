"""What sources build trainings with: models, layers, batches, fitting."""
