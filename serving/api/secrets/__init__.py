"""The secrets API that databricks-sdk speaks: scopes, keys and access lists; values go in and never come out."""
