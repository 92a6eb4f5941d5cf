"""The search engine, judged without training anything: on learning curves, with a simulated clock."""
