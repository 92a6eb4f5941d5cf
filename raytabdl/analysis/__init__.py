"""What runs and benchmarks say of hyperparameters, of budgets, and of the tables they were made on."""
