"""Pure functions on arrays: decoding, spectra, severity, features, anomaly, bearings."""
