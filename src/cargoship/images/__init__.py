"""Images that exist already, no matter who made them: opened where they are, inspected, verified, copied, merged.

Knows neither Cargo nor a plan.
"""
