"""Commands on tables in files: rank the rows, save the model, score new rows."""
