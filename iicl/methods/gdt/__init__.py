"""GDT: generalised data transformations (Patrick et al., 2021)."""
