"""SQL statements and warehouses, as databricks-sdk speaks of them."""
