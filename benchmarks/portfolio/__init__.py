"""A portfolio learned on 40 tables, and learning curves on 20 of them: the data, and what they say."""
