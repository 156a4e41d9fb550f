"""Tables of rows and columns, whatever the format: CSV, TSV, JSON Lines, Parquet, Arrow, datasets on disk, folders."""
