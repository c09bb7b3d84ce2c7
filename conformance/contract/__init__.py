"""What the documentation says: the catalogue of requirements and the schemas of everything that travels."""
