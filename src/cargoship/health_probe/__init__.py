"""The static program that health checks ask by: its source, and how it is made, once for each platform."""
