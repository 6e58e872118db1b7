"""What the ranking learns from: exposures and their outcomes, progressive features, parameters, the online model."""
