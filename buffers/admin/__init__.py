"""Looking after a buffer: inspection, repair, compaction, export."""
