"""The one training loop, its configuration, precision and backends."""
