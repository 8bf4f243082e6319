"""What sources build trainings from: models, layers, batches, fitting."""
