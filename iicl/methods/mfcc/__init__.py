"""A baseline on sound that learns nothing: cepstral coefficients."""
